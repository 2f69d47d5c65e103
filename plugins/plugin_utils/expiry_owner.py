"""Who makes a certificate anew before it ends. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts, Served
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import (
    admin_copies,
    authority_problem,
    broken,
    ends_with_its_ca,
    facts_of,
    future,
    needs_renewal,
    renew_within,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.pki_template import template
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = [
    "KUBELET",
    "OPERATOR",
    "RENEW",
    "REPAIR",
    "Owner",
    "of_ca",
    "of_client",
    "of_copy",
    "of_managed",
    "of_other",
    "of_serving",
    "of_shown",
    "unusable",
]

RENEW = "renew-certificates.yml"
REPAIR = "repair-kubelet.yml"
KUBELET = "kubelet"
OPERATOR = "operator"

_UNSEEN = {
    "withheld": "is in a form that the probe does not read",
    "in_image": "lies in the container's image, for no hostPath of its manifest holds it",
}


@dataclass(frozen=True)
class Owner:
    """Who renews it, and why it is them."""

    who: str  # RENEW | REPAIR | KUBELET | OPERATOR
    why: str = ""


def unusable(cert: Cert) -> str:
    """Why it cannot be used or nobody can say, in a few words; empty: it can. An absent key of a CA is no fault of the CA."""
    if cert.state in _UNSEEN:
        return f"{cert.path} {_UNSEEN[cert.state]}"
    if cert.kind == "ca" and cert.key_state != "mismatch":
        cert = replace(cert, key_state="unknown")
    return broken(cert)


def of_ca(first: bool) -> Owner:
    """A CA's own certificate, or another one in its file."""
    if not first:
        return Owner(OPERATOR, "it lies beside another one in its file")
    return Owner(OPERATOR, "a CA is never replaced unattended")


def of_managed(cert: Cert, node: Node, cluster: Cluster) -> Owner:
    """What kubeadm's standard set has: the components' pairs and kubeconfigs."""
    if not node.is_master:
        return Owner(OPERATOR, "it belongs to a control plane, and this node is in the group workers")
    if cert.state == "withheld":
        return Owner(OPERATOR, f"it {_UNSEEN[cert.state]}")
    facts = facts_of(node)
    problem = authority_problem(facts, cert, cluster.now) or _as_long_as_its_ca(cert, facts, cluster.now)
    if problem:
        return Owner(OPERATOR, problem)
    if cert.state != "ok" and template(cert, node, cluster) is None:
        return Owner(OPERATOR, "no other master tells what its subject and names were: restore it from a backup")
    return Owner(RENEW)


def _as_long_as_its_ca(cert: Cert, facts: PkiFacts, now: datetime) -> str:
    ca = None if cert.expired(now) else ends_with_its_ca(cert, facts)
    return f"its CA {ca.path} ends no later" if ca else ""


def of_copy(cert: Cert, node: Node, cluster: Cluster) -> Owner:
    """A kubeconfig in a home directory."""
    if cert.state == "withheld":
        return Owner(OPERATOR, f"it {_UNSEEN[cert.state]}")
    if not node.is_master:
        return Owner(OPERATOR, "it lies on a worker, and copies of admin.conf are refreshed on masters only")
    emptied = cert.path == "/root/.kube/config" and cert.state in ("empty", "nul")
    if not emptied and cert not in admin_copies(node, cluster):
        return Owner(OPERATOR, "it is no copy of this cluster's admin.conf")
    facts = facts_of(node)
    admin = facts.cert("admin.conf")
    if admin is None:
        return Owner(OPERATOR, f"this node has no {facts.conf_dir}/admin.conf to refresh it from")
    problem = authority_problem(facts, admin, cluster.now)
    if problem and needs_renewal(admin, facts, cluster.now, renew_within(cluster)):
        return Owner(OPERATOR, problem)
    return Owner(RENEW)


def of_other(cert: Cert) -> Owner:
    """Named by a flag, outside the standard set; its name is the component and the flag."""
    component, _, flag = cert.name.partition(" ")
    return Owner(OPERATOR, f"{flag} of {component} names it, outside the standard set")


def of_shown(served: Served) -> Owner:
    """What a process still shows though the file is another one."""
    still = f"{served.component} still shows it, though its file is newer"
    if served.component == "kube-apiserver":
        return Owner(RENEW, f"{still}: until it starts again")
    return Owner(OPERATOR, f"{still}, which etcd takes up by itself")


def of_client(cert: Cert, kubelet: KubeletFacts, cluster: Cluster) -> Owner:
    """The kubelet's own client certificate."""
    keyless = _no_signer(cluster)
    if unusable(cert) or cert.expired(cluster.now) or future(cert, cluster.now):
        return Owner(OPERATOR, keyless) if keyless else Owner(REPAIR)
    if not kubelet.rotates:
        return Owner(OPERATOR, keyless) if keyless else Owner(RENEW, "rotateCertificates is off")
    if cert.path != kubelet.current_pem:
        return Owner(OPERATOR, f"rotation writes {kubelet.current_pem} and not this file")
    return Owner(OPERATOR, keyless) if keyless else Owner(KUBELET, "rotation is on")


def of_serving(kubelet: KubeletFacts, cluster: Cluster) -> Owner:
    """What the kubelet shows to API servers and to metrics-server."""
    if kubelet.serving_by == "rotation":
        keyless = _no_signer(cluster)
        if keyless:
            return Owner(OPERATOR, keyless)
        return Owner(KUBELET, f"rotation is on, and {RENEW} approves its requests")
    if kubelet.serving_by == "told":
        return Owner(OPERATOR, "the kubelet is told to use this file")
    if kubelet.serving_by == "placed":
        return Owner(OPERATOR, "no kubelet signed it: somebody put it where the kubelet's own would lie")
    return Owner(RENEW, "signed by the kubelet itself, which makes a new one only at a start without it and its key")


def _no_signer(cluster: Cluster) -> str:
    """Why no request of a kubelet will be signed; empty: it will be, or nobody can say."""
    cas = [m.pki.cert("ca") if m.pki else None for m in cluster.masters]
    if not cas or any(ca is None or ca.key_state in ("ok", "unknown") for ca in cas):
        return ""
    return "no master has the CA's key (an external CA?): sign where that key is kept"
