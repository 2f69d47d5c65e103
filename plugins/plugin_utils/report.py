"""What the operator reads, and report.json. Pure but for save() and put()."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import (
    Cluster,
    Finding,
    Judgement,
    Node,
    Outcome,
    Step,
)

__all__ = ["as_text", "ending", "hopeless", "nodes", "order", "put", "save"]


# Whose findings bring a host into a phase: the beginning of their codes, where it is not the phase's own name.
_CODES_OF = {
    "etcd_hold": ("etcd.",),
    "apiserver_encryption": ("apiserver.encryption_",),
    "kubelet_serving": ("kubelet.serving_csr_",),
    "rbac": ("rbac.", "apiserver.extension_auth_config", "apiserver.aggregated_api_down"),
    "controllers": ("controllers.", "node."),
}


def order(judgement: Judgement, leaders: Collection[str] = ()) -> dict[str, list[str]]:
    """Phase -> hosts its play is to visit, in the plan's order.

    Hosts with a step come first, then those that a step leads there, then hosts with another finding of the layer or a
    check that could not tell: a repair before may uncover what is hidden now, and the role judges afresh when it gets
    there. leaders: hosts whose controllers are restarted last, so that they lead as long as they can.
    """
    visits: dict[str, list[str]] = {}
    for phase in _steps.PHASES:
        codes = _CODES_OF.get(phase, (f"{phase}.",))
        hosts = [s.host for s in judgement.steps if s.phase == phase]
        hosts += [s.host for s in judgement.steps if phase in _steps.KINDS[s.kind].leads_to]
        hosts += [f.host for f in judgement.findings if f.code.startswith(codes) and f.code != "host.unreachable"]
        hosts += [o.host for o in judgement.blind if o.code.startswith(codes)]
        visits[phase] = list(dict.fromkeys(hosts))
    visits["controllers"].sort(key=lambda host: host in leaders)
    return visits


def hopeless(judgement: Judgement) -> bool:
    """Whether waiting is vain: something critical is left that neither passes by itself nor follows from what does."""
    settling = {f.id for f in judgement.findings if f.settling}
    return any(
        f.severity == "critical" and not f.settling and f.cause not in settling and f.code != "host.unreachable"
        for f in judgement.findings
    )


def ending(judgement: Judgement, would: int, done: Collection[dict[str, Any]] = ()) -> str:
    """Why the run ends with rc 2, in one sentence; empty: rc 0. would: steps that --check predicted; done: what steps did."""
    critical = [f for f in judgement.findings if f.severity == "critical"]
    if critical:
        codes = ", ".join(dict.fromkeys(f"{f.code} on {f.host}" for f in critical))
        return f"{len(critical)} critical findings: {codes}. The report above says what and why."
    if would:
        return f"--check: a run would take {would} steps (listed above); nothing was changed."
    left = {(f.code, f.host) for f in judgement.findings}
    undone = [
        s for s in done if s["state"] in ("failed", "refused") and any((c, s["host"]) in left for c in s["codes"])
    ]
    if undone:
        steps = "; ".join(f"{s['host']}: {s['msg'] or s['title']}" for s in undone)
        return f"{len(undone)} repairs were begun and what they were for is still there: {steps}"
    return ""


def as_text(
    judgement: Judgement,
    cluster: Cluster,
    *,
    show: str,
    inside: Collection[str] = (),
    done: Collection[dict[str, Any]] = (),
) -> str:
    """The report for a terminal. show: findings | plan (findings and steps) | end (what was done and what is left)."""
    lines: list[str] = [""]
    if show == "end":
        lines += _done(done)
    lines += _findings(judgement)
    lines += _blind(judgement.blind)
    if show in ("findings", "plan"):
        lines += _plan(judgement, inside)
    lines += _refused(judgement)
    lines += ["", _verdict(judgement, cluster), ""]
    return "\n".join(lines)


def save(directory: Path, judgement: Judgement, cluster: Cluster, done: Collection[dict[str, Any]], run_id: str) -> str:
    """Write report.json into the directory (atomically) and return its path."""
    data = {
        "schema": 1,
        "run": run_id,
        "judged_at": cluster.now.isoformat(),
        "verdict": _verdict(judgement, cluster),
        "nodes": nodes(cluster.nodes),
        "findings": to_plain(judgement.findings),
        "could_not_tell": to_plain(judgement.blind),
        "steps": to_plain(judgement.steps),
        "refused": to_plain(judgement.refusals),
        "done": to_plain(list(done)),
    }
    return put(directory, "report.json", json.dumps(data, indent=2, sort_keys=True) + "\n")


def nodes(looked_at: Collection[Node]) -> list[dict[str, Any]]:
    """How the look at each node went, for a report in JSON."""
    return [
        {"name": n.name, "groups": list(n.groups), "reachable": n.reachable, "why": n.why, "sections": n.sections}
        for n in looked_at
    ]


def put(directory: Path, name: str, text: str) -> str:
    """Write a file of that name into the directory (atomically) and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    temporary = path.with_name(f".{name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    temporary.replace(path)
    return str(path)


def _findings(judgement: Judgement) -> list[str]:
    roots = [f for f in judgement.findings if not f.cause]
    lines: list[str] = []
    shown: set[str] = set()
    for finding in roots:
        lines += _tree(finding, judgement.findings, 0, shown)
    for finding in judgement.findings:  # a cause outside the list must not swallow its consequence
        if finding.id not in shown:
            lines += _tree(finding, judgement.findings, 0, shown)
    return ["What is wrong (root cause first):", *lines] if lines else ["Nothing is wrong."]


def _tree(finding: Finding, findings: tuple[Finding, ...], depth: int, shown: set[str]) -> list[str]:
    if finding.id in shown:
        return []
    shown.add(finding.id)
    indent = "  " + "    " * depth
    arrow = "-> " if depth else ""
    lines = [f"{indent}{arrow}{finding.severity.upper():8} {finding.host}  {finding.code}: {finding.summary}"]
    lines += [f"{indent}         {line}" for line in finding.evidence]
    for other in findings:
        if other.cause == finding.id:
            lines += _tree(other, findings, depth + 1, shown)
    return lines


def _blind(blind: Collection[Outcome]) -> list[str]:
    if not blind:
        return []
    grouped: dict[tuple[str, str], list[str]] = {}
    for outcome in blind:
        grouped.setdefault((outcome.host, outcome.why), []).append(outcome.code)
    lines = ["", "Could not tell:"]
    lines += [f"  {host}  {', '.join(codes)}: {why}" for (host, why), codes in grouped.items()]
    return lines


def _plan(judgement: Judgement, inside: Collection[str]) -> list[str]:
    if not judgement.steps:
        return []
    lines = ["", "What would repair it, in this order (looked at again before each):"]
    for number, step in enumerate(judgement.steps, 1):
        outside = "  (outside --limit: not taken)" if inside and step.host not in inside else ""
        lines.append(f"  {number:2}. {step.host}: {step.title}{_consented(step)}{outside}")
    return lines


def _consented(step: Step) -> str:
    return f"  [consent given: {step.consent}]" if step.consent else ""


def _refused(judgement: Judgement) -> list[str]:
    if not judgement.refusals:
        return []
    lines = ["", "Refused:"]
    for refusal in judgement.refusals:
        lines.append(f"  {refusal.host}: {refusal.reason} ({', '.join(refusal.codes)})")
        if refusal.consent:
            lines.append(f'      to allow it: -e \'{{"kuberevive_allow": ["{refusal.consent}"]}}\'')
    return lines


def _done(done: Collection[dict[str, Any]]) -> list[str]:
    if not done:
        return ["No repair was needed."]
    lines = ["What was done:"]
    before: tuple[str, str, str] | None = None
    for step in done:
        mark = (step["host"], step["title"], step["state"])
        if mark != before:  # the parts of one step stand under one headline
            lines.append(f"  {step['host']}  {step['state']:7} {step['title']}")
        before = mark
        lines += [f"            {line}" for line in step.get("lines", [])]
        if step["state"] in ("failed", "refused"):
            lines.append(f"            {step['msg']}")
    kept = dict.fromkeys(f"{step['host']}:{step['backup']}" for step in done if step.get("backup"))
    if kept:
        lines += ["", "What was there before is kept in " + ", ".join(kept)]
    return [*lines, ""]


def _verdict(judgement: Judgement, cluster: Cluster) -> str:
    critical = sum(f.severity == "critical" for f in judgement.findings)
    warning = sum(f.severity == "warning" for f in judgement.findings)
    looked = sum(n.reachable for n in cluster.nodes)
    seen = f"{looked} of {len(cluster.nodes)} nodes looked at"
    if not judgement.findings:
        blind = f", {len(judgement.blind)} checks could not tell" if judgement.blind else ""
        return f"Verdict: healthy ({seen}{blind})."
    return f"Verdict: {critical} critical, {warning} warnings ({seen})."
