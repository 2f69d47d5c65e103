"""Bringing a lab up and taking it down, also after a crash."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

from kr_lab import podman
from kr_lab.build import ensure_profile
from kr_lab.encryption import check_provider
from kr_lab.golden import copy_golden, golden_indexes, has_golden, make_golden
from kr_lab.health import wait_healthy
from kr_lab.host import RUN, LabError, lock, raise_inotify_limit, restore_inotify_limit, run, say, step
from kr_lab.inventory import inventory, write_known_hosts
from kr_lab.network import free_index, remove_network
from kr_lab.power import close_ssh, start
from kr_lab.state import Lab, all_labs, check_name, load
from kr_lab.store import STORE, attach, close_store, is_mounted, open_store
from kr_lab.units import check_control_plane

__all__ = ["down", "down_all", "down_by_name", "up"]


def up(
    name: str, profile_name: str, masters: int, workers: int, encryption: str = "", control_plane: str = "pods"
) -> Lab:
    """A healthy lab of that name: a copy of the golden cluster, which is made first when there is none."""
    check_name(name)
    check_provider(encryption)
    check_control_plane(control_plane)
    if masters not in (1, 3, 5) or not 0 <= workers <= 9:
        raise LabError(f"{masters} masters and {workers} workers: masters must be 1, 3 or 5, workers 0 to 9")
    open_store()
    raise_inotify_limit()
    standing = next((lab for lab in all_labs() if lab.name == name), None)
    if standing and (standing.home / "ready").exists():
        return _again(standing, (profile_name, masters, workers, encryption, control_plane))
    if standing:
        say(f"lab '{name}' was not finished: it is made anew")
        down(standing)
    began = time.monotonic()
    profile = ensure_profile(profile_name)
    with lock("names"):
        kubectl = str(profile.bins["kubectl"])
        what = (profile.name, profile.kubernetes, profile.runtime)
        lab = Lab(name, *what, kubectl, 0, masters, workers, encryption, control_plane)
        lab = replace(lab, index=free_index(golden_indexes(profile, lab)))
        lab.save()
    (lab.home / "cp").mkdir(mode=0o700, exist_ok=True)
    if not has_golden(profile, lab):
        kind = f"{masters} masters, {workers} workers{', ' if encryption else ''}{encryption}, {control_plane}"
        say(f"no golden cluster of {profile.name} ({kind}) here yet: it is made once")
        with lock(f"golden-net{lab.index}"):
            make_golden(profile, lab)
    with step(f"lab '{name}' started from the golden cluster"):
        copy_golden(profile, lab)
        _switch_on(lab)
    say(f"lab '{name}' is up after {time.monotonic() - began:.0f} s")
    return lab


def _switch_on(lab: Lab) -> None:
    for node in lab.nodes:
        attach(lab.disk(node), lab.root(node))
    write_known_hosts(lab)
    (lab.home / "inventory.yml").write_text(inventory(lab, "root"), encoding="utf-8")
    since = time.time()
    start(lab, lab.nodes)
    wait_healthy(lab, since)
    (lab.home / "ready").touch()


def _again(lab: Lab, wanted: tuple[str, int, int, str, str]) -> Lab:
    if (lab.profile, lab.masters, lab.workers, lab.encryption, lab.control_plane) != wanted:
        raise LabError(
            f"lab '{lab.name}' is up as {lab.profile} with {lab.masters} masters and {lab.workers} workers, "
            f"its control plane as {lab.control_plane}, "
            f"secrets {'encrypted by ' + lab.encryption if lab.encryption else 'not encrypted'}: "
            f"take it down first ('lab down --name {lab.name}') or choose another --name"
        )
    say(f"lab '{lab.name}' is up already; nodes that are off are switched on")
    start(lab, lab.nodes)
    return lab


def down(lab: Lab) -> None:
    """Take one lab away without a trace; its golden cluster stays."""
    close_ssh(lab)
    for name in podman.containers(lab.name):
        podman.remove(name)
    _unmount_below(lab.home)
    remove_network(lab.network)
    shutil.rmtree(lab.disks, ignore_errors=True)
    shutil.rmtree(lab.home)


def down_by_name(name: str) -> None:
    """As :func:`down`; a lab that is not there is down already."""
    if any(lab.name == check_name(name) for lab in all_labs()):
        down(load(name))
        say(f"lab '{name}' is down")
    else:
        say(f"no lab '{name}' is up")


def down_all() -> None:
    """Everything the lab ever made on this machine goes, except the cache files."""
    for lab in all_labs():
        down(lab)
        say(f"lab '{lab.name}' is down")
    for name in podman.containers():
        podman.remove(name)
    for name in _networks():
        remove_network(name)
    _unmount_below(RUN / "labs")
    if is_mounted(STORE):
        _unmount_below(STORE / "base")
        shutil.rmtree(STORE / "labs", ignore_errors=True)
        (STORE / "labs").mkdir()
    close_store()
    _free_loops()
    restore_inotify_limit()
    shutil.rmtree(RUN / "labs", ignore_errors=True)


def _networks() -> list[str]:
    found = json.loads(podman.podman("network", "ls", "--format", "json").stdout or "[]")
    return [entry["name"] for entry in found if entry["name"].startswith("kr-net")]


def _unmount_below(folder: Path) -> None:
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        places = [line.split()[1] for line in mounts]
    for place in reversed([place for place in places if place.startswith(f"{folder}/")]):
        for _ in range(40):
            if run(["umount", place], check=False).returncode == 0:
                break
            time.sleep(0.25)
        else:
            raise LabError(f"{place} can't be unmounted: see 'fuser -vm {place}'")


def _free_loops() -> None:
    """Loop devices free themselves on unmount; those of a crashed command may be left."""
    listed = run(["losetup", "-J", "-l"], check=False).stdout
    for device in json.loads(listed or '{"loopdevices": []}')["loopdevices"]:
        if str(device["back-file"]).startswith(f"{STORE}/"):
            run(["losetup", "-d", device["name"]], check=False)
