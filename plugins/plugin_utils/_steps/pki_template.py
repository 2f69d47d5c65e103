"""What an unreadable certificate said: by the same one of another master, or as kubeadm makes it. Pure."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import facts_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["template"]

_RBAC_ADMINS = 29  # minor version from which admin.conf is no longer of system:masters


def template(cert: Cert, node: Node, cluster: Cluster) -> list[str] | None:
    """CN, O (by comma), SANs (by comma), usages (by comma), server, cluster name; None: nobody tells."""
    peers = [p for p in cluster.masters if p.name != node.name and p.pki]
    alike = [(p, c) for p in peers for c in (facts_of(p).cert(cert.name),) if c and c.state == "ok" and c.subject]
    if cert.kind == "kubeconfig":
        return _kubeconfig(cert, node, cluster, [c for _, c in alike])
    for peer, theirs in alike:
        told = _pair(theirs, node, peer)
        if told is not None:
            return told
    return None


def _pair(theirs: Cert, node: Node, peer: Node) -> list[str] | None:
    """The peer's own name and address give way to this node's."""
    swaps = {_address(peer): _address(node), _node_name(peer): _node_name(node)}
    if theirs.sans and not all(a and b for a, b in swaps.items()):
        return None
    swaps = {a: b for a, b in swaps.items() if a and b}
    sans = [f"{kind}:{swaps.get(value, value)}" for kind, _, value in (s.partition(":") for s in theirs.sans)]
    common = swaps.get(theirs.common_name, theirs.common_name)
    return [common, ",".join(theirs.organizations), ",".join(dict.fromkeys(sans)), ",".join(theirs.usages), "", ""]


def _kubeconfig(cert: Cert, node: Node, cluster: Cluster, peers: list[Cert]) -> list[str] | None:
    subject = (peers[0].common_name, ",".join(peers[0].organizations)) if peers else _made_by_kubeadm(cert.name, node)
    if subject is None:
        return None
    local = cert.name in ("controller-manager.conf", "scheduler.conf")
    server = _local_server(cert, node) if local else _common_server(node, cluster, peers)
    names = [c.cluster_name for c in (*peers, *facts_of(node).certs) if c.cluster_name and c.kind == "kubeconfig"]
    if not server:
        return None
    return [subject[0], subject[1], "", "clientAuth", server, names[0] if names else "kubernetes"]


def _made_by_kubeadm(name: str, node: Node) -> tuple[str, str] | None:
    minor = facts_of(node).kubeadm.split(".")[1:2]
    modern = bool(minor) and minor[0].isdigit() and int(minor[0]) >= _RBAC_ADMINS
    return {
        "controller-manager.conf": ("system:kube-controller-manager", ""),
        "scheduler.conf": ("system:kube-scheduler", ""),
        "admin.conf": ("kubernetes-admin", "kubeadm:cluster-admins" if modern else "system:masters"),
        "super-admin.conf": ("kubernetes-super-admin", "system:masters"),
    }.get(name)


def _local_server(cert: Cert, node: Node) -> str:
    """controller-manager and scheduler talk to the apiserver beside them."""
    sister = "scheduler.conf" if cert.name == "controller-manager.conf" else "controller-manager.conf"
    other = facts_of(node).cert(sister)
    if other is not None and other.server:
        return other.server
    address = facts_of(node).apiserver
    return f"https://{address}" if address and not address.startswith(":") else ""


def _common_server(node: Node, cluster: Cluster, peers: list[Cert]) -> str:
    """The address all administrators use; kubelet.conf may name the local one, so it is asked last."""
    own = [c.server for n in ("admin.conf", "super-admin.conf") for c in (facts_of(node).cert(n),) if c]
    kubelets = [n.kubelet.kubeconfig_server for n in (*cluster.workers, node) if n.kubelet]
    return next((s for s in (*own, *(c.server for c in peers), *kubelets) if s), "")


def _address(node: Node) -> str:
    return facts_of(node).apiserver.rpartition(":")[0].strip("[]")


def _node_name(node: Node) -> str:
    return node.kubelet.node_name if node.kubelet else ""
