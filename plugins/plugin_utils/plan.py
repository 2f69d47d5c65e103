"""Turns findings into ordered steps, and names what is refused. Pure."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.host import clock_problem, exclusion
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node, Refusal, Step

__all__ = ["plan"]


def plan(cluster: Cluster, findings: tuple[Finding, ...]) -> tuple[tuple[Step, ...], tuple[Refusal, ...]]:
    """Steps in the order they are to be taken (phase, order in the phase, host), and the refusals."""
    _steps.load()
    steps: list[Step] = []
    refusals: list[Refusal] = []
    for (host, kind_name), grouped in _by_step(findings).items():
        node = cluster.node(host)
        kind = _steps.KINDS[kind_name]
        codes = tuple(dict.fromkeys(f.code for f in grouped))
        consent = next((f.consent for f in grouped if f.consent and f.consent not in cluster.allow), "")
        decided = _decide(kind, node, cluster, grouped)
        if isinstance(decided, _steps.Refused):
            refusals.append(Refusal(kind_name, host, codes, decided.reason, decided.consent))
            continue
        if consent:
            reason = f"{decided.title}: cannot be undone, so it needs consent"
            refusals.append(Refusal(kind_name, host, codes, reason, consent))
            continue
        seen = node.seen_at.isoformat() if node.seen_at else ""
        used = next((f.consent for f in grouped if f.consent), "")
        steps.append(Step(kind_name, kind.phase, host, decided.title, codes, decided.args, used, seen))
    return tuple(sorted(steps, key=_rank)), tuple(refusals)


def _decide(
    kind: _steps.StepKind, node: Node, cluster: Cluster, findings: tuple[Finding, ...]
) -> _steps.Planned | _steps.Refused:
    if not node.reachable:
        return _steps.Refused(f"{node.name} cannot be reached: {node.why}")
    why = exclusion(node)
    if why:
        return _steps.Refused(f"nothing is repaired on {node.name}: {why}")
    why = clock_problem(node, cluster) if kind.signs else ""
    if why:
        return _steps.Refused(f"{why}: certificates made now would not be valid everywhere; set the clock first")
    return kind.plan(node, cluster, findings)


def _by_step(findings: tuple[Finding, ...]) -> dict[tuple[str, str], tuple[Finding, ...]]:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.repair:
            groups.setdefault((finding.host, finding.repair), []).append(finding)
    return {key: tuple(value) for key, value in groups.items()}


def _rank(step: Step) -> tuple[int, int, str]:
    kind = _steps.KINDS[step.kind]
    return (_steps.PHASES.index(kind.phase), kind.order, step.host)
