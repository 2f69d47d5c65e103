"""The values that flow through one run: observed nodes in, findings and steps out.

Everything here is frozen and free of Ansible, files and clocks, so that judge and plan can be tried on any machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import ControllersFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import EncryptionProof
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import HostFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.rbac import RbacFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts

__all__ = ["LAYERS", "Cluster", "Finding", "Judgement", "Node", "Outcome", "Refusal", "Severity", "Step"]

Severity = Literal["critical", "warning", "info"]
State = Literal["ok", "found", "not_applicable", "could_not_tell"]

# The order of observation, of root causes and of repair (etcd_hold is a phase of etcd that comes before kubelets start).
LAYERS = ("host", "runtime", "pki", "kubelet", "etcd", "apiserver", "rbac", "controllers")


@dataclass(frozen=True)
class Node:
    """What one look at one node told. A layer is None where its section was not asked, cut off or unreadable."""

    name: str  # inventory_hostname
    groups: tuple[str, ...]  # of masters, workers
    seen_at: datetime | None = None  # controller's clock, UTC
    reachable: bool = True
    why: str = ""  # why not reachable, or why incomplete: one sentence for the operator
    complete: bool = True  # the probe's end mark arrived
    sections: dict[str, str] = field(default_factory=dict)  # layer -> ok | timeout | missing | unparsable: <why>
    clock_skew: float | None = None  # seconds, node minus controller, round trip subtracted; None: not told
    host: HostFacts | None = None
    runtime: RuntimeFacts | None = None
    pki: PkiFacts | None = None
    kubelet: KubeletFacts | None = None
    etcd: EtcdFacts | None = None
    apiserver: ApiserverFacts | None = None
    rbac: RbacFacts | None = None
    controllers: ControllersFacts | None = None

    @property
    def is_master(self) -> bool:
        """Whether the inventory has it in masters."""
        return "masters" in self.groups


@dataclass(frozen=True)
class Cluster:
    """All nodes of one look, with the moment of judging and the operator's settings as arguments."""

    nodes: tuple[Node, ...]
    now: datetime
    allow: frozenset[str] = frozenset()  # consent, by name
    settings: dict[str, Any] = field(default_factory=dict)  # kuberevive_* variables that checks read
    canaries: dict[str, str] = field(
        default_factory=dict
    )  # host -> ok, or why a test write through its apiserver failed
    encryption: EncryptionProof | None = (
        None  # which key opens which record; None: nothing is encrypted, or nobody looked
    )
    renew_all: frozenset[str] = (
        frozenset()
    )  # hosts whose certificates the operator wants renewed however long they last
    foretold: bool = False  # --check, after steps it only recorded: what their effect sets moving is not to be seen yet

    def node(self, name: str) -> Node:
        """The node of that inventory name (KeyError when there is none)."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    @property
    def masters(self) -> tuple[Node, ...]:
        """The nodes of group masters, in inventory order."""
        return tuple(n for n in self.nodes if n.is_master)

    @property
    def workers(self) -> tuple[Node, ...]:
        """All other nodes, in inventory order."""
        return tuple(n for n in self.nodes if not n.is_master)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong on one node."""

    code: str  # stable: <layer>.<what>
    host: str
    severity: Severity
    summary: str  # one sentence: what is wrong
    evidence: tuple[str, ...] = ()  # numbers, files, exact lines
    cause: str = ""  # "<code>@<host>" of the finding that explains it, or empty: a root cause
    repair: str = ""  # kind of the step that repairs it, or empty
    consent: str = ""  # name that must be in kuberevive_allow, or empty
    refs: tuple[str, ...] = ()
    settling: bool = False  # may pass by itself within minutes (a probe not green yet, a lease not renewed yet)

    @property
    def id(self) -> str:
        """What other findings name as their cause."""
        return f"{self.code}@{self.host}"


@dataclass(frozen=True)
class Outcome:
    """What one check said of one node."""

    code: str
    host: str
    state: State
    why: str = ""  # for not_applicable and could_not_tell


@dataclass(frozen=True)
class Step:
    """One repair on one node. args are plain JSON values, none of them secret."""

    kind: str
    phase: str  # one of _steps.PHASES: the play that takes it
    host: str
    title: str  # imperative, for the operator: "renew 9 certificates"
    codes: tuple[str, ...]  # the findings it repairs
    args: dict[str, Any] = field(default_factory=dict)
    consent: str = ""
    seen_at: str = ""  # ISO 8601 of the look it rests on

    @property
    def id(self) -> str:
        """Unique within one plan."""
        return f"{self.kind}@{self.host}"


@dataclass(frozen=True)
class Refusal:
    """A repair that is known and not taken: no consent, no proof, no CA."""

    kind: str
    host: str
    codes: tuple[str, ...]
    reason: str  # one sentence, with what would be needed
    consent: str = ""  # the name that would allow it, or empty: nothing allows it


@dataclass(frozen=True)
class Judgement:
    """What is wrong, what will be done, what is refused, what nobody could tell."""

    findings: tuple[Finding, ...]
    steps: tuple[Step, ...]
    refusals: tuple[Refusal, ...]
    blind: tuple[Outcome, ...]  # could_not_tell only
    outcomes: tuple[Outcome, ...] = ()  # everything, for tests and the report
