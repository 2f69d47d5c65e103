"""The engine of checks: every check runs for every node it concerns, alone, and no crash hides another check."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import (
    LAYERS,
    Cluster,
    Finding,
    Node,
    Outcome,
    Severity,
)

__all__ = ["CHECKS", "CouldNotTell", "Found", "NotApplicable", "Ok", "Verdict", "check", "judge", "load"]


@dataclass(frozen=True)
class Ok:
    """Looked, and nothing is wrong."""


@dataclass(frozen=True)
class NotApplicable:
    """This node has no such thing."""

    why: str = ""


@dataclass(frozen=True)
class CouldNotTell:
    """The facts do not say; never to be read as ok."""

    why: str


@dataclass(frozen=True)
class Found:
    """Something is wrong. See model.Finding for the fields."""

    severity: Severity
    summary: str
    evidence: tuple[str, ...] = ()
    repair: str = ""
    consent: str = ""
    refs: tuple[str, ...] = ()
    settling: bool = False
    code: str = ""  # only where one check tells several codes apart
    cause: str = ""  # "<code>@<host>", only where the check itself knows better than the table of causes


Verdict = Ok | NotApplicable | CouldNotTell | Found
CheckFunction = Callable[[Node, Cluster], "Verdict | Iterable[Verdict]"]


@dataclass(frozen=True)
class Check:
    """A check with what it needs."""

    code: str
    function: CheckFunction
    on: str  # all | masters | workers
    needs: tuple[str, ...] = field(default_factory=tuple)  # layers of the node that must have been read
    of: str = ""  # its layer, where the first word of its code is none

    @property
    def layer(self) -> str:
        """The layer it belongs to: the first word of its code."""
        return self.of or self.code.partition(".")[0]


CHECKS: list[Check] = []


def check(
    code: str, *, on: str = "all", needs: Iterable[str], layer: str = ""
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a check. needs: layers that must be known of the node, else the answer is "could not tell"."""

    def register(function: CheckFunction) -> CheckFunction:
        CHECKS.append(Check(code, function, on, tuple(needs), layer))
        return function

    return register


def load() -> None:
    """Import every layer's checks (again is harmless)."""
    for layer in (*LAYERS, "encryption", "probes", "serving"):
        importlib.import_module(f"{__name__}.{layer}")


def judge(cluster: Cluster, layers: Iterable[str] = LAYERS) -> tuple[tuple[Finding, ...], tuple[Outcome, ...]]:
    """Every finding, root cause first, and what every check said of every node."""
    from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.causes import link  # noqa: PLC0415  # a circle at the top

    load()
    wanted = set(layers)
    findings: list[Finding] = []
    outcomes: list[Outcome] = []
    for node in cluster.nodes:
        if not node.reachable:
            findings.append(_unreachable(node))
    for each in CHECKS:
        if each.layer not in wanted:
            continue
        for node in cluster.nodes:
            if not _concerns(each, node):
                continue
            for verdict in _run(each, node, cluster):
                outcomes.append(_outcome(each, node, verdict))
                if isinstance(verdict, Found):
                    findings.append(_finding(each, node, verdict))
    return link(tuple(findings), cluster), tuple(outcomes)


def _concerns(each: Check, node: Node) -> bool:
    if not node.reachable:
        return False
    return each.on == "all" or (each.on == "masters") == node.is_master


def _run(each: Check, node: Node, cluster: Cluster) -> Iterator[Verdict]:
    for layer in each.needs:
        if getattr(node, layer) is None:
            yield CouldNotTell(f"{layer} was not read: {node.sections.get(layer, 'not asked')}")
            return
    try:
        verdicts = each.function(node, cluster)
        if isinstance(verdicts, Ok | NotApplicable | CouldNotTell | Found):
            yield verdicts
        else:
            yield from list(verdicts)
    except Exception as error:  # one check's mistake must not hide the other checks
        yield CouldNotTell(f"the check itself failed: {type(error).__name__}: {error}")


def _outcome(each: Check, node: Node, verdict: Verdict) -> Outcome:
    if isinstance(verdict, Found):
        return Outcome(verdict.code or each.code, node.name, "found")
    if isinstance(verdict, CouldNotTell):
        return Outcome(each.code, node.name, "could_not_tell", verdict.why)
    if isinstance(verdict, NotApplicable):
        return Outcome(each.code, node.name, "not_applicable", verdict.why)
    return Outcome(each.code, node.name, "ok")


def _finding(each: Check, node: Node, found: Found) -> Finding:
    return Finding(
        code=found.code or each.code,
        host=node.name,
        severity=found.severity,
        summary=found.summary,
        evidence=found.evidence,
        cause=found.cause,
        repair=found.repair,
        consent=found.consent,
        refs=found.refs,
        settling=found.settling,
    )


def _unreachable(node: Node) -> Finding:
    return Finding(
        code="host.unreachable",
        host=node.name,
        severity="critical",
        summary=f"{node.name} cannot be reached over SSH, so nothing is known of it and nothing will be done on it",
        evidence=(node.why,),
    )
