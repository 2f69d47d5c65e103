"""The store: one sparse file with XFS, so that a node's disk is copied in no time (reflinks)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kr_lab.build import CACHE
from kr_lab.host import RUN, LabError, lock, run, say

__all__ = [
    "STORE",
    "attach",
    "clone",
    "close_store",
    "detach",
    "is_mounted",
    "new_disk",
    "open_store",
    "ssh_key",
]

STORE = RUN / "store"
_SIZE = 80 * 1024**3
_DISK_SIZE = 6 * 1024**3


def is_mounted(place: Path) -> bool:
    """Whether something is mounted exactly there."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        return any(line.split()[1] == str(place) for line in mounts)


def _backing_file(place: Path) -> str:
    device = run(["findmnt", "-n", "-o", "SOURCE", "--mountpoint", place]).stdout.strip()
    loops = json.loads(run(["losetup", "-J", "-l", device]).stdout)
    return str(loops["loopdevices"][0]["back-file"])


def open_store() -> Path:
    """Mount the store, made on first use; the cache file outlives ``lab down --all``."""
    if os.geteuid() != 0:
        raise LabError("the lab makes containers, mounts and loop devices: run it as root")
    image = CACHE / "store.xfs"
    with lock("store"):
        if is_mounted(STORE):
            backing = _backing_file(STORE)
            if backing == str(image.resolve()):
                return STORE
            # Another cache's store that no lab stands on is only left over; one that is in use refuses to go.
            if any((RUN / "labs").glob("*/lab.json")) or run(["umount", STORE], check=False).returncode != 0:
                raise LabError(
                    f"the lab of another cache ({backing}) is in use on this machine: run its 'lab down --all' first"
                )
        CACHE.mkdir(parents=True, exist_ok=True)
        if not image.exists():
            fresh = image.with_suffix(".new")
            with fresh.open("wb") as handle:
                handle.truncate(_SIZE)
            run(["mkfs.xfs", "-q", "-f", "-m", "reflink=1", fresh])
            fresh.rename(image)
        STORE.mkdir(parents=True, exist_ok=True)
        run(["mount", "-o", "loop,noatime,discard", image, STORE])
        for name in ("base", "golden", "labs"):
            (STORE / name).mkdir(exist_ok=True)
        # A machine that was switched off left disks of labs that no longer run.
        for left in (STORE / "labs").iterdir():
            if not (RUN / "labs" / left.name / "lab.json").exists():
                shutil.rmtree(left)
    return STORE


def close_store() -> None:
    """Unmount the store; the file stays as a cache."""
    if is_mounted(STORE) and run(["umount", STORE], check=False).returncode != 0:
        # Something still holds a file in it; the kernel lets go of the rest when that ends.
        say(f"{STORE} is still in use by something: it is taken out of sight ('losetup -a' tells which disk)")
        run(["umount", "-l", STORE])


@contextmanager
def new_disk(image: Path, place: Path) -> Iterator[None]:
    """A new disk, empty and mounted, to be filled; it has its name only once that went well."""
    fresh = image.with_suffix(".new")
    detach(place)
    _make_disk(fresh)
    attach(fresh, place)
    try:
        yield
    finally:
        detach(place)
    place.rmdir()
    fresh.rename(image)


def _make_disk(image: Path) -> None:
    """Sparse, ext4 with the defaults a distribution's installer takes."""
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as handle:
        handle.truncate(_DISK_SIZE)
    run(["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image])


def clone(source: Path, target: Path) -> None:
    """Copy a disk without copying a block."""
    target.parent.mkdir(parents=True, exist_ok=True)
    run(["cp", "--reflink=always", source, target])


def attach(image: Path, place: Path) -> None:
    """Mount a disk, as switching its node on would."""
    place.mkdir(parents=True, exist_ok=True)
    if not is_mounted(place):
        run(["mount", "-o", "loop", image, place])


def detach(place: Path) -> None:
    """Unmount a disk if it is mounted."""
    if is_mounted(place):
        run(["umount", place])


def ssh_key() -> Path:
    """The lab's own SSH key (its private half), made on first use."""
    key = CACHE / "ssh" / "id_ed25519"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kuberevive-lab", "-f", key])
    return key
