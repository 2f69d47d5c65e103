"""Kills a repair in its middle, as when the controller's power goes: the next run has to go on from where the cluster is."""

from __future__ import annotations

import os
import random
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scenarios.client import keep, served
from scenarios.nodes import succeeds
from scenarios.runs import LIMIT, command, environment
from scenarios.story import ROOT, Story

__all__ = ["Missed", "cut_off", "interrupt", "kill_at_random"]

_MARK = "KUBEREVIVE_INTERRUPTED"
_PAUSE = 0.2  # seconds between two questions whether it is time
_DYING = 30  # seconds a killed process may take to be gone
_MOMENTS = (3.0, 60.0)  # seconds after its begin, between which a renewal is killed at random
_HARM = 30  # seconds after which nothing of a kill may be seen any more
_WELL = """cd /etc/kubernetes/pki/etcd
[ "$(kubectl --kubeconfig /etc/kubernetes/admin.conf --server "https://$(hostname -i | cut -d' ' -f1):6443" get --raw /readyz)" = ok ] &&
curl -sf -m 5 --cacert ca.crt --cert server.crt --key server.key -d '{"key":"AA=="}' https://127.0.0.1:2379/v3/kv/range"""


class Missed(Exception):
    """The run could not be killed at its moment; the sentence says why."""


def interrupt(story: Story, number: int, at: str, when: str) -> None:
    """Run the story's playbook until `when` succeeds on that node, and kill it then. What it said stays in interrupted-<number>."""
    folder = story.out / f"interrupted-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    output = folder / "output.txt"
    argv = command(story, story.playbook, folder)
    # Ansible takes its own temporary files away at its end, which this run does not reach.
    env = {**environment(), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
    try:
        cut_off(argv, env, output, lambda: succeeds(story, at, when))
    except Missed as missed:
        raise SystemExit(
            f"scenario {story.name}: interrupted-{number}: {missed}; it waited for this on {at}:\n{when}\nsee {output}"
        ) from None
    print(f"interrupted-{number}: killed when this had come true on {at}:\n{when}")


def kill_at_random(story: Story) -> None:
    """Renewals of certificates that last long, each ended at a moment nobody chose; the cluster must not be worse for any of them.

    In turn the whole run is killed, or only its connections, which it then has to cope with. A client asks all the while.
    """
    if not story.kills:
        return
    with served(story, wanted=True) as tallies:
        for number in range(1, story.kills + 1):
            folder = story.out / f"killed-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            env = {**environment(), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")}
            argv = command(story, story.playbook, folder, "-e", "kuberevive_renew_all=true")
            after = random.uniform(*_MOMENTS)
            only = "ssh" if number % 2 == 0 else ""
            print(f"killed-{number}: {only or 'the run'} after {after:.1f} s", flush=True)
            at = time.monotonic() + after
            cut_off(argv, env, folder / "output.txt", lambda at=at: time.monotonic() >= at, only=only)  # type: ignore[misc]  # a default it cannot infer
            _unharmed(story, number)
    keep(story, "killed.txt", tallies)


def _unharmed(story: Story, number: int) -> None:
    """Every API server is ready and every member of etcd reads with a quorum, now or within seconds."""
    deadline = time.monotonic() + _HARM
    while left := [name for name in story.masters if not succeeds(story, name, _WELL)]:
        if time.monotonic() > deadline:
            raise SystemExit(f"scenario {story.name}: after kill {number} these are not well: {', '.join(left)}")
        time.sleep(1)


def cut_off(
    argv: Sequence[str],
    env: Mapping[str, str],
    output: Path,
    is_time: Callable[[], bool],
    limit: float = LIMIT,
    only: str = "",
) -> None:
    """Start it, wait until it is time, then kill it with all that it started. Raises Missed.

    only: kill just its processes of that name, and let it come to its own end.
    """
    mark = secrets.token_hex(16)
    with output.open("wb") as said:
        run = subprocess.Popen(
            argv,
            cwd=ROOT,
            env={**env, _MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait(run, is_time, limit)
        if only:
            _kill(f"{_MARK}={mark}".encode(), only, once=True)
            run.wait(limit)
            return
    finally:
        run.kill()  # first of all: it would miss its workers
        _kill(f"{_MARK}={mark}".encode())
        run.wait()
    if run.returncode != -signal.SIGKILL:
        raise Missed(f"the run ended with rc {run.returncode} just when it was time to kill it")


def _wait(run: subprocess.Popen[bytes], is_time: Callable[[], bool], limit: float) -> None:
    began = time.monotonic()
    while not is_time():
        if run.poll() is not None:
            raise Missed(f"the run ended with rc {run.returncode} before it was time to kill it")
        if time.monotonic() - began > limit:
            raise Missed(f"the run had worked for {limit:.0f} s, and it was still not time to kill it")
        time.sleep(_PAUSE)


def _kill(mark: bytes, only: str = "", once: bool = False) -> None:
    """By what their environment holds: Ansible's workers and their ssh lead sessions of their own, so no one group has them all.

    Again until none is left, for one may be starting another just now. What ssh keeps open in the background for the next
    connection is spared: the tests' own questions go through it as well, and it ends what went through it for the killed.
    """
    deadline = time.monotonic() + _DYING
    while found := _marked(mark, only):
        if time.monotonic() > deadline:
            raise Missed(f"processes {found} do not end, {_DYING} s after they were killed")
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if once:
            return
        time.sleep(0.02)


def _marked(mark: bytes, only: str = "") -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it ended meanwhile, or it is not ours
            named = not only or (place.parent / "comm").read_text().strip() == only
            if named and mark in place.read_bytes().split(b"\0"):
                found.append(int(place.parent.name))
    return found
