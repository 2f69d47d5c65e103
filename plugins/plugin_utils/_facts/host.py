"""Facts of layer host: disks, clock, swap, units, mounts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Output, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import Unit, read_units

__all__ = ["Crowd", "Disk", "Eater", "Freeable", "HostFacts", "MissingMount", "Swap", "Unit", "parse"]

# Nothing can be written to these, or they are not of the node's own disks.
_OTHER_TYPES = ("tmpfs", "ramfs", "devtmpfs", "squashfs", "erofs", "iso9660", "nfs", "nfs4", "cifs", "ceph", "fuse")
# Of other types a read-only one is made so and always full: the image that the operating system comes in.
_DEVICE_TYPES = ("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "jfs", "reiserfs", "bcachefs", "zfs")


@dataclass(frozen=True)
class Disk:
    """One mounted local file system that Kubernetes lives on."""

    mount: str
    device: str
    fstype: str
    size: int  # bytes
    free: int  # bytes a process without privileges may use
    inodes: int  # 0 where the file system has no fixed number
    inodes_free: int
    read_only: bool
    holds: tuple[str, ...] = ()  # paths of interest on it: /, /var/log, the etcd data dir …


@dataclass(frozen=True)
class Eater:
    """Something that takes space, biggest first."""

    path: str
    size: int  # bytes


@dataclass(frozen=True)
class Crowd:
    """A directory with very many files in it."""

    path: str
    files: int


@dataclass(frozen=True)
class Freeable:
    """What one rung of the ladder of safe things would free on one nearly full file system."""

    mount: str
    rung: str  # rotated | journal | package | coredump | container | recent | system
    files: int
    size: int  # bytes


@dataclass(frozen=True)
class Swap:
    """An active swap area of this node."""

    name: str
    kind: str  # partition | file
    size: int  # bytes
    used: int  # bytes


@dataclass(frozen=True)
class MissingMount:
    """A line of /etc/fstab that should be mounted and is not."""

    mount: str
    device: str
    fstype: str
    needed: bool  # False: nofail


@dataclass(frozen=True)
class HostFacts:
    """What the machine itself says."""

    node_time: float  # epoch seconds on the node when the probe ran
    hostname: str = ""
    boot_id: str = ""
    os: str = ""
    python: str = ""  # version of python3, or empty
    disks: tuple[Disk, ...] = ()
    eaters: tuple[Eater, ...] = ()  # only looked for where a disk is nearly full
    swaps: tuple[str, ...] = ()  # names in /proc/swaps
    fstab_swaps: tuple[str, ...] = ()  # swap lines of /etc/fstab that are not commented out
    swap_units: tuple[str, ...] = ()
    units: tuple[Unit, ...] = ()  # kubelet, container runtime, time service
    missing_mounts: tuple[str, ...] = ()  # in fstab, not noauto, not mounted
    kernel_errors: tuple[str, ...] = ()  # I/O and file system errors of this boot
    tools: tuple[str, ...] = ()  # of openssl curl base64 timeout kubeadm kubectl crictl ctr docker etcdctl jq
    runtime_unit: str = ""  # the container runtime's systemd unit, without .service
    fail_swap_on: bool = True  # kubelet's failSwapOn
    active_swaps: tuple[Swap, ...] = ()
    freeable: tuple[Freeable, ...] = ()  # only looked for where a disk is nearly full
    crowds: tuple[Crowd, ...] = ()  # only looked for where inodes are nearly used up
    absent_mounts: tuple[MissingMount, ...] = ()
    fstab_read_only: tuple[str, ...] = ()  # mount points that fstab itself mounts read-only
    units_known: bool = False  # systemctl answered
    plane_units: tuple[str, ...] = ()  # what of the control plane is a unit here, etcd first

    def unit(self, name: str) -> Unit | None:
        """The unit of that name (without .service), or None where it was not asked for."""
        return next((u for u in self.units if u.name == name), None)


def parse(section: Section) -> HostFacts:
    """Typed facts from the section's records."""
    swaps = tuple(_swap(line) for line in section.all("swap"))
    absent = tuple(_missing(line) for line in section.all("fstab_missing"))
    units = read_units(section.outputs.get("units"))
    return HostFacts(
        node_time=_seconds(section.value("node_time")),
        hostname=section.value("hostname"),
        boot_id=section.value("boot_id"),
        os=section.value("os"),
        python=section.value("python").removeprefix("Python ").strip(),
        disks=_disks(section),
        eaters=tuple(Eater(name, size) for size, name in _counted(section.all("eater"))),
        swaps=tuple(s.name for s in swaps),
        fstab_swaps=section.all("fstab_swap"),
        swap_units=_swap_units(section.outputs.get("swap_units")),
        units=units,
        missing_mounts=tuple(m.mount for m in absent),
        kernel_errors=_lines(section.outputs.get("kernel")),
        tools=tuple(section.value("tools").split()),
        runtime_unit=section.value("runtime").replace("none", ""),
        fail_swap_on=section.value("fail_swap_on") != "false",
        active_swaps=swaps,
        freeable=tuple(_freeable(line) for line in sorted(section.all("freeable"))),
        crowds=tuple(Crowd(name, count) for count, name in _counted(section.all("crowd"))),
        absent_mounts=absent,
        fstab_read_only=section.all("fstab_ro"),
        units_known=bool(units),
        plane_units=tuple(name.removesuffix(".service") for name in section.value("plane_units").split()),
    )


def _disks(section: Section) -> tuple[Disk, ...]:
    # df answers one line for each path, in order.
    space = _df(section.outputs.get("df"))
    inodes = _df(section.outputs.get("df_inodes"))
    mounts = {fields[0]: fields for fields in (line.split(" ") for line in section.all("mount")) if len(fields) == 4}
    paths = section.value("disk_paths").split()
    if len(space) != len(paths):
        return ()
    disks: dict[str, Disk] = {}  # by device: bind mounts and subvolumes share their room
    for number, (path, (source, size, free, mount)) in enumerate(zip(paths, space, strict=True)):
        _, device, fstype, mode = mounts.get(mount, [mount, source, source, "rw"])
        known = disks.get(device)
        if known is not None:
            disks[device] = replace(known, holds=(*known.holds, path), read_only=known.read_only or mode == "ro")
            continue
        image = mode == "ro" and fstype not in _DEVICE_TYPES
        if image or fstype.startswith(_OTHER_TYPES) or not size:
            continue
        nodes = inodes[number] if len(inodes) == len(paths) else ("", 0, 0, "")
        disks[device] = Disk(mount, device, fstype, size * 1024, free * 1024, nodes[1], nodes[2], mode == "ro", (path,))
    return tuple(disks.values())


def _df(output: Output | None) -> list[tuple[str, int, int, str]]:
    rows = []
    for line in output.text.splitlines() if output else ():
        match = re.match(r"(.+?)\s+(\d+|-)\s+(-?\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+(/.*)$", line)
        if match:
            rows.append((match[1], _int(match[2]), max(0, _int(match[4])), match[5]))
    return rows


def _swap_units(output: Output | None) -> tuple[str, ...]:
    # UNIT LOAD ACTIVE SUB DESCRIPTION; what is not loaded (masked, not found) cannot bring swap back.
    rows = [line.split() for line in (output.text.splitlines() if output and output.rc == 0 else ())]
    return tuple(row[0] for row in rows if len(row) >= 4 and row[0].endswith(".swap") and row[1] == "loaded")


def _swap(line: str) -> Swap:
    name, kind, size, used = line.split(" ")
    return Swap(name, kind, int(size) * 1024, int(used) * 1024)


def _missing(line: str) -> MissingMount:
    mount, device, fstype, needed = line.split(" ")
    return MissingMount(mount, device, fstype, needed == "needed")


def _freeable(line: str) -> Freeable:
    _, rung, files, size, mount = line.split(" ", 4)
    return Freeable(mount, rung, int(files), int(size))


def _counted(lines: tuple[str, ...]) -> list[tuple[int, str]]:
    pairs = (line.partition(" ") for line in lines)
    return [(int(count), name) for count, _, name in pairs if count.isdigit()]


def _lines(output: Output | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in output.text.splitlines() if line.strip()) if output else ()


def _seconds(text: str) -> float:
    # busybox date has no nanoseconds and leaves "%N" or nothing behind the point.
    match = re.match(r"\d+(\.\d+)?", text)
    return float(match[0]) if match else 0.0


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0
