"""Puts the parts of judging together: facts from the spool, effects of --check, judge, plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Judgement, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool

__all__ = ["cluster_of", "deliberate", "settings_of"]


def deliberate(
    spool: Spool, groups: Mapping[str, list[str]], settings: dict[str, Any], check_mode: bool
) -> tuple[Judgement, Cluster]:
    """Judgement over the newest look at every node; in check mode as if the recorded steps had been taken."""
    cluster = cluster_of(spool, groups, settings, check_mode)
    findings, outcomes = judge(cluster)
    steps, refusals = plan(cluster, findings)
    blind = tuple(o for o in outcomes if o.state == "could_not_tell")
    return Judgement(findings, steps, refusals, blind, outcomes), cluster


def settings_of(templar: Any, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The operator's kuberevive_* variables, as plain values."""
    names = [n for n in variables if n.startswith("kuberevive_")]
    return {name: to_plain(templar.template(variables[name])) for name in names}


def cluster_of(spool: Spool, groups: Mapping[str, list[str]], settings: dict[str, Any], check_mode: bool) -> Cluster:
    """The newest look at every node of the inventory that was looked at."""
    names = dict.fromkeys([*groups.get("masters", []), *groups.get("workers", [])])
    nodes = {name: spool.node(name) for name in names}
    seen: dict[str, Node] = {name: node for name, node in nodes.items() if node is not None}
    effects = tuple(spool.effects()) if check_mode else ()
    if effects:
        _steps.load()
        for effect in effects:
            node = seen.get(effect["host"])
            if node is not None and node.reachable:
                seen[node.name] = _steps.KINDS[effect["kind"]].effect(node, effect["args"])
    allow = frozenset(str(name) for name in settings.get("kuberevive_allow") or [])
    wanted = boolean(settings.get("kuberevive_renew_all") or False, strict=False)
    return Cluster(
        nodes=tuple(seen.values()),
        now=datetime.now(timezone.utc),
        allow=allow,
        settings=settings,
        canaries=spool.proofs(),
        encryption=spool.encryption(),
        renew_all=frozenset(names) - _renewed(spool) if wanted else frozenset(),
        foretold=bool(effects),
    )


def _renewed(spool: Spool) -> frozenset[str]:
    """Hosts whose certificates this run has renewed (in --check: would have)."""
    ended: dict[str, set[str]] = {}
    for step in spool.steps():
        if step["kind"] == "certs_renew":
            ended.setdefault(step["host"], set()).add(step["state"])
    return frozenset(host for host, states in ended.items() if not states & {"failed", "refused"})
