"""The command line ``lab``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from kr_lab import faults
from kr_lab.control import control
from kr_lab.encryption import PROVIDERS
from kr_lab.health import missing_for_health, readyz, wait_healthy
from kr_lab.host import LabError, say
from kr_lab.inventory import USERS, inventory, ssh_argv
from kr_lab.lifecycle import down_all, down_by_name, up
from kr_lab.node import is_on
from kr_lab.objects import birth_objects, render
from kr_lab.power import cut, start
from kr_lab.state import all_labs, load
from kr_lab.units import CONTROL_PLANES
from kr_lab.workload import snapshot_data

__all__ = ["main", "parser"]

_Options = argparse.Namespace


def _up(options: _Options) -> int:
    what = (options.profile, options.masters, options.workers, options.encryption, options.control_plane)
    lab = up(options.name, *what)
    say(f"log in with 'lab ssh m1 --name {lab.name}', look with 'lab status', take it down with 'lab down'")
    return 0


def _control(options: _Options) -> int:
    control(load(options.name), [load(name) for name in options.reaches])
    return 0


def _list(options: _Options) -> int:
    labs = all_labs()
    for lab in labs:
        power = sum(is_on(lab, node) for node in lab.nodes)
        print(f"{lab.name}\t{lab.profile}\t{lab.kubernetes}\t10.77.{lab.index}.0/24\t{power}/{len(lab.nodes)} nodes on")
    if not labs:
        say("no lab is up: 'lab up' makes one")
    return 0


def _status(options: _Options) -> int:
    lab = load(options.name)
    print(f"lab {lab.name}: {lab.profile}, Kubernetes {lab.kubernetes}, {lab.runtime}")
    for node in lab.nodes:
        power = "on" if is_on(lab, node) else "off"
        state = f"apiserver {readyz(node.ip)}" if node.role == "master" and power == "on" else ""
        print(f"{node.name}\t{node.ip}\t{power}\t{state}".rstrip())
    # A node renews its lease every 10 s, a controller every 2 s.
    lacks = missing_for_health(lab, since=time.time() - 30)
    print("healthy" if not lacks else "not healthy: " + "; ".join(lacks)[:800])
    return 0 if not lacks else 2


def _inventory(options: _Options) -> int:
    print(inventory(load(options.name), options.user), end="")
    return 0


def _exec(options: _Options) -> int:
    lab = load(options.name)
    (node,) = lab.pick([options.node])
    if not is_on(lab, node):
        raise LabError(f"{node.name} of lab '{lab.name}' is switched off: 'lab start {node.name}'")
    tty = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    words = options.command or ["/bin/bash", "-l"]
    return _become(["podman", "--runtime", "runc", "exec", "-i", *tty, lab.container(node), *words])


def _ssh(options: _Options) -> int:
    lab = load(options.name)
    (node,) = lab.pick([options.node])
    return _become([*ssh_argv(lab, node, options.user), *options.command])


def _kubectl(options: _Options) -> int:
    lab = load(options.name)
    return _become([*lab.client, *options.command])


def _become(argv: list[str]) -> int:
    return subprocess.run(argv, check=False).returncode


def _faults(options: _Options) -> int:
    for fault in faults.catalogue():
        print(f"{fault.name}  (default: {' '.join(fault.on)})")
        print("".join(f"    {line}\n" for line in fault.says.strip().splitlines()), end="")
    return 0


def _break(options: _Options) -> int:
    lab = load(options.name)
    faults.inject(lab, faults.find(options.fault), options.on)
    return 0


def _cut(options: _Options) -> int:
    lab = load(options.name)
    cut(lab, lab.pick(options.nodes), torn=options.torn)
    return 0


def _start(options: _Options) -> int:
    lab = load(options.name)
    since = time.time()
    start(lab, lab.pick(options.nodes))
    if options.wait:
        wait_healthy(lab, since)
    return 0


def _snapshot(options: _Options) -> int:
    print(json.dumps(snapshot_data(load(options.name)), indent=1))
    return 0


def _birth_objects(options: _Options) -> int:
    print(render(birth_objects(load(options.name))), end="")
    return 0


def _down(options: _Options) -> int:
    if options.all:
        down_all()
    else:
        down_by_name(options.name)
    return 0


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    word: str,
    action: Callable[[_Options], int],
    text: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(word, help=text, description=text)
    command.add_argument("--name", default="lab", help="which lab (default: lab)")
    command.set_defaults(action=action)
    return command


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(prog="lab", description="A real Kubernetes cluster on this machine, to be broken.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    one = _add(commands, "up", _up, "bring a healthy cluster up")
    one.add_argument("--profile", default="current", help="current, legacy or another of lab/recipes/profiles")
    one.add_argument("--masters", type=int, default=3)
    one.add_argument("--workers", type=int, default=1)
    one.add_argument("--encryption", choices=PROVIDERS, default="", help="encrypt secrets at rest (default: not)")
    one.add_argument("--control-plane", choices=CONTROL_PLANES, default="pods", help="static pods, or systemd units")
    one = _add(commands, "control", _control, "switch on a machine beside the cluster that jobs can run on: c1")
    one.add_argument("--reaches", nargs="+", default=[], metavar="LAB", help="other labs that it reaches as well")
    _add(commands, "list", _list, "the labs of this machine")
    _add(commands, "status", _status, "nodes, power, apiservers, leases; rc 2 when it is not healthy")
    one = _add(commands, "inventory", _inventory, "print an Ansible inventory of the lab")
    one.add_argument("--user", choices=USERS, default="root", help="ops has sudo, opspw has sudo with a password")
    one = _add(commands, "exec", _exec, "run a command on a node, without ssh (before it, --)")
    one.add_argument("node")
    one = _add(commands, "ssh", _ssh, "log in to a node, or run a command there (before it, --)")
    one.add_argument("--user", choices=USERS, default="root")
    one.add_argument("node")
    _add(commands, "kubectl", _kubectl, "kubectl as the cluster's first administrator (before its words, --)")
    _add(commands, "faults", _faults, "what can be broken, in words")
    one = _add(commands, "break", _break, "inject a fault")
    one.add_argument("fault")
    one.add_argument("--on", nargs="+", metavar="NODE", help="other nodes than the fault's own choice")
    one = _add(commands, "cut", _cut, "cut the power: what was not synced is lost")
    one.add_argument("--torn", action="store_true", help="on disks that lie about flushes: torn files")
    one.add_argument("nodes", nargs="*", metavar="NODE")
    one = _add(commands, "start", _start, "switch nodes on again")
    one.add_argument("--wait", action="store_true", help="wait until the cluster is healthy")
    one.add_argument("nodes", nargs="*", metavar="NODE")
    _add(commands, "snapshot-data", _snapshot, "UIDs and content hashes of the workload, as JSON")
    _add(commands, "birth-objects", _birth_objects, "roles and bindings of a fresh cluster, as JSON (see docs/lab.md)")
    one = _add(commands, "down", _down, "take a lab away")
    one.add_argument("--all", action="store_true", help="all labs, and what a crash left")
    return top


def split_command(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lab's own words, and the command behind ``--`` (for kubectl also without it)."""
    words = list(arguments)
    if "--" in words:
        cut_at = words.index("--")
        return words[:cut_at], words[cut_at + 1 :]
    if words[:1] == ["kubectl"]:
        own = ["kubectl"]
        rest = words[1:]
        while rest[:1] == ["--name"]:
            own, rest = [*own, *rest[:2]], rest[2:]
        if rest[:1] not in (["-h"], ["--help"]):
            return own, rest
    if words[:1] in (["exec"], ["ssh"]):
        # lab exec m1 cat /etc/hosts: everything behind the node's name is the command.
        at = 1
        while at < len(words) and words[at].startswith("-"):
            at += 2 if words[at] in ("--name", "--user") else 1
        return words[: at + 1], words[at + 1 :]
    return words, []


def main(arguments: Sequence[str]) -> int:
    """Run one command; an error is one sentence and rc 1."""
    own, command = split_command(arguments)
    options = parser().parse_args(own)
    options.command = command
    if command and options.action not in (_exec, _ssh, _kubectl):
        parser().error(f"'{own[0]}' takes no command behind '--'")
    os.environ.setdefault("LC_ALL", "C.UTF-8")
    try:
        return int(options.action(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; 'lab down' takes away what was made so far", file=sys.stderr)
        return 130
