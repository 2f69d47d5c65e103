"""Repairs of layer controllers: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.controllers import outdated, shut_out
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.heartbeats import heartbeats
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import restart_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

_MANAGER = "kube-controller-manager"
# A controller-manager that begins to lead marks every node without a heartbeat as gone and, once enough others live, evicts
# its pods five minutes later: so it comes last (T8).
_ENOUGH = 0.8


def _plan(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = node.controllers
    if facts is None:
        return Refused("its controllers could not be looked at")
    wanted = {c.name for c in facts.controllers if shut_out(c, facts.now) or outdated(c)}
    expired = _expired(node, cluster, wanted)
    if expired:
        return Refused(f"{expired} has run out itself; looked at again when it is renewed")
    later = ""
    if _MANAGER in wanted and (why := _too_early(cluster)):
        if not cluster.foretold:
            return Refused(why)
        later = f", once {_ENOUGH:.0%} of the nodes heartbeat"
    # The controller-manager last.
    args = restart_args(node, tuple(sorted(wanted, reverse=True)))
    if isinstance(args, str):
        return Refused(args)
    return Planned(f"restart {' and '.join(args['components'])} with the renewed certificate{later}", args)


def _expired(node: Node, cluster: Cluster, names: set[str]) -> str:
    for cert in node.pki.certs if node.pki else ():
        if cert.expired(cluster.now) and f"kube-{cert.name.removesuffix('.conf')}" in names:
            return cert.path
    return ""


def _too_early(cluster: Cluster) -> str:
    """Why no controller-manager should begin to lead now, or empty."""
    beats = heartbeats(cluster)
    if beats is None:
        return "no kube-apiserver lets leases be read, so it cannot be told which nodes live; will look again"
    leader = beats.component(_MANAGER)
    if leader is not None and leader.fresh:
        return ""  # another one leads already: this one only becomes its stand-by again
    reachable = [n for n in cluster.nodes if n.reachable]
    alive = sum((pulse := beats.node(n)) is not None and pulse.fresh for n in reachable)
    if alive >= _ENOUGH * len(reachable):
        return ""
    return (
        f"only {alive} of {len(reachable)} reachable nodes heartbeat, and a controller-manager that begins to lead evicts the "
        f"pods of the others; it is restarted when {_ENOUGH:.0%} do; will look again"
    )


def _effect(node: Node, args: Mapping[str, Any]) -> Node:
    facts = node.controllers
    if facts is None:
        return node
    again = set(args.get("components", ()))
    controllers = tuple(
        replace(c, started=max(facts.now, c.kubeconfig_mtime), unauthorized_at=None, unauthorized_line="")
        if c.name in again
        else c
        for c in facts.controllers
    )
    return replace(node, controllers=replace(facts, controllers=controllers))


register(StepKind("controller_restart", "controllers", 10, _plan, _effect))
