"""Facts of layer controllers: controller-manager, scheduler, leases, nodes as one master's apiserver tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = ["Controller", "ControllersFacts", "Lease", "NodeObject", "parse"]


@dataclass(frozen=True)
class Controller:
    """kube-controller-manager or kube-scheduler of one master."""

    name: str
    manifest: FileFact | None = None  # without content
    kubeconfig: str = ""
    healthz: int = 0  # HTTP code on its secure port, 0: no answer
    unauthorized_at: datetime | None = None  # newest log line with Unauthorized
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lease:
    """coordination.k8s.io Lease."""

    namespace: str  # kube-system | kube-node-lease
    name: str
    holder: str
    renewed: datetime | None


@dataclass(frozen=True)
class NodeObject:
    """A Node object: name and unschedulable only, because its Ready column is stale while nobody leads."""

    name: str
    ready: str  # True | False | Unknown | "" — as claimed
    control_plane: bool = False


@dataclass(frozen=True)
class ControllersFacts:
    """What this master's own apiserver tells of who leads and whose node lives."""

    controllers: tuple[Controller, ...] = ()
    api_answers: bool | None = None  # leases could be read through this master; None: no kubectl or credential
    api_error: str = ""
    leases: tuple[Lease, ...] = ()
    nodes: tuple[NodeObject, ...] = ()


def parse(section: Section) -> ControllersFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
