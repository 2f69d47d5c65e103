"""Repairs of layer kubelet that are about the certificate it serves: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.kubelet import facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import renew_within
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import asking_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.kubelet import plan_start
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.serving_request import expected

__all__: list[str] = []

_HALF = timedelta(days=182)  # of the year that kubelet gives a certificate that it signs itself


# kubelet_serving


def _plan_own(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Move the pair away and start the kubelet again, if it will come up; one that does not run is started by its own step."""
    kubelet = facts(node)
    again = plan_start(node, cluster, ()) if kubelet.well else None
    if isinstance(again, Refused):
        return Refused(f"the kubelet runs, and stopped for this it could not start again: {again.reason}")
    args = {
        "cert_dir": kubelet.cert_dir,
        "at": kubelet.serving_at,
        "healthz": kubelet.healthz_at,
        "lives": int(min(renew_within(cluster), _HALF).total_seconds()),
    }
    return Planned("let the kubelet sign itself a new serving certificate; the old one is moved away", args)


def _effect_own(node: Node, args: Mapping[str, Any]) -> Node:
    """None is there, as before the kubelet's first start."""
    return replace(node, kubelet=replace(facts(node), serving=None))


# kubelet_serving_approve


def _plan_approve(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Approve its newest request if that asks for its own names only; ask the kubelet to ask anew where it waits for none."""
    kubelet, expects = facts(node), expected(node, cluster)
    if isinstance(expects, str):
        return Refused(f"no request can be judged: {expects}")
    if not kubelet.well:
        return Refused("the kubelet does not run well, so it waits for no certificate: looked at again then")
    again = plan_start(node, cluster, ())
    if isinstance(again, Refused):
        return Refused(f"the kubelet may have to start again to ask anew, and could not: {again.reason}")
    asker = _asker(node, cluster)
    if asker is None:
        return Refused("no master's API server tells what kubelets ask to be signed: looked at again once one does")
    pki = asker.pki
    args = {
        "node_name": expects.node,
        "names": list(expects.names),
        "addresses": list(expects.addresses),
        "began": node.controllers.kubelet_started if node.controllers else 0,
        "at": kubelet.serving_at,
        "healthz": kubelet.healthz_at,
        "current": f"{kubelet.cert_dir}/kubelet-server-current.pem",
        "ca_file": kubelet.ca.path if kubelet.ca else "",
        "asker": asker.name,
        "api": {**asking_args(asker), "conf_dir": pki.conf_dir if pki else "/etc/kubernetes", "ca_key": ""},
    }
    return Planned(f"approve the kubelet's own request for a serving certificate, on {asker.name}", args)


def _asker(node: Node, cluster: Cluster) -> Node | None:
    """A master whose API server answers its administrator, the node itself first."""
    told = [m for m in cluster.masters if m.reachable and m.controllers and m.controllers.requests is not None]
    return min(told, key=lambda m: m.name != node.name, default=None)


def _effect_approve(node: Node, args: Mapping[str, Any]) -> Node:
    """It has one, of an end that nobody knows yet."""
    path = f"{facts(node).cert_dir}/kubelet-server-current.pem"
    fresh = Cert("kubelet-serving", path, "pair", "ok", path, "ok", signed_by="ca")
    return replace(node, kubelet=replace(facts(node), serving=fresh))


# Before the start: kubelet ends at it where half of the pair is gone.
register(StepKind("kubelet_serving", "kubelet", 60, _plan_own, _effect_own, signs=True))
register(
    StepKind("kubelet_serving_approve", "kubelet_serving", 10, _plan_approve, _effect_approve, signs=True),
)
