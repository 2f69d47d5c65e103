"""Repairs of encryption at rest: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    EncryptionFacts,
    EncryptionProof,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import restart_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.etcd import peer_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_view import facts_of, ranges, truth, unknown
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__: list[str] = []


def _plan_sync(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = facts_of(node)
    if facts is None or facts.file is None:
        return Refused(
            "its API server is not told to read any such file: that has to be written into its manifest first"
        )
    found = truth(cluster)
    if found.candidate is None:
        return Refused(f"which configuration is right is not proven: {found.why}")
    peer = etcd_view.reference(cluster)
    if peer is None:
        return Refused("no member of etcd answers with a quorum, so no snapshot can be taken before")
    put = _put_args(node, facts, facts.file.path, found.candidate, cluster)
    if isinstance(put, str):
        return Refused(put)
    args = {**put, **peer_args(peer), "proven": to_plain(found.candidate)}
    where = f"{found.candidate.path} of {found.candidate.host}"
    return Planned(
        f"give kube-apiserver of {node.name} the proven encryption configuration ({where}), restart it", args
    )


def _put_args(
    node: Node, facts: EncryptionFacts, path: str, source: Candidate | None, cluster: Cluster
) -> dict[str, Any] | str:
    """What EncryptionStep.put has to know of a master, or why its API server cannot be restarted."""
    restart = restart_args(node, ("kube-apiserver",))
    if isinstance(restart, str):
        return restart
    mode, owner = _owned(facts, source, cluster)
    return {
        **restart,
        "started": ["0"],  # however new the process is, it read what was there before
        "unserved": True,
        "file": path,
        "mode": mode,
        "owner": owner,
    }


def _owned(facts: EncryptionFacts, source: Candidate | None, cluster: Cluster) -> tuple[str, str]:
    """Mode and owner: the old file's, else the source's, else root's alone."""
    if source is None:
        return "600", "root:root"
    other = facts_of(cluster.node(source.host))
    for file in (facts.file, other.file if other is not None and source.current else None):
        if file is not None and file.mode and file.owner:
            return file.mode, file.owner
    return "600", "root:root"


def _synced(node: Node, args: Mapping[str, Any]) -> Node:
    """Its configuration is the proven one."""
    facts = facts_of(node)
    if facts is None or facts.file is None or node.apiserver is None:
        return node
    file = replace(facts.file, state="ok", mode=str(args["mode"]), owner=str(args["owner"]))
    rules = from_plain(Candidate, dict(args["proven"])).rules
    after = replace(facts, file=file, rules=rules, problem="", withheld="")
    started = max(node.apiserver.started, file.mtime) if node.apiserver.started else 0
    return replace(node, apiserver=replace(node.apiserver, encryption=after, started=started))


def _plan_rewrite(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    proof, peer = cluster.encryption, _serving(cluster)
    if proof is None or peer is None:
        return Refused("no master has both an etcd that answers with a quorum and a kube-apiserver that serves")
    dark = unknown(proof)
    if dark:
        return Refused(f"the keys of all masters are needed, and not all could be read: {dark}")
    why = _not_merged(proof)
    if why:
        return Refused(f"{why}: that is not merged here")
    rules = [rule for c in proof.candidates if c.current for rule in c.rules]
    masters = []
    for each in cluster.masters:
        told = _master_args(each, proof, cluster)
        if isinstance(told, str):
            return Refused(f"{each.name}: {told}")
        masters.append(told)
    args = {**peer_args(peer), "masters": masters, "places": ranges(rules, _prefix(cluster))}
    return Planned("bring all records under one encryption key, on every master", args)


def _not_merged(proof: EncryptionProof) -> str:
    """What of the masters' configurations a union of their keys would not do justice to, or empty."""
    current = [c for c in proof.candidates if c.current]
    rules = [rule for c in current for rule in c.rules]
    kinds = {p.kind for rule in rules for p in rule.providers}
    if any(len(c.rules) != 1 for c in current):
        return "a configuration has several groups of resources with keys of their own"
    if len({frozenset(rule.resources) for rule in rules}) > 1:
        return "the configurations do not cover the same resources"
    if any("*" in name for rule in rules for name in rule.resources):
        return "a configuration covers resources by a wildcard"
    if proof.kms or "kms" in kinds:
        return "a KMS plugin encrypts as well"
    plain = any(o.provider == "identity" for o in proof.others)
    if plain and not all(any(p.kind == "identity" for p in rule.providers) for rule in rules):
        return "records in plain text are there, and not every configuration can read them"
    return ""


def _serving(cluster: Cluster) -> Node | None:
    """The master that records are read and rewritten at."""
    known = etcd_view.reference(cluster)
    for node in (known, *cluster.masters) if known is not None else ():
        serves = node.apiserver is not None and node.apiserver.listening
        if serves and not etcd_view.not_of_cluster(node, cluster):
            return node
    return None


def _master_args(node: Node, proof: EncryptionProof, cluster: Cluster) -> dict[str, Any] | str:
    """What the parts at one master have to know, or why it cannot be worked on."""
    facts = facts_of(node)
    if not node.reachable or facts is None or facts.file is None or node.apiserver is None:
        return "its API server's configuration cannot be reached"
    source = next((c for c in proof.candidates if c.current and c.rules), None)
    put = _put_args(node, facts, facts.file.path, source, cluster)
    if isinstance(put, str):
        return put
    where = node.kubelet.manifests.rpartition("/")[0] if node.kubelet else "/etc/kubernetes"
    return {
        **put,
        "host": node.name,
        "confs": [f"{where}/admin.conf", f"{where}/super-admin.conf"],
    }


def _prefix(cluster: Cluster) -> str:
    return next((f.prefix for n in cluster.masters if (f := facts_of(n)) is not None), "/registry")


def _same(node: Node, args: Mapping[str, Any]) -> Node:
    """What it would change is in etcd and on several masters: --check says that it would, and judges on with what is there."""
    return node


register(StepKind("encryption_rewrite", "apiserver_encryption", 5, _plan_rewrite, _same))
register(StepKind("encryption_config_sync", "apiserver_encryption", 10, _plan_sync, _synced))
