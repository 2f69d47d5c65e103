"""Repairs of layer kubelet: when they can be taken and what they would change."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.host import clock_problem
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.kubelet import facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__: list[str] = []

_DAYS = 365
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_PER_HOST = ("providerID", "address", "staticPodURLHeader")


# kubelet_credential


def plan_credential(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Point to an older certificate that still holds, else have a master sign a new one."""
    kubelet = facts(node)
    name = _node_name(kubelet)
    if isinstance(name, Refused):
        return name
    args: dict[str, Any] = {
        "node_name": name,
        "cert_dir": kubelet.cert_dir,
        "kubeconfig": kubelet.kubeconfig.path if kubelet.kubeconfig else "/etc/kubernetes/kubelet.conf",
        "ca_file": kubelet.ca.path if kubelet.ca else "",
        "relink": "",
        "admin_paths": [a.path for a in kubelet.admin_credentials if a.path.startswith(kubelet.cert_dir + "/")],
        "signer": node.name,
    }
    if not kubelet.ca_public:
        where = kubelet.ca.path if kubelet.ca else "the cluster CA's certificate"
        return Refused(f"{where} on {node.name} cannot be read, so no certificate can be proven right against it")
    spare = _spare(kubelet, name, cluster)
    if spare:
        return Planned(
            f"use the older client certificate {spare.path} that still holds", {**args, "relink": spare.path}
        )
    signer = _signer(node, cluster)
    if isinstance(signer, Refused):
        return signer
    master, authority = signer
    title = f"give the kubelet of {name} a new client certificate, signed by the cluster's CA on {master.name}"
    signing = {"signer": master.name, "signer_ca": authority.path, "signer_key": authority.key_path}
    return Planned(title, {**args, **signing, "days": _days(authority, cluster)})


def _node_name(kubelet: KubeletFacts) -> str | Refused:
    said = sorted({source.partition("=")[2] for source in kubelet.name_sources})
    if len(said) > 1:
        told = ", ".join(kubelet.name_sources)
        return Refused(f"it is not certain what this node is called: {told}; put right the one that is wrong first")
    if not said or not _NAME.fullmatch(said[0]):
        return Refused("nothing on this node tells a valid node name")
    return said[0]


def _spare(kubelet: KubeletFacts, name: str, cluster: Cluster) -> Cert | None:
    soon = cluster.now + timedelta(hours=1)
    now_used = kubelet.client  # near its end maybe; one that lives no longer is no help
    if now_used and now_used.state == "ok" and now_used.not_after and not now_used.expired(cluster.now):
        soon = max(soon, now_used.not_after + timedelta(days=1))
    good = [
        cert
        for cert in kubelet.spare_clients
        if cert.state == "ok"
        and cert.key_state == "ok"
        and cert.signed_by
        and cert.common_name == f"system:node:{name}"
        and cert.organizations == ("system:nodes",)
        and not cert.expired(soon)
    ]
    return max(good, key=lambda c: str(c.not_after), default=None)


def _signer(node: Node, cluster: Cluster) -> tuple[Node, Cert] | Refused:
    reasons: list[str] = []
    own_first = sorted(cluster.masters, key=lambda m: m.name != node.name)
    fitting: list[tuple[Node, Cert]] = []
    for master in own_first:
        authority = _authority(master, node, cluster)
        if isinstance(authority, str):
            reasons.append(f"{master.name}: {authority}")
        elif why := clock_problem(master, cluster):
            reasons.append(why)
        else:
            fitting.append((master, authority))
    if fitting:
        return fitting[0]
    return Refused("no master can sign a certificate for this node: " + ("; ".join(reasons) or "there is no master"))


def _authority(master: Node, node: Node, cluster: Cluster) -> Cert | str:
    """The CA as it lies on that master, or why it cannot sign for this node."""
    if not master.reachable:
        return "cannot be reached"
    ca = master.pki.cert("ca") if master.pki else None
    if ca is None or ca.state != "ok":
        return "its CA certificate cannot be read"
    if ca.key_state != "ok":
        return f"the CA's key is {ca.key_state} there"
    if ca.expired(cluster.now + timedelta(days=1)):
        return f"its CA expires on {ca.not_after:%Y-%m-%d}"
    if ca.public_sha256 not in facts(node).ca_public:
        return "its CA is not the one this node trusts"
    return ca


def _days(authority: Cert, cluster: Cluster) -> int:
    if authority.not_after is None:
        return _DAYS
    return max(1, min(_DAYS, (authority.not_after - cluster.now).days))


def effect_credential(node: Node, args: Mapping[str, Any]) -> Node:
    """The kubelet has a certificate of its own that holds."""
    kubelet = facts(node)
    fresh = Cert(
        name=kubelet.current_pem,
        path=kubelet.current_pem,
        kind="pair",
        state="ok",
        key_path=kubelet.current_pem,
        key_state="ok",
        common_name=f"system:node:{args.get('node_name', kubelet.node_name)}",
        organizations=("system:nodes",),
        signed_by="ca",
    )
    cert_path = kubelet.kubeconfig_cert if kubelet.kubeconfig_problem else kubelet.current_pem
    changed = replace(
        kubelet, client=fresh, spare_clients=(), admin_credentials=(), kubeconfig_cert=cert_path, log_tail=()
    )
    return replace(node, kubelet=changed)


# kubelet_kubeconfig


def plan_kubeconfig(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Rebuild kubelet.conf from a peer's cluster entry; the credential stays a file of this node."""
    kubelet = facts(node)
    name = _node_name(kubelet)
    if isinstance(name, Refused):
        return name
    path = kubelet.kubeconfig.path if kubelet.kubeconfig else "/etc/kubernetes/kubelet.conf"
    for peer in _peers(node, cluster):
        entry = _cluster_entry(peer.kubelet.kubeconfig if peer.kubelet else None)
        server = _server(node, peer, str(entry.get("server") or ""))
        ca_data = str(entry.get("certificate-authority-data") or "")
        if server and ca_data:
            args = {
                "path": path,
                "server": server,
                "ca_data": ca_data,
                "ca_file": kubelet.ca.path if kubelet.ca else "",
                "node_name": name,
                "pem": kubelet.current_pem,
            }
            return Planned(
                f"write {path} again: server and CA as {peer.name} has them, the node's own certificate", args
            )
    return Refused("no other node has a kubeconfig to take the cluster's address and CA from")


def _peers(node: Node, cluster: Cluster) -> list[Node]:
    others = [n for n in cluster.nodes if n.name != node.name and n.reachable and n.kubelet]
    return sorted(others, key=lambda n: n.is_master != node.is_master)


def _cluster_entry(fact: FileFact | None) -> dict[str, Any]:
    try:
        data = yaml.safe_load(fact.content) if fact and fact.usable else None
        entries = data.get("clusters") if isinstance(data, dict) else None
        entry = entries[0].get("cluster") if isinstance(entries, list) and entries else None
    except (yaml.YAMLError, AttributeError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _server(node: Node, peer: Node, server: str) -> str:
    """The peer's server, unless that is the peer's own API server: then this master's own, or the common endpoint."""
    own = peer.apiserver.address if peer.apiserver else ""
    if not own or f"//{own}:" not in server:
        return server
    if node.is_master and node.apiserver and node.apiserver.address:
        return f"https://{node.apiserver.address}:{node.apiserver.port}"
    admin = peer.pki.cert("admin.conf") if peer.pki else None
    return admin.server if admin and f"//{own}:" not in admin.server else ""


def effect_kubeconfig(node: Node, args: Mapping[str, Any]) -> Node:
    """kubelet.conf is there and names the node's own certificate."""
    kubelet = facts(node)
    fact = replace(kubelet.kubeconfig or FileFact(str(args.get("path", "")), "missing"), state="ok")
    changed = replace(
        kubelet,
        kubeconfig=fact,
        kubeconfig_problem="",
        kubeconfig_server=str(args.get("server", "")),
        kubeconfig_cert=kubelet.current_pem,
    )
    return replace(node, kubelet=changed)


# kubelet_config


def plan_config(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """config.yaml as a peer of the same version has it, if nothing in it is a matter of the single host."""
    kubelet = facts(node)
    path = kubelet.config.path if kubelet.config else "/var/lib/kubelet/config.yaml"
    reasons: list[str] = []
    for peer in _peers(node, cluster):
        other = facts(peer)
        if not other.config or not other.config_kind_ok:
            continue
        why = _not_for(node, kubelet, other)
        if why:
            reasons.append(f"{peer.name}: {why}")
            continue
        return Planned(f"write {path} again as {peer.name} has it", {"path": path, "content": other.config.content})
    return Refused("no other node has a kubelet configuration that fits here: " + ("; ".join(reasons) or "none at all"))


def _not_for(node: Node, own: KubeletFacts, other: KubeletFacts) -> str:
    if own.version and other.version and own.version.split(".")[:2] != other.version.split(".")[:2]:
        return f"kubelet {other.version} there, {own.version} here"
    settings = yaml.safe_load(other.config.content) if other.config else {}
    for key in _PER_HOST:
        if settings.get(key) and settings[key] not in ("0.0.0.0", "::"):
            return f"its {key} is of that host alone"
    if node.is_master and not settings.get("staticPodPath"):
        return "it names no staticPodPath, which a master needs"
    return ""


def effect_config(node: Node, args: Mapping[str, Any]) -> Node:
    """config.yaml is a KubeletConfiguration."""
    kubelet = facts(node)
    fact = FileFact(str(args.get("path", "")), "ok", content=str(args.get("content", "")))
    return replace(node, kubelet=replace(kubelet, config=fact, config_kind_ok=True))


# kubelet_admin_credential


def plan_admin(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Move them away; who signed them cannot take them back, so they are reported as leaked."""
    kubelet = facts(node)
    paths = [a.path for a in kubelet.admin_credentials if a.path.startswith(kubelet.cert_dir + "/")]
    return Planned(f"move {len(paths)} cluster-admin credentials out of the kubelet's files", {"paths": paths})


def effect_admin(node: Node, args: Mapping[str, Any]) -> Node:
    """None is left there."""
    return replace(node, kubelet=replace(facts(node), admin_credentials=()))


# kubelet_checkpoint


def plan_checkpoint(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Only state that kubelet makes again by itself."""
    kubelet = facts(node)
    broken = [c.path for c in kubelet.checkpoints if c.problem]
    if any(path.endswith("dra_manager_state") for path in broken):
        return Refused("dra_manager_state holds prepared resource claims: drain the node, then move it away by hand")
    if kubelet.cpu_policy != "none" or kubelet.memory_policy != "None":
        return Refused("the CPU or memory manager has a static policy here: drain the node, then move the file away")
    return Planned(f"move {len(broken)} broken state files of the kubelet away", {"paths": broken})


def effect_checkpoint(node: Node, args: Mapping[str, Any]) -> Node:
    """They are gone."""
    kubelet = facts(node)
    gone = set(args.get("paths") or ())
    return replace(
        node, kubelet=replace(kubelet, checkpoints=tuple(c for c in kubelet.checkpoints if c.path not in gone))
    )


# kubelet_start


def plan_start(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Last in the phase; only when nothing that keeps it from starting is refused."""
    kubelet = facts(node)
    if kubelet.load == "masked":
        return Refused("kubelet.service is masked: somebody meant it not to run; systemctl unmask kubelet allows it")
    if node.is_master and node.etcd is None:
        why = node.sections.get("etcd", "not asked")
        return Refused(f"it would start an etcd whose data could not be looked at ({why}); look again")
    for kind in _blocking(kubelet, cluster):
        decided = _STOPPED[kind](node, cluster, ())
        if isinstance(decided, Refused):
            return Refused(f"it cannot start before this is put right: {decided.reason}")
    disabled = kubelet.enabled == "disabled"
    args = {
        "manifests": kubelet.manifests,
        "healthz": kubelet.healthz_at,
        "etcd_dead": _etcd_dead(node),
    }
    return Planned("enable and start the kubelet" if disabled else "start the kubelet", args)


def _blocking(kubelet: KubeletFacts, cluster: Cluster) -> list[str]:
    """The kinds of repair without which this kubelet would not come up."""
    kinds: list[str] = []
    cert = kubelet.client
    if kubelet.config_named and not kubelet.config_kind_ok:
        kinds.append("kubelet_config")
    if kubelet.kubeconfig_problem:
        kinds.append("kubelet_kubeconfig")
    if (kubelet.kubeconfig_problem or kubelet.kubeconfig_cert) and (
        cert is None or cert.state != "ok" or cert.key_state not in ("ok", "unknown") or cert.expired(cluster.now)
    ):
        kinds.append("kubelet_credential")
    if any(c.problem for c in kubelet.checkpoints):
        kinds.append("kubelet_checkpoint")
    return kinds


def _etcd_dead(node: Node) -> bool:
    """Whether this node should run etcd and it is known not to work: its API server would then hang the kubelet."""
    etcd = node.etcd
    return etcd is not None and etcd.present and (not etcd.data_there or not etcd.listening)


def effect_start(node: Node, args: Mapping[str, Any]) -> Node:
    """It runs, and would after a reboot."""
    kubelet = replace(facts(node), running=True, healthz="ok", active="active", enabled="enabled", log_tail=())
    host = node.host
    if host is not None:
        units = tuple(
            replace(u, active="active", enabled="enabled", result="success") if u.name == "kubelet" else u
            for u in host.units
        )
        host = replace(host, units=units)
    return replace(node, kubelet=kubelet, host=host)


_Plan = Callable[[Node, Cluster, tuple[Finding, ...]], Planned | Refused]
# What is put right while the kubelet is stopped.
_STOPPED: dict[str, _Plan] = {
    "kubelet_config": plan_config,
    "kubelet_kubeconfig": plan_kubeconfig,
    "kubelet_credential": plan_credential,
    "kubelet_checkpoint": plan_checkpoint,
}


def _together(own: str) -> _Plan:
    """A kubelet that runs well is stopped only where everything that its start then needs can be put right too."""

    def decide(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
        decided = _STOPPED[own](node, cluster, findings)
        kubelet = facts(node)
        if isinstance(decided, Refused) or not kubelet.well:
            return decided
        for kind in _blocking(kubelet, cluster):
            other = decided if kind == own else _STOPPED[kind](node, cluster, ())
            if isinstance(other, Refused):
                return Refused(f"the kubelet runs, and stopped for this it could not start again: {other.reason}")
        return decided

    return decide


register(StepKind("kubelet_config", "kubelet", 10, _together("kubelet_config"), effect_config))
register(StepKind("kubelet_kubeconfig", "kubelet", 20, _together("kubelet_kubeconfig"), effect_kubeconfig))
register(StepKind("kubelet_credential", "kubelet", 30, _together("kubelet_credential"), effect_credential, signs=True))
register(StepKind("kubelet_admin_credential", "kubelet", 40, plan_admin, effect_admin))
register(StepKind("kubelet_checkpoint", "kubelet", 50, _together("kubelet_checkpoint"), effect_checkpoint))
register(StepKind("kubelet_start", "kubelet", 90, plan_start, effect_start))
