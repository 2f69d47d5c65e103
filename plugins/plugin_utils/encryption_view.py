"""What configurations and records say together: which configuration opens everything, and whether that is proven. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    EncryptionFacts,
    EncryptionProof,
    Opened,
    Provider,
    Rule,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = [
    "NEEDED",
    "Truth",
    "covers",
    "facts_of",
    "holders",
    "meaning",
    "ranges",
    "rules_at",
    "truth",
    "unfinished",
    "unknown",
]

NEEDED = 3  # records that must open before a key counts as proven
# Where a resource does not lie under its own name.
_PLACES = {
    "endpoints": "services/endpoints",
    "services": "services/specs",
    "nodes": "minions",
    "replicationcontrollers": "controllers",
    "ingresses.networking.k8s.io": "ingress",
}
# Groups whose resources lie under their bare name; custom resources under group/resource.
_BARE = ("", "apps", "batch", "autoscaling", "policy")


@dataclass(frozen=True)
class Truth:
    """The configuration that is proven, or why none is."""

    candidate: Candidate | None = None
    why: str = ""
    mixed: bool = False  # known keys open everything, but no one configuration does


def facts_of(node: Node) -> EncryptionFacts | None:
    """What that master's apiserver is told, or None: it encrypts nothing, or was not looked at."""
    return node.apiserver.encryption if node.apiserver is not None else None


def rules_at(node: Node, cluster: Cluster) -> tuple[Rule, ...]:
    """What that master's apiserver is told, also where only the file as a whole could be read."""
    facts, proof = facts_of(node), cluster.encryption
    if facts is None or facts.rules or facts.problem or proof is None:
        return facts.rules if facts is not None else ()
    return next((c.rules for c in proof.candidates if c.host == node.name and c.current), ())


def meaning(rules: Iterable[Rule]) -> tuple[str, ...]:
    """A configuration's meaning, one line for each rule: resources, order of providers, names and fingerprints of keys."""
    return tuple(f"{' '.join(r.resources)}: {', then '.join(_told(p) for p in r.providers)}" for r in rules)


def _told(provider: Provider) -> str:
    keys = ", ".join(f"{k.name} (sha256 {k.fingerprint[:12]}…)" for k in provider.keys)
    return f"{provider.kind} {keys or provider.name}".strip()


def covers(rules: Sequence[Rule], opened: Iterable[Opened]) -> bool:
    """Whether an apiserver with these rules reads all of them: it goes by the key's name in the record as well."""
    return all(_reads(rules, each) for each in opened)


def _reads(rules: Sequence[Rule], opened: Opened) -> bool:
    wide = "*" in opened.resource
    fitting = [r for r in rules if wide or any(_includes(name, opened.resource) for name in r.resources)]
    providers = [p for rule in fitting for p in rule.providers if p.kind == opened.provider]
    if opened.provider == "identity":
        # What no rule speaks of is stored, and read, in plain text; of a wildcard nobody can tell what it covers.
        return wide or not fitting or bool(providers)
    if opened.provider == "kms":
        return any(p.name == opened.key_name for p in providers)
    return any(k.name == opened.key_name and k.fingerprint == opened.fingerprint for p in providers for k in p.keys)


def _includes(name: str, resource: str) -> bool:
    """Whether a rule's word means that resource."""
    group = resource.partition(".")[2]
    return name in (resource, "*.*", f"*.{group}")


def ranges(rules: Iterable[Rule], prefix: str) -> dict[str, tuple[str, ...]]:
    """Resource as the rules name it -> the beginnings of its records' names in etcd. prefix: of --etcd-prefix."""
    root = f"/{prefix.strip('/')}/"
    names = dict.fromkeys(name for rule in rules for name in rule.resources)
    wide = next((name for name in names if name.startswith("*")), "")
    if wide:  # all of a group, or everything: what is not encrypted is counted as plain text
        return {wide: (root,)}
    return {name: tuple(f"{root}{place}/" for place in _places(name)) for name in names}


def _places(resource: str) -> tuple[str, ...]:
    name, _, group = resource.partition(".")
    if resource in _PLACES:
        return (_PLACES[resource],)
    if group in _BARE:
        return (name,)
    # Of these groups some are built in and some are custom resources.
    return (name, f"{group}/{name}") if group.endswith(".k8s.io") else (f"{group}/{name}",)


def unfinished(proof: EncryptionProof | None) -> bool:
    """Whether an earlier run has begun to rewrite records under one key, and an API server still has the keys for that."""
    return proof is not None and any(c.union and c.current for c in proof.candidates)


def truth(cluster: Cluster) -> Truth:
    """What the records prove."""
    proof = cluster.encryption
    if proof is None:
        return Truth(why="the records in etcd were not looked at")
    if proof.why:
        return Truth(why=f"the records in etcd could not be looked at: {proof.why}")
    if unfinished(proof):
        return Truth(
            why="records in etcd are being rewritten under one key, and an earlier run did not finish that", mixed=True
        )
    opened = sum(each.count for each in proof.opened)
    if opened < NEEDED:
        return Truth(why=f"{opened} records in etcd open with a known key, and {NEEDED} are needed to prove one")
    dark = unknown(proof)
    if dark and proof.closed_count:
        return Truth(why=f"{proof.closed_count} records open with no key that was read, and not all were: {dark}")
    good = [c for c in proof.candidates if c.rules and not c.union and covers(c.rules, (*proof.opened, *proof.others))]
    for group in ([c for c in good if c.current], [c for c in good if not c.current]):
        meanings = {meaning(c.rules): c for c in group}
        if len(meanings) == 1:
            return Truth(group[0])
        if meanings:
            named = ", ".join(f"{c.host}:{c.path}" for c in meanings.values())
            return Truth(
                why=f"the configurations {named} differ and all open every record: which one is meant nobody can tell"
            )
    if dark:
        return Truth(why=f"no configuration that was read opens all records, and not all were: {dark}")
    return Truth(
        why="records in etcd were written with several keys, and no configuration holds all of them", mixed=True
    )


def unknown(proof: EncryptionProof) -> str:
    """Which masters' configurations were not read, or not understood, and may hold a key that nobody knows of."""
    odd = [f"{c.host}: {c.path} is not understood" for c in proof.candidates if c.current and c.problem]
    return "; ".join([*proof.unread, *odd])


def holders(proof: EncryptionProof, fingerprint: str) -> tuple[str, ...]:
    """Where a key is known: host:path of every configuration with it."""
    return tuple(
        f"{c.host}:{c.path}"
        for c in proof.candidates
        if any(k.fingerprint == fingerprint for r in c.rules for p in r.providers for k in p.keys)
    )
