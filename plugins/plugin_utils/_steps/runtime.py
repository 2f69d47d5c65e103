"""Repairs of layer runtime: when they can be taken and what they would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.runtime import config_donors
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.host import runtime_runs
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__ = ["RUNTIME_CONFIG", "RUNTIME_START"]


def _plan_config(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    mine = _runtime(node)
    path = mine.config.path if mine.config else ""
    donors = [(other.name, other.runtime) for other in config_donors(node, cluster) if other.runtime is not None]
    if not donors:
        return Refused(f"no other node that can be reached has a sound {path} for {mine.kind}: write it by hand")
    open_ones = [(name, facts) for name, facts in donors if not facts.config_secret and facts.config is not None]
    if not open_ones:
        names = ", ".join(name for name, _ in donors)
        return Refused(f"{path} of {names} holds credentials, which are not carried from node to node: copy it by hand")
    # Where they differ, what most nodes have; the first of those is of the node's own group.
    usual = Counter(facts.config_sha256 for _, facts in open_ones).most_common(1)[0][0]
    name, donor = next((n, f) for n, f in open_ones if f.config_sha256 == usual)
    assert donor.config is not None
    args = {
        "path": path,
        "content": donor.config.content,
        "mode": donor.config.mode or "644",
        "unit": mine.unit,
        "peer": name,
    }
    return Planned(f"put {path} back as {name} has it", args)


def _effect_config(node: Node, args: Mapping[str, Any]) -> Node:
    content = str(args.get("content", ""))
    config = FileFact(
        str(args.get("path", "")), "ok", len(content.encode()), str(args.get("mode", "")), content=content
    )
    return runtime_runs(replace(node, runtime=replace(_runtime(node), config=config, config_problem="")))


RUNTIME_CONFIG = register(StepKind("runtime_config", "runtime", 10, _plan_config, _effect_config))


def _plan_start(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = _runtime(node)
    verb = "restart" if facts.active == "active" else "start"
    return Planned(f"{verb} {facts.unit}", {"unit": facts.unit, "socket": facts.socket})


def _effect_start(node: Node, args: Mapping[str, Any]) -> Node:
    return runtime_runs(replace(node, runtime=replace(_runtime(node), stale_pid="")))


RUNTIME_START = register(StepKind("runtime_start", "runtime", 20, _plan_start, _effect_start))


def _runtime(node: Node) -> RuntimeFacts:
    assert node.runtime is not None  # there is no finding of this layer without its facts
    return node.runtime
