"""Checks of layer kubelet: the certificate that a kubelet serves, whom it asks for it, and who asks for more than its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import ServingRequest
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.kubelet import facts, rotation_is_late
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import (
    age,
    broken,
    future,
    renew_within,
    soon,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.serving_request import (
    expected,
    objection,
    requests_of,
    waiting,
)

__all__: list[str] = []

_FRESH = timedelta(seconds=90)  # where something approves them, it does so within seconds
_UNASKED = "no master's API server told what kubelets ask to be signed"


def _own(kubelet: KubeletFacts) -> Cert | NotApplicable:
    """The certificate it signed itself, or why there is none to judge."""
    if kubelet.load == "not-found":
        return NotApplicable("there is no kubelet unit here")
    if kubelet.serving_by != "itself":
        return NotApplicable("it does not sign its serving certificate itself")
    return kubelet.serving or NotApplicable("it makes one at its next start")


@check("kubelet.serving_cert_near_expiry", needs=("kubelet",))
def serving_cert_near_expiry(node: Node, cluster: Cluster) -> Verdict:
    """Kubelet makes one for a year at its first start, and none while there is one, however old."""
    cert = _own(facts(node))
    if not isinstance(cert, Cert):
        return cert
    if cert.not_after is None or cert.not_after - cluster.now > soon(cert, renew_within(cluster)):
        return Ok()
    over = cert.expired(cluster.now)
    when = "is over" if over else "ends soon"
    return Found(
        "warning",
        f"the serving certificate that the kubelet signed itself {when}, and kubelet does not renew it "
        "(nobody verifies it, so the cluster works all the same)",
        (f"{cert.path}: not after {age(cert.not_after, cluster.now)}",),
        repair="kubelet_serving",
    )


@check("kubelet.serving_cert_unusable", needs=("kubelet",))
def serving_cert_unusable(node: Node, cluster: Cluster) -> Verdict:
    """Half a pair or an empty file: kubelet ends at its start over it."""
    kubelet = facts(node)
    cert = _own(kubelet)
    if not isinstance(cert, Cert):
        return cert
    why = broken(cert)
    if not why:
        return Ok()
    return Found(
        "warning" if kubelet.well else "critical",
        "the kubelet cannot use its serving certificate, and does not start with it",
        (why, *(() if kubelet.well else kubelet.log_tail[-1:])),
        repair="kubelet_serving",
    )


@check("kubelet.serving_csr_pending", needs=("kubelet",))
def serving_csr_pending(node: Node, cluster: Cluster) -> Verdict:
    """With rotation on kubelet asks the cluster for it, and nothing in Kubernetes approves that."""
    kubelet = facts(node)
    if kubelet.load == "not-found" or kubelet.serving_by != "rotation" or kubelet.serving is None:
        return NotApplicable("its serving certificate is not asked for at the cluster")
    cert, told = kubelet.serving, waiting(cluster)
    why, severe = _unfit(cert, cluster)
    own = requests_of(kubelet.node_name, told or ())
    expects = expected(node, cluster)
    right = [r for r in own if not isinstance(expects, str) and not objection(r, expects) and _after(r, cert)]
    fresh = bool(right) and right[0].created is not None and cluster.now - right[0].created < _FRESH
    if not why:
        if cert.not_after is None:
            return Ok()  # as --check foretells it
        if told is None:
            return CouldNotTell(_UNASKED)
        if not right or fresh:
            return Ok()
        why = "a request of the kubelet for its next serving certificate waits for approval"
    return Found(
        "critical" if severe else "warning",
        why + (": logs, exec and metrics of its pods fail" if severe else ""),
        (f"{cert.path}: {_ends(cert, cluster)}", _asked(own, told is not None)),
        repair="kubelet_serving_approve",
        settling=fresh,
    )


def _after(request: ServingRequest, cert: Cert) -> bool:
    """Whether it was made after the certificate was stored: kubelet has forgotten the keys of older ones."""
    return request.created is None or request.created.timestamp() > cert.mtime


def _unfit(cert: Cert, cluster: Cluster) -> tuple[str, bool]:
    """What is wrong with the certificate itself, and whether nothing can be served with it."""
    if broken(cert):
        return "the kubelet has no serving certificate it could use", True
    if cert.expired(cluster.now):
        return "the kubelet's serving certificate is over, and was not renewed", True
    if future(cert, cluster.now):
        return "the kubelet's serving certificate is not valid yet", True
    if rotation_is_late(cert, cluster.now):
        return "the kubelet's serving certificate ends soon, and was not renewed", False
    return "", False


def _ends(cert: Cert, cluster: Cluster) -> str:
    return broken(cert).removeprefix(f"{cert.path} ") or f"not after {age(cert.not_after, cluster.now)}"


def _asked(own: tuple[ServingRequest, ...], told: bool) -> str:
    if not told:
        return _UNASKED
    if not own:
        return "no request of this node waits for approval"
    return f"waiting for approval: {', '.join(r.name for r in own)} (newest first)"


@check("kubelet.serving_csr_strange", needs=("kubelet",))
def serving_csr_strange(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """A request that must not be approved: it asks for names of others, or its node is none of the inventory."""
    told = waiting(cluster)
    if told is None:
        yield NotApplicable(_UNASKED)
        return
    name, found = facts(node).node_name, False
    for request in told:
        why = ""
        if request.username == f"system:node:{name}":
            expects = expected(node, cluster)
            why = expects if isinstance(expects, str) else objection(request, expects)
        elif node.name == cluster.masters[0].name and not _looked_at(request, cluster):
            why = f"{request.username or 'nobody'} asked, which is no node of the inventory that was looked at"
        if why:
            found = True
            when = f" on {request.created:%Y-%m-%d %H:%M} UTC" if request.created else ""
            yield Found(
                "warning",
                f"{request.name}, a request for a kubelet's serving certificate, is not approved: {why}",
                (f"{request.name} was made by {request.username or 'nobody'}{when}, and is left as it is",),
            )
    if not found:
        yield Ok()


def _looked_at(request: ServingRequest, cluster: Cluster) -> bool:
    return any(
        n.kubelet is not None and request.username == f"system:node:{n.kubelet.node_name}" for n in cluster.nodes
    )
