"""Checks of layer kubelet."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import renew_within, soon
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["rotation_is_late"]

_ROTATED = 0.92  # of its life: kubelet renews between 70 and 90 %
_STRAY = re.compile(r"(~|\.(bak|orig|old|save|backup|rpmsave|rpmnew|dpkg-\w+|sw[op]|\d{4}-\d\d-\d\d\S*))$")
_BOOTSTRAP = "unable to load bootstrap kubeconfig"
_REPLACES = frozenset(("kubelet_credential", "kubelet_kubeconfig", "kubelet_config", "kubelet_checkpoint"))
_STATES = {
    "missing": "is missing",
    "dangling": "points to a file that does not exist",
    "empty": "is empty (0 bytes)",
    "nul": "holds only NUL bytes",
    "unreadable": "cannot be read",
    "not_a_file": "is not a file",
    "unparsable": "holds no certificate that can be read",
    "mismatch": "is not the key of the certificate",
}


def facts(node: Node) -> KubeletFacts:
    """The kubelet's facts of a node whose check needs them."""
    if node.kubelet is None:
        raise ValueError(f"the kubelet of {node.name} was not read")
    return node.kubelet


def _file(fact: FileFact) -> str:
    link = f" -> {fact.link}" if fact.link else ""
    return f"{fact.path}{link}: {_STATES.get(fact.state, fact.state)}"


def _client(kubelet: KubeletFacts) -> Cert | NotApplicable | CouldNotTell:
    """The certificate kubelet shows to the API, or why there is none to judge."""
    if kubelet.load == "not-found":
        return NotApplicable("there is no kubelet unit here")
    if not kubelet.kubeconfig_problem and not kubelet.kubeconfig_cert:
        return NotApplicable("its kubeconfig authenticates without a certificate")
    return kubelet.client or CouldNotTell("the probe did not tell its client certificate")


@check("kubelet.client_cert_expired", needs=("kubelet",))
def client_cert_expired(node: Node, cluster: Cluster) -> Verdict:
    """K05: over, so the API would not know the node; kubelet does not start without it."""
    cert = _client(facts(node))
    if not isinstance(cert, Cert):
        return cert
    if not cert.expired(cluster.now) or cert.not_after is None:
        return Ok()
    return Found(
        "critical",
        f"the kubelet's client certificate expired on {cert.not_after:%Y-%m-%d %H:%M} UTC",
        (f"{cert.path}: subject {cert.subject}, not after {cert.not_after:%Y-%m-%dT%H:%M:%SZ}",),
        repair="kubelet_credential",
        refs=("K05",),
    )


@check("kubelet.client_cert_empty", needs=("kubelet",))
def client_cert_empty(node: Node, cluster: Cluster) -> Verdict:
    """K06: zero bytes, cut off, dangling, missing, or not with its own key."""
    cert = _client(facts(node))
    if not isinstance(cert, Cert):
        return cert
    if cert.state != "ok":
        what, why = cert.path, _STATES.get(cert.state, cert.state)
    elif cert.key_state not in ("ok", "unknown"):
        key = "private key in " if cert.key_path == cert.path else ""
        why = "is cut off or missing" if key and cert.key_state in ("missing", "unparsable") else ""
        what, why = f"the {key}{cert.key_path}", why or _STATES.get(cert.key_state, cert.key_state)
    else:
        return Ok()
    return Found(
        "critical",
        "the kubelet has no client certificate it could use",
        (f"{what} {why}", *facts(node).log_tail[-2:]),
        repair="kubelet_credential",
        refs=("K06", "T5"),
    )


@check("kubelet.client_cert_untrusted", needs=("kubelet",))
def client_cert_untrusted(node: Node, cluster: Cluster) -> Verdict:
    """K07: looks valid, but no CA the cluster's masters have has signed it."""
    kubelet = facts(node)
    cert = _client(kubelet)
    if not isinstance(cert, Cert):
        return cert
    if cert.state != "ok" or not kubelet.ca_public:
        return NotApplicable("there is no certificate or no CA to compare")
    if cert.signed_by:
        return Ok()
    masters = {ca.public_sha256 for m in cluster.masters if m.pki and (ca := m.pki.cert("ca")) and ca.state == "ok"}
    if not masters & set(kubelet.ca_public):
        return CouldNotTell("the node's CA is not the one of any master that could be read")
    return Found(
        "critical",
        "the kubelet's client certificate was not signed by this cluster's CA",
        (f"{cert.path}: issuer {cert.issuer}, subject {cert.subject}",),
        repair="kubelet_credential",
        refs=("K07",),
    )


@check("kubelet.client_cert_near_expiry", needs=("kubelet",))
def client_cert_near_expiry(node: Node, cluster: Cluster) -> Verdict:
    """Kubelet renews it by itself: past that time, or where it may not, nobody does."""
    kubelet = facts(node)
    cert = _client(kubelet)
    if not isinstance(cert, Cert):
        return cert
    if cert.not_after is None or cert.not_before is None or cert.expired(cluster.now):
        return Ok()
    left = cert.not_after - cluster.now
    if not rotation_is_late(cert, cluster.now) if kubelet.rotates else left > soon(cert, renew_within(cluster)):
        return Ok()
    used = (cluster.now - cert.not_before) / (cert.not_after - cert.not_before)
    why = f"{used:.0%} of its life is over and it was not renewed" if kubelet.rotates else "rotateCertificates is off"
    return Found(
        "warning",
        f"the kubelet's client certificate expires in {left.total_seconds() / 86400:.1f} days and {why}",
        (f"{cert.path}: not after {cert.not_after:%Y-%m-%dT%H:%M:%SZ}",),
        repair="kubelet_credential",
        refs=("K05",),
    )


def rotation_is_late(cert: Cert, now: datetime) -> bool:
    """Whether more of its life is over than kubelet ever waits for (90 %)."""
    if cert.not_after is None or cert.not_before is None:
        return False
    return (now - cert.not_before) / (cert.not_after - cert.not_before) >= _ROTATED


@check("kubelet.kubeconfig_missing", needs=("kubelet",))
def kubeconfig_missing(node: Node, cluster: Cluster) -> Verdict:
    """Missing, empty, NUL, or without a cluster in it."""
    kubelet = facts(node)
    if kubelet.load == "not-found":
        return NotApplicable("there is no kubelet unit here")
    if not kubelet.kubeconfig_problem:
        return Ok()
    if kubelet.kubeconfig is None:
        return CouldNotTell("the probe did not tell its kubeconfig")
    why = _STATES.get(kubelet.kubeconfig_problem, kubelet.kubeconfig_problem)
    return Found(
        "critical",
        "the kubelet has no kubeconfig it could use",
        (f"{kubelet.kubeconfig.path} {why}",),
        repair="kubelet_kubeconfig",
        refs=("K04", "H20"),
    )


@check("kubelet.config_missing", needs=("kubelet",))
def config_missing(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """K01 config.yaml, K02 kubeadm-flags.env."""
    kubelet = facts(node)
    if kubelet.load == "not-found" or not kubelet.config_named or kubelet.config is None:
        yield NotApplicable("the kubelet is not told to read a configuration file")
        return
    if not kubelet.config_kind_ok:
        usable = kubelet.config.usable
        why = f"{kubelet.config.path} is not a KubeletConfiguration" if usable else _file(kubelet.config)
        summary = "the kubelet's configuration file is gone or broken"
        yield Found("critical", summary, (why,), repair="kubelet_config", refs=("K01", "H20"))
    elif flags_lost(node, cluster) and kubelet.flags_env:
        summary = "the kubelet's flags (kubeadm-flags.env) are gone, which its peers have"
        yield Found("warning", summary, (_file(kubelet.flags_env),), refs=("K02", "H20"))
    else:
        yield Ok()


def flags_lost(node: Node, cluster: Cluster) -> bool:
    """Whether kubeadm-flags.env is empty or missing here, while a peer of the same version has one."""
    own = facts(node)
    if own.flags_env is None or own.flags_env.usable:
        return False
    peers = (n.kubelet for n in cluster.nodes if n.kubelet and n.name != node.name and n.kubelet.version == own.version)
    return any(p.flags_env is not None and p.flags_env.usable for p in peers)


@check("kubelet.embedded_admin_credential", needs=("kubelet",))
def embedded_admin_credential(node: Node, cluster: Cluster) -> Verdict:
    """K08b: a cluster-admin's certificate and key where only the node's own may be."""
    kubelet = facts(node)
    if not kubelet.admin_credentials:
        return Ok()
    used = kubelet.client is not None and kubelet.client.subject in {a.subject for a in kubelet.admin_credentials}
    return Found(
        "critical",
        "a cluster-admin's credential lies in the kubelet's files: whoever reads this node's disk owns the cluster",
        tuple(f"{a.path}: subject {a.subject}" for a in kubelet.admin_credentials),
        repair="kubelet_credential" if used else "kubelet_admin_credential",
        refs=("K08b",),
    )


@check("kubelet.manifest_broken", needs=("kubelet",))
def manifest_broken(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """K14, T3: static pods kubelet cannot read, and backups that it reads as well."""
    kubelet = facts(node)
    seen: dict[str, str] = {}
    found = False
    # The plain names first, so that of two files for one pod the backup is the stray.
    for pod in sorted(kubelet.pods, key=lambda p: (bool(_STRAY.search(p.path)), len(p.path), p.path)):
        name = pod.path.rpartition("/")[2]
        why = ""
        if pod.problem and not _STRAY.search(name):
            found = True
            evidence = (f"{pod.path}: {_STATES.get(pod.problem, pod.problem)}",)
            summary = f"kubelet cannot read the static pod manifest {name}, so it ends that pod"
            yield Found("critical", summary, evidence, refs=("K14", "T4"))
        elif pod.problem or _STRAY.search(name):
            why = f"a stray file lies among the static pod manifests: {name}; kubelet reads it too"
        elif pod.pod in seen:
            why = f"two static pod manifests are of the same pod {pod.pod}: {name} and {seen[pod.pod]}"
        if why:
            found = True
            yield Found("warning", why, (pod.path,), refs=("T3",))
        seen.setdefault(pod.pod, name)
    if not found:
        yield Ok()


@check("kubelet.checkpoint_broken", needs=("kubelet",))
def checkpoint_broken(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """K11: state files that stop kubelet at its start."""
    kubelet = facts(node)
    broken = [c for c in kubelet.checkpoints if c.problem]
    if not broken:
        yield Ok()
    for each in broken:
        summary = f"kubelet's state file {each.path.rpartition('/')[2]} is broken, kubelet does not start with it"
        evidence = (f"{each.path} {_STATES.get(each.problem, each.problem)}",)
        yield Found("critical", summary, evidence, repair="kubelet_checkpoint", refs=("K11",))


@check("kubelet.bootstrap_kubeconfig_missing", needs=("kubelet",))
def bootstrap_kubeconfig_missing(node: Node, cluster: Cluster) -> Verdict:
    """K04: kubelet's last words whatever is wrong with its credential: never the cause itself."""
    kubelet = facts(node)
    if kubelet.well:
        return Ok()
    if not kubelet.log_tail or _BOOTSTRAP not in kubelet.log_tail[-1]:
        return NotApplicable("kubelet's last words are other ones")
    return Found(
        "info",
        "kubelet asks for a bootstrap kubeconfig because its own credential is unusable; no such file is needed",
        kubelet.log_tail[-2:],
        refs=("K04",),
    )


@check("kubelet.down", needs=("kubelet",))
def down(node: Node, cluster: Cluster) -> Verdict:
    """Not running, or running and not well."""
    kubelet = facts(node)
    if kubelet.load == "not-found":
        return Found("critical", "there is no kubelet unit on this node", ("systemctl: kubelet.service not found",))
    if kubelet.well:
        return Ok()
    state = f"unit {kubelet.active or 'unknown'}, {kubelet.enabled or 'unknown whether enabled'}"
    summary = "the kubelet is not healthy" if kubelet.running else "the kubelet is not running"
    health = f"healthz says: {kubelet.healthz}" if kubelet.healthz else "healthz does not answer"
    return Found(
        "critical",
        summary,
        (state, health, *kubelet.log_tail[-2:]),
        repair="kubelet_start",
        settling=kubelet.running,
    )


@check("kubelet.restart_needed", needs=("kubelet",))
def restart_needed(node: Node, cluster: Cluster) -> Verdict:
    """A kubelet that still runs keeps its old files until it is started again, and these repairs stop it."""
    if not facts(node).well:
        return NotApplicable("it does not run well anyway")
    judged = (
        client_cert_expired(node, cluster),
        client_cert_empty(node, cluster),
        client_cert_untrusted(node, cluster),
        client_cert_near_expiry(node, cluster),
        kubeconfig_missing(node, cluster),
        embedded_admin_credential(node, cluster),
        config_missing(node, cluster),
        checkpoint_broken(node, cluster),
    )
    for answer in judged:
        for verdict in (answer,) if isinstance(answer, Ok | NotApplicable | CouldNotTell | Found) else answer:
            if isinstance(verdict, Found) and verdict.repair in _REPLACES:
                summary = "the kubelet must be started again once its files are in order"
                return Found("info", summary, (verdict.summary,), repair="kubelet_start")
    return Ok()
