"""Checks of layer host: what the machine itself must give before anything of Kubernetes can live on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from statistics import median

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import Disk, Freeable, HostFacts, Unit
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import held_by
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node, Severity

__all__ = [
    "MAX_SKEW",
    "TIME_UNITS",
    "clock_problem",
    "exclusion",
    "human",
    "is_critical",
    "is_low",
    "lacks_inodes",
    "plane_units",
]

MIB = 1024 * 1024
MAX_SKEW = 30.0  # seconds; a certificate signed with more than that between nodes is "not yet valid" somewhere
TIME_UNITS = ("chronyd", "chrony", "systemd-timesyncd", "ntpd", "ntp", "ntpsec")


def _one(verdicts: Iterable[Verdict]) -> Verdict:
    """One finding of a code is all a node has: the worst severity, every sentence and all evidence."""
    found = sorted((v for v in verdicts if isinstance(v, Found)), key=lambda v: v.severity != "critical")
    if not found:
        return Ok()
    repair = next((v.repair for v in found if v.repair), "")
    evidence = tuple(line for v in found for line in v.evidence)
    return replace(found[0], summary="; ".join(v.summary for v in found), evidence=evidence, repair=repair)


def human(size: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def is_critical(disk: Disk) -> bool:
    """Less than 2 % or 100 MB left: programs fail to write, or will within minutes."""
    return disk.free < 100_000_000 or disk.free < disk.size * 0.02


def is_low(disk: Disk) -> bool:
    """Less than 10 % left: kubelet evicts pods."""
    return disk.free < disk.size * 0.10


def lacks_inodes(disk: Disk) -> bool:
    """At most 2 % of the inodes left, where the file system has a fixed number."""
    return disk.inodes > 0 and disk.inodes_free <= disk.inodes * 0.02


@check("host.disk_full", needs=("host",))
def _disk_full(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    return _one(_full(host)) if host.disks else CouldNotTell("df did not answer")


def _full(host: HostFacts) -> Iterator[Verdict]:
    for disk in host.disks:
        if disk.read_only or not (is_critical(disk) or is_low(disk)):
            continue
        critical = is_critical(disk)
        yield Found(
            "critical" if critical else "warning",
            f"{disk.mount} is {_used(disk)} full: {human(disk.free)} of {human(disk.size)} left",
            (f"{disk.mount} ({disk.device}, {disk.fstype}) holds {', '.join(disk.holds)}", *_room(host, disk)),
            repair="disk_space" if critical or _freeable(host, disk) else "",
            refs=("H01",),
        )


@check("host.inodes_exhausted", needs=("host",))
def _inodes(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    return _one(_crowded(host)) if host.disks else CouldNotTell("df did not answer")


def _crowded(host: HostFacts) -> Iterator[Verdict]:
    for disk in host.disks:
        if disk.read_only or not lacks_inodes(disk):
            continue
        crowds = tuple(f"{c.files} files in {c.path}" for c in host.crowds)
        yield Found(
            "critical",
            f"{disk.mount} has no inodes left: {disk.inodes_free} of {disk.inodes} are free",
            (f"{disk.mount} ({disk.device}, {disk.fstype}) holds {', '.join(disk.holds)}", *crowds),
            repair="disk_space",
            refs=("H02",),
        )


@check("host.clock_wrong", needs=("host",))
def _clock(node: Node, cluster: Cluster) -> Verdict:
    if node.clock_skew is None:
        return CouldNotTell("the node did not tell its time")
    why = clock_problem(node, cluster)
    if not why:
        return Ok()
    told = [f"{n.name}: {n.clock_skew:+.1f} s" for n in cluster.nodes if n.clock_skew is not None]
    states = [f"{u.name}: {u.active}" for u in _host(node).units if u.name in TIME_UNITS and u.load == "loaded"]
    return Found(
        "critical",
        f"{why}; nothing is signed on or for this node until its clock is right",
        (f"against the controller: {', '.join(told)}", *states),
        refs=("H06",),
    )


def clock_problem(node: Node, cluster: Cluster) -> str:
    """Why nothing may be signed on or for this node now, in words; empty: its clock is right."""
    if node.clock_skew is None:
        return f"nobody knows the time of {node.name}, for it did not tell it"
    skews = [n.clock_skew for n in cluster.nodes if n.clock_skew is not None]
    limit = float(cluster.settings.get("kuberevive_max_clock_skew") or MAX_SKEW)
    usual = median(skews)
    if abs(node.clock_skew) > limit:
        together = len(skews) > 1 and max(skews) - min(skews) <= limit
        whose = " (all nodes agree with each other: it may be the controller's clock)" if together else ""
        return f"the clock of {node.name} is {_off(node.clock_skew)} the controller's{whose}"
    if abs(node.clock_skew - usual) > limit:
        return f"the clock of {node.name} is {_off(node.clock_skew - usual)} the other nodes'"
    return ""


@check("host.swap_on", needs=("host",))
def _swap(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    if not host.fail_swap_on:
        return NotApplicable("kubelet is told to live with swap (failSwapOn: false)")
    later = tuple(f"/etc/fstab has a swap line for {name}" for name in host.fstab_swaps)
    later += tuple(f"systemd unit {name} is loaded" for name in host.swap_units)
    if host.active_swaps:
        now = tuple(f"{s.name}: {s.kind}, {human(s.size)}, {human(s.used)} of it used" for s in host.active_swaps)
        names = ", ".join(host.swaps)
        summary = f"swap is on ({names}) and kubelet refuses to run with it"
        return Found("critical", summary, (*now, *later), repair="swap_off", refs=("H05",))
    if host.fstab_swaps or host.swap_units:
        summary = "swap is off now and comes back at the next boot, and kubelet will refuse to run with it"
        return Found("warning", summary, later, repair="swap_off", refs=("H05",))
    return Ok() if host.units_known else CouldNotTell("systemctl did not answer whether a unit brings swap back")


@check("host.readonly_root", needs=("host",))
def _read_only(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    return _one(_locked(host)) if host.disks else CouldNotTell("df did not answer")


def _locked(host: HostFacts) -> Iterator[Verdict]:
    for disk in host.disks:
        if not disk.read_only or disk.mount in host.fstab_read_only:
            continue
        device = disk.device.rsplit("/", 1)[-1]
        errors = tuple(line for line in host.kernel_errors if device in line)[-5:]
        yield Found(
            "critical",
            f"{disk.mount} is mounted read-only, and nothing on this node can be repaired until it is not:"
            " check the disk, then fsck and reboot",
            (f"{disk.mount} ({disk.device}, {disk.fstype}) holds {', '.join(disk.holds)}", *errors),
            refs=("H03",),
        )


@check("host.mount_missing", needs=("host",))
def _mounts(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    return _one(_absent(host)) if host.disks else CouldNotTell("df did not answer")


def _absent(host: HostFacts) -> Iterator[Verdict]:
    for mount in host.absent_mounts:
        vital = _vital(host, mount.mount)
        consequence = "what lies there now is not the data: nothing is done on this node" if vital else ""
        yield Found(
            "critical" if vital else "warning",
            f"{mount.mount} is in /etc/fstab and not mounted" + (f"; {consequence}" if consequence else ""),
            (f"/etc/fstab: {mount.device} on {mount.mount} type {mount.fstype}",),
            refs=("H04",),
        )


def exclusion(node: Node) -> str:
    """Why nothing may be repaired on this node at all, or empty."""
    if node.host is None:
        why = node.sections.get("host", "")
        return f"its disks, mounts and clock could not be looked at ({why})" if why else ""
    if not node.host.disks:
        return "its disks could not be looked at (df did not answer)"
    for disk in node.host.disks:
        if disk.read_only and disk.mount not in node.host.fstab_read_only:
            return f"{disk.mount} is mounted read-only"
    for mount in node.host.absent_mounts:
        if _vital(node.host, mount.mount):
            return f"{mount.mount} is not mounted: mount it, or take its line out of /etc/fstab"
    return ""


@check("host.service_disabled", needs=("host",))
def _services(node: Node, cluster: Cluster) -> Verdict:
    host = _host(node)
    return _one((*_stopped(host), *_plane(node))) if host.units_known else CouldNotTell("systemctl did not answer")


def _stopped(host: HostFacts) -> Iterator[Verdict]:
    for name in ("kubelet", host.runtime_unit):
        unit = host.unit(name) if name else None
        if unit is not None and unit.load != "not-found":
            yield _service(unit)
    for name in TIME_UNITS:
        unit = host.unit(name)
        if unit is not None and unit.active == "failed":
            summary = f"{name} has failed, so the clock is not kept"
            yield Found("warning", summary, (unit.told,), repair="service_start", refs=("H12",))


def _plane(node: Node) -> Iterator[Verdict]:
    """Components of the control plane that are units: nothing but systemd starts them."""
    for unit in plane_units(node):
        verdict = _service(unit)
        if isinstance(verdict, Ok) and unit.active in ("inactive", "failed"):
            summary = f"{unit.name} is stopped, and nothing starts it again"
            verdict = Found("critical", summary, (unit.told,), repair="service_start", refs=("H12",))
        yield verdict


def plane_units(node: Node) -> tuple[Unit, ...]:
    """Of a master; without those that an unfinished repair keeps from starting."""
    host = _host(node)
    found = (host.unit(name) for name in host.plane_units if node.is_master)
    return tuple(unit for unit in found if unit is not None and not held_by(unit))


def _service(unit: Unit) -> Verdict:
    running = unit.active == "active"
    if "masked" in (unit.load, unit.enabled.removesuffix("-runtime")):
        summary = f"{unit.name} is masked: somebody meant it, so it is left alone (systemctl unmask {unit.name})"
        return Found("warning" if running else "critical", summary, (unit.told,), refs=("H12",))
    if unit.enabled == "disabled":
        summary = f"{unit.name} is disabled: it " + ("does not come back" if running else "did not start") + " at boot"
        severity: Severity = "warning" if running else "critical"
        return Found(severity, summary, (unit.told,), repair="service_start", refs=("H12",))
    if unit.name == "kubelet" and unit.given_up:  # the runtime's own layer says why it failed, and starts it
        summary = f"{unit.name} was started too often in too short a time, and systemd has given it up"
        return Found("critical", summary, (unit.told,), repair="service_start", refs=("H12",))
    return Ok()


def _host(node: Node) -> HostFacts:
    assert node.host is not None  # the engine has seen to it: needs=("host",)
    return node.host


def _used(disk: Disk) -> str:
    return f"{100 - disk.free * 100 / disk.size:.0f} %"


def _room(host: HostFacts, disk: Disk) -> tuple[str, ...]:
    lines = [f"may be freed: {f.files} files of kind {f.rung}, {human(f.size)}" for f in _freeable(host, disk)]
    # Another file system below this one would be named with its own disk.
    below = [d.mount for d in host.disks if d.mount != disk.mount and d.mount.startswith(disk.mount)]
    big = [e for e in host.eaters if e.path.startswith(disk.mount) and not e.path.startswith(tuple(below))]
    lines += [f"{human(e.size)} in {e.path}" for e in big[:8]]
    return tuple(lines)


def _freeable(host: HostFacts, disk: Disk) -> list[Freeable]:
    return [f for f in host.freeable if f.mount == disk.mount]


def _off(seconds: float) -> str:
    size = abs(seconds)
    text = f"{size:.0f} s" if size < 600 else f"{size / 3600:.1f} h"
    return f"{text} {'ahead of' if seconds > 0 else 'behind'}"


def _vital(host: HostFacts, mount: str) -> bool:
    """Whether something Kubernetes lives on lies at or below that mount point."""
    places = [path for disk in host.disks for path in disk.holds]
    places += ["/etc/kubernetes", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/docker"]
    return any(place == mount or place.startswith(mount.rstrip("/") + "/") for place in places)
