"""Checks of encryption at rest: what each master's apiserver is told to read, and whether all are told the same."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import EncryptionFacts, Provider
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__: list[str] = []


def _facts(node: Node) -> EncryptionFacts | None:
    return node.apiserver.encryption if node.apiserver is not None else None


@check("apiserver.encryption_config_missing", on="masters", needs=("apiserver",))
def missing(node: Node, cluster: Cluster) -> Verdict:
    """The apiserver is told to read a file that is not there: it does not start again."""
    facts = _facts(node)
    if facts is None:
        return NotApplicable("its API server encrypts nothing")
    if facts.file is None:
        return CouldNotTell(f"no hostPath of its manifest holds {facts.path}")
    if facts.file.state not in ("missing", "dangling"):
        return Ok()
    summary = f"{facts.file.path} is {facts.file.state}: kube-apiserver does not start again without it"
    return Found("critical", summary, (f"--encryption-provider-config={facts.path}",), refs=("A03",))


@check("apiserver.encryption_config_invalid", on="masters", needs=("apiserver",))
def invalid(node: Node, cluster: Cluster) -> Verdict:
    """The file is there, and no apiserver would take it."""
    facts = _facts(node)
    if facts is None or facts.file is None:
        return NotApplicable("there is no such file")
    if facts.withheld:
        return CouldNotTell(facts.withheld)
    if facts.file.state in ("missing", "dangling"):
        return NotApplicable("it is not there at all")
    why = facts.problem or ("" if facts.file.state == "ok" else f"it is {facts.file.state}")
    if not why:
        return Ok()
    summary = f"{facts.file.path} is no configuration that kube-apiserver would take: {why}"
    return Found("critical", summary, (f"{facts.file.size} bytes, mode {facts.file.mode}",), refs=("A03",))


@check("apiserver.encryption_key_differs", on="masters", needs=("apiserver",))
def differs(node: Node, cluster: Cluster) -> Verdict:
    """By meaning, not by bytes: resources, order of providers, names and fingerprints of keys."""
    told = {m.name: _facts(m) for m in cluster.masters if m.apiserver is not None and m.apiserver.present}
    readable = {name: f for name, f in told.items() if f is None or f.rules}
    if all(f is None for f in told.values()):
        return NotApplicable("no API server encrypts anything")
    if node.name not in readable:
        return NotApplicable("its configuration could not be read")
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, facts in readable.items():
        groups.setdefault(_meaning(facts), []).append(name)
    if len(groups) == 1:
        return Ok()
    own = _meaning(readable[node.name])
    most = max(groups, key=lambda g: len(groups[g]))
    if own == most:
        return Ok()
    evidence = tuple(f"{', '.join(names)}: {'; '.join(lines) or 'no encryption'}" for lines, names in groups.items())
    summary = f"{node.name}'s encryption configuration is not that of {', '.join(groups[most])}"
    why = "which key is right only the records in etcd can tell, so nothing is copied"
    return Found("critical", f"{summary}; {why}", evidence, refs=("A01",))


def _meaning(facts: EncryptionFacts | None) -> tuple[str, ...]:
    if facts is None:
        return ()
    return tuple(f"{' '.join(r.resources)}: {', then '.join(_told(p) for p in r.providers)}" for r in facts.rules)


def _told(provider: Provider) -> str:
    keys = ", ".join(f"{k.name} (sha256 {k.fingerprint[:12]}…)" for k in provider.keys)
    return f"{provider.kind} {keys or provider.name}".strip()
