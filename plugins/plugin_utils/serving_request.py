"""Whether a kubelet's request for a serving certificate asks for what is that node's own, and for nothing else. Pure."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import SIGNER, ServingRequest
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["Expected", "approval", "expected", "newest_right", "objection", "requests_of", "waiting"]

_WAITS = timedelta(minutes=13)  # kubelet waits a quarter of an hour, and then asks anew
_APART = timedelta(seconds=5)  # clocks that are right
_MUST = frozenset(("digital signature", "server auth"))
_MAY = _MUST | {"key encipherment"}
_EXTENSION_REQUEST = x509.ObjectIdentifier("1.2.840.113549.1.9.14")
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
# Of containers, tunnels and services (kube-ipvs0 has every service's address): other machines are reached there as well.
_VIRTUAL = re.compile(
    r"^(lo|kube-|nodelocaldns|dummy|docker|cni|br-|veth|flannel|cali|tunl|vxlan|weave|cilium|lxc|virbr)"
)
_SERVICE = re.compile(r"^(localhost|kubernetes)(\.|$)|\.(svc|cluster\.local)(\.|$)")


@dataclass(frozen=True)
class Expected:
    """What a node may ask for."""

    node: str  # as the cluster calls it
    names: tuple[str, ...]
    addresses: tuple[str, ...]


def expected(node: Node, cluster: Cluster) -> Expected | str:
    """From what was seen on the node itself, less what is also another's; or why nobody can say."""
    kubelet = node.kubelet
    if not node.reachable or kubelet is None:
        return f"{node.name} could not be looked at, so nobody can say what its addresses are"
    said = sorted({source.partition("=")[2] for source in kubelet.name_sources})
    if len(said) != 1:
        return f"it is not certain what this node is called: {', '.join(kubelet.name_sources) or 'nothing tells'}"
    taken = _of_others(node, cluster)
    addresses = [a for a in _addresses(kubelet) if a not in taken]
    if not addresses:
        return "its addresses could not be read on the node (with ip addr)"
    names = [n for n in dict.fromkeys((said[0], kubelet.hostname)) if n and n not in taken and not _SERVICE.search(n)]
    return Expected(said[0], tuple(names), tuple(addresses))


def _addresses(kubelet: KubeletFacts) -> list[str]:
    found = []
    for interface, text in kubelet.addresses:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            continue
        special = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
        if not special and not _VIRTUAL.match(interface):
            found.append(str(address))
    return found


def _of_others(node: Node, cluster: Cluster) -> set[str]:
    """Names and addresses of other nodes, and of what all clients know as the API server."""
    taken: set[str] = set()
    for other in cluster.nodes:
        if other.kubelet is not None:
            taken.add(re.sub(r"^https?://\[?|\]?(:\d+)?(/.*)?$", "", other.kubelet.kubeconfig_server))
        if other.name == node.name:
            continue
        if other.kubelet is not None:
            taken |= {other.kubelet.node_name, other.kubelet.hostname, *_addresses(other.kubelet)}
        if other.apiserver is not None:
            taken.add(other.apiserver.address)
    if node.is_master and node.apiserver is not None:
        taken.discard(node.apiserver.address)  # its kubelet may ask its own API server
    return taken


def waiting(cluster: Cluster) -> tuple[ServingRequest, ...] | None:
    """What the first master that could be asked tells; None: none could."""
    told = (m.controllers.requests for m in cluster.masters if m.controllers is not None)
    return next((requests for requests in told if requests is not None), None)


def requests_of(name: str, requests: Iterable[ServingRequest]) -> tuple[ServingRequest, ...]:
    """Those that this node asked, newest first."""
    own = [r for r in requests if r.username == f"system:node:{name}"]
    return tuple(sorted(own, key=lambda r: (str(r.created), r.name), reverse=True))


def newest_right(
    requests: Iterable[ServingRequest], expects: Expected, began: datetime | None, now: datetime, seen: Collection[str]
) -> ServingRequest | None:
    """The newest that may be approved, if the kubelet that began then still waits for it: it forgets the keys of older ones."""
    found = next((r for r in requests_of(expects.node, requests) if not objection(r, expects)), None)
    if found is None or found.name in seen or found.created is None or now - found.created > _WAITS:
        return None
    return found if began is None or found.created >= began - _APART else None


def approval(line: str, api: str, run: str) -> dict[str, Any]:
    """The object of that line as it was judged, its resourceVersion with it, and the one thing that is new: approved."""
    judged, _ = json.JSONDecoder().raw_decode(line)
    meta = {key: value for key, value in judged["metadata"].items() if key != "managedFields"}
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": "KubereviveApprove",
        "message": f"subject, names and addresses are this node's own (kuberevive {run})",
    }
    return {
        "apiVersion": f"certificates.k8s.io/{api}",
        "kind": "CertificateSigningRequest",
        "metadata": meta,
        "spec": judged["spec"],
        "status": {"conditions": [condition]},
    }


def objection(request: ServingRequest, expects: Expected) -> str:
    """Why it must not be approved, in one clause; empty: it asks for what is the node's own, and nothing else."""
    return _asker(request, expects) or _content(request.pem, expects)


def _asker(request: ServingRequest, expects: Expected) -> str:
    if request.signer != SIGNER:
        return f"it asks the signer {request.signer or 'of nobody'}"
    if request.username != f"system:node:{expects.node}":
        return f"{request.username or 'nobody'} asked, and not system:node:{expects.node}"
    if "system:nodes" not in request.groups:
        return "who asked is not of group system:nodes"
    usages = frozenset(request.usages)
    if not usages >= _MUST or usages - _MAY:
        return f"it asks for the usages {', '.join(request.usages) or 'none'}"
    return ""


def _content(pem: str, expects: Expected) -> str:
    if pem.count("-----BEGIN ") != 1:
        return "it does not hold one request"
    try:
        csr = x509.load_pem_x509_csr(pem.encode())
        if not csr.is_signature_valid:
            return "it is not signed by its own key"
        return _key(csr) or _subject(csr, expects) or _extensions(csr, expects)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        return f"it cannot be read: {type(error).__name__}"


def _key(csr: x509.CertificateSigningRequest) -> str:
    key = csr.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "" if key.curve.name in _CURVES else f"its key is on the curve {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return "" if 2048 <= key.key_size <= 8192 else f"its RSA key has {key.key_size} bits"
    return "" if isinstance(key, ed25519.Ed25519PublicKey) else "its key is of a kind that kubelets do not make"


def _subject(csr: x509.CertificateSigningRequest, expects: Expected) -> str:
    have = [(attribute.oid, attribute.value) for attribute in csr.subject]
    want = {(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, f"system:node:{expects.node}")}
    if len(have) != len(want) or set(have) != want:
        return f"its subject is {csr.subject.rfc4514_string() or 'empty'}"
    return ""


def _extensions(csr: x509.CertificateSigningRequest, expects: Expected) -> str:
    if any(attribute.oid != _EXTENSION_REQUEST for attribute in csr.attributes):
        return "it has an attribute that kubelets do not send"
    for extension in csr.extensions:
        if not isinstance(extension.value, x509.SubjectAlternativeName):
            return f"it asks for an extension beside its names: {extension.oid.dotted_string}"
    try:
        names = list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = []
    if not names:
        return "it names no host and no address"
    return next((why for why in (_foreign(name, expects) for name in names) if why), "")


def _foreign(name: x509.GeneralName, expects: Expected) -> str:
    if isinstance(name, x509.DNSName):
        return "" if name.value in expects.names else f"{name.value[:80]!r} is no name of this node"
    if isinstance(name, x509.IPAddress):
        return "" if str(name.value) in expects.addresses else f"{name.value} is no address of this node alone"
    return "it asks for a name that is neither a host nor an address"
