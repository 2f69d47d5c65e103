"""Facts of layer host: disks, clock, swap, units, mounts."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section

__all__ = ["Disk", "Eater", "HostFacts", "Unit", "parse"]


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
class Unit:
    """A systemd unit as systemctl show tells it."""

    name: str
    load: str  # loaded | not-found | masked
    active: str  # active | inactive | failed | activating …
    enabled: str  # enabled | disabled | masked | static | ""
    result: str = ""  # success | start-limit-hit | exit-code …
    restarts: int = 0


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

    def unit(self, name: str) -> Unit | None:
        """The unit of that name (without .service), or None where it was not asked for."""
        return next((u for u in self.units if u.name == name), None)


def parse(section: Section) -> HostFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
