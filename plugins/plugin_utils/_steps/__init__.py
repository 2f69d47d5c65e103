"""The kinds of repair: what each needs, what it would change, in which phase of a run it is taken."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__ = ["KINDS", "PHASES", "Planned", "Refused", "StepKind", "load", "register"]

# The order of the repair plays. A phase is a layer, or a part of a layer that must come earlier.
PHASES = (
    *("host", "runtime", "pki", "etcd_hold", "kubelet", "etcd", "apiserver_encryption", "apiserver", "rbac"),
    *("controllers", "kubelet_serving"),
)


@dataclass(frozen=True)
class Planned:
    """The step can be taken: what the operator reads, and plain JSON values for the action (nothing secret)."""

    title: str
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """The step must not be taken: why, and what would be needed."""

    reason: str
    consent: str = ""  # name that allows it, or empty: nothing does


@dataclass(frozen=True)
class StepKind:
    """One kind of repair."""

    kind: str  # also the file roles/<layer>/tasks/<kind>.yml and the action kuberevive.cluster.<kind>
    phase: str  # one of PHASES
    order: int  # within the phase, on one host
    # (node, cluster, its findings that name this kind) -> what to do. Pure. Consent by Finding.consent is checked by plan.
    plan: Callable[[Node, Cluster, tuple[Finding, ...]], Planned | Refused]
    # (node, args) -> the node as it would be seen afterwards. Pure. Used by --check.
    effect: Callable[[Node, Mapping[str, Any]], Node]
    signs: bool = False  # makes certificates: refused while this node's clock is wrong
    leads_to: tuple[str, ...] = ()  # later phases in which the host may need something because of it


KINDS: dict[str, StepKind] = {}


def register(kind: StepKind) -> StepKind:
    """Make a kind known to plan."""
    if kind.phase not in PHASES:
        raise ValueError(f"step kind {kind.kind}: unknown phase {kind.phase}")
    KINDS[kind.kind] = kind
    return kind


def load() -> None:
    """Import every layer's kinds (again is harmless)."""
    for layer in (
        "host",
        "runtime",
        "pki",
        "kubelet",
        "etcd",
        "encryption",
        "apiserver",
        "probes",
        "rbac",
        "controllers",
        "serving",
    ):
        importlib.import_module(f"{__name__}.{layer}")
