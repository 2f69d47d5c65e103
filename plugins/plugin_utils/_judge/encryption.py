"""Checks of encryption at rest: what each master's apiserver is told to read, and what the records in etcd say to it."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import EncryptionProof
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_view import (
    facts_of,
    holders,
    meaning,
    rules_at,
    truth,
    unfinished,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__: list[str] = []

_SYNC = "encryption_config_sync"
_CONSENT = "apiserver.encryption_mixed_keys"
_SHOWN = 10
_WAVER = 2  # seconds; the kernel's time of boot, by which processes are dated, wavers


@check("apiserver.encryption_config_missing", on="masters", needs=("apiserver",))
def missing(node: Node, cluster: Cluster) -> Verdict:
    """The apiserver is told to read a file that is not there: it does not start again."""
    facts = facts_of(node)
    if facts is None:
        return NotApplicable("its API server encrypts nothing")
    if facts.file is None:
        return CouldNotTell(f"no hostPath of its manifest holds {facts.path}")
    if facts.file.state not in ("missing", "dangling"):
        return Ok()
    summary = f"{facts.file.path} is {facts.file.state}: kube-apiserver does not start again without it"
    return Found("critical", summary, (f"--encryption-provider-config={facts.path}",), _SYNC, refs=("A03",))


@check("apiserver.encryption_config_invalid", on="masters", needs=("apiserver",))
def invalid(node: Node, cluster: Cluster) -> Verdict | list[Verdict]:
    """The file is there, and no apiserver would take it."""
    facts = facts_of(node)
    if facts is None or facts.file is None:
        return NotApplicable("there is no such file")
    if facts.file.state in ("missing", "dangling"):
        return NotApplicable("it is not there at all")
    if facts.withheld and not rules_at(node, cluster):
        return CouldNotTell(facts.withheld)
    why = facts.problem or ("" if facts.file.state == "ok" else f"it is {facts.file.state}")
    if not why:
        return [_two_of_one_name(node, cluster), _nothing_of(node, cluster)]
    summary = f"{facts.file.path} is no configuration that kube-apiserver would take: {why}"
    evidence = f"{facts.file.size} bytes, mode {facts.file.mode}"
    return Found("critical", summary, (evidence,), _SYNC, refs=("A03",))


def _nothing_of(node: Node, cluster: Cluster) -> Verdict:
    """A misspelt resource is silently ignored by an API server, and its objects are stored in plain text."""
    proof = cluster.encryption
    if proof is None or proof.why:
        return Ok()
    named = [name for rule in rules_at(node, cluster) for name in rule.resources if "*" not in name]
    none = [name for name in named if name not in proof.seen]
    if not none:
        return Ok()
    summary = f"etcd holds nothing of {', '.join(none)}, which is to be encrypted: is it the resource's right name, with its group?"
    return Found("info", summary, (f"etcd of {proof.read_at} was asked for {', '.join(none)}",), refs=("A03",))


def _two_of_one_name(node: Node, cluster: Cluster) -> Verdict:
    """An API server takes that, and tries both; but a record only says the name of its key. A rewrite of ours makes it so."""
    facts, proof = facts_of(node), cluster.encryption
    if (
        facts is None
        or facts.file is None
        or any(c.union and c.host == node.name for c in (proof.candidates if proof else ()))
    ):
        return Ok()
    for rule in rules_at(node, cluster):
        names = [f"{p.kind} key {k.name}" for p in rule.providers for k in p.keys]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            summary = f"{facts.file.path} has two keys of one name, and a record says only the name: {', '.join(twice)}"
            return Found("warning", summary, (f"{' '.join(rule.resources)}: {', '.join(names)}",), refs=("A03",))
    return Ok()


@check("apiserver.encryption_config_exposed", on="masters", needs=("apiserver",))
def exposed(node: Node, cluster: Cluster) -> Verdict:
    """The file with the keys may be read by others than root."""
    facts = facts_of(node)
    if facts is None or facts.file is None or not facts.file.mode:
        return NotApplicable("there is no such file")
    if not int(facts.file.mode, 8) & 0o077 and facts.file.owner.split(":")[0] == "root":
        return Ok()
    told = f"mode {facts.file.mode}, owner {facts.file.owner}"
    return Found("warning", f"{facts.file.path} holds encryption keys and is not root's alone: {told}")


@check("apiserver.encryption_key_differs", on="masters", needs=("apiserver",))
def differs(node: Node, cluster: Cluster) -> Verdict:
    """By meaning, not by bytes: resources, order of providers, names and fingerprints of keys."""
    told = {m.name: facts_of(m) for m in cluster.masters if m.apiserver is not None and m.apiserver.present}
    if all(f is None for f in told.values()):
        return NotApplicable("no API server encrypts anything")
    if unfinished(cluster.encryption):
        return NotApplicable("an unfinished rewrite is what makes it differ")
    readable = {n: rules for n, f in told.items() if (rules := rules_at(cluster.node(n), cluster)) or f is None}
    if node.name not in readable:
        return NotApplicable("its configuration could not be read")
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, rules in readable.items():
        groups.setdefault(meaning(rules), []).append(name)
    own, found = meaning(readable[node.name]), truth(cluster)
    evidence = tuple(f"{', '.join(names)}: {'; '.join(lines) or 'no encryption'}" for lines, names in groups.items())
    if found.candidate is not None:
        if own == meaning(found.candidate.rules):
            return Ok()
        where = f"{found.candidate.path} of {found.candidate.host}"
        summary = f"{node.name}'s encryption configuration is not the one that opens the records in etcd: {where} does"
        return Found("critical", summary, (*evidence, *_counted(cluster.encryption)), _SYNC, refs=("A01",))
    most = max(groups, key=lambda g: len(groups[g]))
    if own == most:
        return Ok() if cluster.encryption is not None and not cluster.encryption.why else CouldNotTell(found.why)
    summary = f"{node.name}'s encryption configuration is not that of {', '.join(groups[most])}"
    if found.mixed:
        return Found("critical", summary, evidence, refs=("A01",))
    return Found("critical", f"{summary}; {found.why}", evidence, _SYNC, refs=("A01",))


@check("apiserver.encryption_config_not_loaded", on="masters", needs=("apiserver",))
def not_loaded(node: Node, cluster: Cluster) -> Verdict:
    """The file was written after the process began, and it does not read it again by itself."""
    facts = facts_of(node)
    if facts is None or facts.file is None or facts.file.state != "ok" or facts.problem or not _api_started(node):
        return NotApplicable("no API server runs that has read a configuration")
    if unfinished(cluster.encryption):
        return NotApplicable("an unfinished rewrite restarts it")
    if facts.reloads or facts.file.mtime <= _api_started(node) + _WAVER:
        return Ok()
    late = facts.file.mtime - _api_started(node)
    summary = (
        f"kube-apiserver of {node.name} still works with what stood in {facts.file.path} before it was last written"
    )
    return Found("warning", summary, (f"written {late} s after the process began",), _SYNC, refs=("A01",))


def _api_started(node: Node) -> int:
    return node.apiserver.started if node.apiserver is not None else 0


@check("apiserver.encryption_mixed_keys", on="masters", needs=("apiserver",))
def mixed(node: Node, cluster: Cluster) -> Verdict:
    """Masters wrote with several keys, and no one configuration opens everything. Said once, of the first master."""
    proof = cluster.encryption
    if proof is None or node.name != _speaker(cluster):
        return NotApplicable("said of the first master that is reached, where anything is encrypted")
    if proof.why:
        return CouldNotTell(f"the records in etcd could not be looked at: {proof.why}")
    found = truth(cluster)
    if not found.mixed:
        return Ok()
    return Found("critical", found.why, _counted(proof), "encryption_rewrite", _CONSENT, ("A02",))


@check("apiserver.encryption_records_unreadable", on="masters", needs=("apiserver",))
def unreadable(node: Node, cluster: Cluster) -> Verdict:
    """Records that no key known on any master opens: named, never touched. Said once, of the first master."""
    proof = cluster.encryption
    if proof is None or node.name != _speaker(cluster):
        return NotApplicable("said of the first master that is reached, where anything is encrypted")
    if proof.why:
        return CouldNotTell(f"the records in etcd could not be looked at: {proof.why}")
    bad = proof.closed_count + proof.odd_count
    if not bad:
        return Ok()
    named = [*proof.closed, *(f"{name} (unknown format, or cut off)" for name in proof.odd)][:_SHOWN]
    more = (f"and {bad - len(named)} more",) if bad > len(named) else ()
    summary = (
        f"{bad} records in etcd open with no key known on any master; an older key may be in a backup of a master or in a "
        "copy of its configuration elsewhere: put that copy beside the configuration and look again"
    )
    return Found("critical", summary, (*named, *more, *proof.unread), refs=("A02",))


def _speaker(cluster: Cluster) -> str:
    return next((m.name for m in cluster.masters if m.reachable and m.apiserver is not None), "")


def _counted(proof: EncryptionProof | None) -> tuple[str, ...]:
    """How many records each key opens, and where it is known."""
    if proof is None:
        return ()
    lines = [
        f"{o.provider} {o.key_name} (sha256 {o.fingerprint[:12]}…) opens {o.count} records of {o.resource}; known in "
        f"{', '.join(holders(proof, o.fingerprint))}"
        for o in proof.opened
    ]
    return (*lines, *(f"kms {line}, not judged" for line in proof.kms))
