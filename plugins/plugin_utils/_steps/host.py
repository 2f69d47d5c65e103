"""Repairs of layer host: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import Disk, HostFacts, Unit
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.host import (
    TIME_UNITS,
    human,
    is_critical,
    is_low,
    lacks_inodes,
    plane_units,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__ = ["DISK_SPACE", "SERVICE_START", "SWAP_OFF", "runtime_runs"]

# Above where kubelet evicts (10 %) and collects images (15 %), with room to work.
_TARGET_SHARE = 0.15
_TARGET_BYTES = 2 * 1024**3
_INODES_SHARE = 0.10
_STOPPED = ("inactive", "failed")
_UNSAFE = ("empty", "unusable", "removed", "decoy")  # states of etcd's member


def _plan_disk(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    host = _host(node)
    wants, estimates, left, says = [], [], [], []
    for disk in host.disks:
        lacks = (is_critical(disk) or is_low(disk), lacks_inodes(disk))
        if disk.read_only or not any(lacks):
            continue
        found = [f for f in host.freeable if f.mount == disk.mount]
        size, files = sum(f.size for f in found), sum(f.files for f in found)
        if not found:
            big = [f"{human(e.size)} in {e.path}" for e in host.eaters if e.path.startswith(disk.mount)][:5]
            left.append(
                f"{disk.mount} holds nothing that may safely go; look at: {', '.join(big) or 'nothing big was found'}"
            )
            continue
        missing = max(_target(disk) - disk.free, 0) if lacks[0] else size
        estimates.append(f"{min(size, missing)} {files} {disk.mount}")
        says.append(f"about {human(min(size, missing)) if lacks[0] else f'{files} inodes'} on {disk.mount}")
        wants.append(f"{_target(disk) if lacks[0] else 0} {_inode_target(disk) if lacks[1] else 0} {disk.mount}")
    if not wants:
        return Refused("; ".join(left) or "no disk is short of space any more")
    return Planned(f"free {', '.join(says)}, safe things first", {"wants": wants, "estimates": estimates})


def _target(disk: Disk) -> int:
    return int(min(max(disk.size * _TARGET_SHARE, _TARGET_BYTES), disk.size * 0.5))


def _inode_target(disk: Disk) -> int:
    return int(disk.inodes * _INODES_SHARE)


def _effect_disk(node: Node, args: Mapping[str, Any]) -> Node:
    host = _host(node)
    gains = {}
    for line in args.get("estimates", ()):
        size, files, mount = str(line).split(" ", 2)
        gains[mount] = (int(size), int(files))
    disks = tuple(_freed(disk, *gains.get(disk.mount, (0, 0))) for disk in host.disks)
    # What is still short after the ladder has nothing left on it.
    freeable = tuple(f for f in host.freeable if f.mount not in gains)
    return replace(node, host=replace(host, disks=disks, freeable=freeable))


def _freed(disk: Disk, size: int, files: int) -> Disk:
    return replace(disk, free=disk.free + size, inodes_free=min(disk.inodes, disk.inodes_free + files))


DISK_SPACE = register(StepKind("disk_space", "host", 10, _plan_disk, _effect_disk))


def _plan_swap(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    host = _host(node)
    names = list(host.swaps)
    lasting = host.fstab_swaps or host.swap_units
    title = f"switch swap off ({', '.join(names)})" if names else "keep swap off at the next boot"
    if names and lasting:
        title += " and keep it off at the next boot"
    return Planned(title, {"names": names, "units": list(host.swap_units)})


def _effect_swap(node: Node, args: Mapping[str, Any]) -> Node:
    host = _host(node)
    return replace(node, host=replace(host, swaps=(), active_swaps=(), fstab_swaps=(), swap_units=()))


SWAP_OFF = register(StepKind("swap_off", "host", 20, _plan_swap, _effect_swap))


def _plan_services(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    host = _host(node)
    start = [u.name for u in host.units if u.name in TIME_UNITS and u.active == "failed"]
    enable: list[str] = []
    runtime = host.unit(host.runtime_unit) if host.runtime_unit else None
    if runtime is not None and runtime.enabled == "disabled":
        # With a broken configuration it would not start: that is put right in the runtime's own phase.
        broken = node.runtime is not None and bool(node.runtime.config_problem)
        (enable if broken else start).append(runtime.name)
    kubelet = host.unit("kubelet")
    limit = kubelet is not None and kubelet.given_up
    if kubelet is not None and kubelet.load != "masked" and (kubelet.enabled == "disabled" or limit):
        enable.append("kubelet")
    begin = _to_begin(node, cluster)
    done = [f"enable and start {name}" for name in (*start, *begin)]
    done += [f"enable {name}" for name in enable if name != "kubelet" or not limit]
    done += ["lift kubelet's start limit"] if limit and "kubelet" in enable else []
    if not done:
        return Refused("every service is enabled by now")
    return Planned(", ".join(done), {"start": start, "enable": enable, "begin": begin})


def _to_begin(node: Node, cluster: Cluster) -> list[str]:
    """Units of the control plane to be started; none while etcd would start without its data: that is etcd's own phase."""
    wanted = [
        u.name for u in plane_units(node) if u.load != "masked" and (u.enabled == "disabled" or u.active in _STOPPED)
    ]
    return [] if etcd_view.condition(node, cluster).state in _UNSAFE else wanted


def _effect_services(node: Node, args: Mapping[str, Any]) -> Node:
    host = _host(node)
    start, enable = {*args.get("start", ()), *args.get("begin", ())}, set(args.get("enable", ()))
    units = [_serviced(u, u.name in start) if u.name in start | enable else u for u in host.units]
    node = replace(node, host=replace(host, units=tuple(units)))
    return runtime_runs(node) if host.runtime_unit in start else node


def _serviced(unit: Unit, started: bool) -> Unit:
    active = "active" if started else "inactive" if unit.active == "failed" else unit.active
    return replace(unit, enabled="enabled", result="success", active=active)


def runtime_runs(node: Node) -> Node:
    """The node with its container runtime up and answering."""
    if node.host is not None:
        units = tuple(
            replace(u, active="active", result="success") if u.name == node.host.runtime_unit else u
            for u in node.host.units
        )
        node = replace(node, host=replace(node.host, units=units))
    if node.runtime is not None:
        node = replace(node, runtime=replace(node.runtime, active="active", socket_there=True, answers=True))
    return node


SERVICE_START = register(StepKind("service_start", "host", 30, _plan_services, _effect_services))


def _host(node: Node) -> HostFacts:
    assert node.host is not None  # there is no finding of this layer without its facts
    return node.host
