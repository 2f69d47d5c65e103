"""Checks of layer etcd: members judged by what lies on disk first, by what they answer second."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_view as view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
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

_REPLACE = "etcd_member_replace"


def _facts(node: Node) -> EtcdFacts:
    if node.etcd is None:
        raise ValueError("asked without facts")
    return node.etcd


@check("etcd.manifest_broken", on="masters", needs=("etcd",))
def manifest_broken(node: Node, cluster: Cluster) -> Verdict:
    """The static pod's manifest must be a Pod that names a data directory, itself and its peers."""
    facts = _facts(node)
    if facts.unit:
        return NotApplicable(f"etcd is no static pod here, but the unit {facts.unit}")
    if facts.manifest is None:
        others = [n.name for n in cluster.masters if n.etcd is not None and n.etcd.here]
        if not others:
            return NotApplicable("etcd does not run on this node")
        summary = f"{node.name} has no etcd manifest in {facts.manifests_dir or 'its manifests directory'}"
        return Found("critical", summary, (f"masters that have one: {', '.join(others)}",))
    path = facts.manifest.path
    if not facts.manifest.usable:
        return Found(
            "critical",
            f"{path} is {facts.manifest.state}, so etcd cannot be started",
            (f"{path}: {facts.manifest.size} bytes",),
        )
    if not facts.parses:
        return Found("critical", f"{path} is no Pod that can be read, so etcd cannot be started", (path,))
    missing = [
        flag for flag, value in (("--name", facts.name), ("--initial-cluster", facts.initial_cluster)) if not value
    ]
    if missing:
        return Found("warning", f"{path} lacks {' and '.join(missing)}", (path,))
    return Ok()


@check("etcd.member_data_lost", on="masters", needs=("etcd",))
def member_data(node: Node, cluster: Cluster) -> Verdict:
    """Data that is gone, unusable, struck off, or that of another, empty cluster."""
    facts = _facts(node)
    seen = view.condition(node, cluster)
    if seen.state == "none":
        return NotApplicable("etcd does not run on this node")
    if seen.state == "unknown":
        return CouldNotTell("; ".join(seen.evidence))
    if seen.state == "good":
        return Ok()
    first = view.is_first(facts)
    if seen.state == "decoy":
        return _found(
            "etcd.data_dir_empty", f"etcd on {node.name} runs as a new, empty cluster beside the real one", seen, first
        )
    if seen.state == "removed":
        return _found("etcd.member_removed", f"the cluster has removed {node.name}'s etcd member", seen, first)
    if seen.state == "unusable":
        return _found("etcd.member_data_lost", f"{node.name}'s etcd data is there but cannot be used", seen, first)
    if first:
        source = "unit" if facts.unit else "manifest"
        text = f"{node.name}'s etcd data directory is empty, and its {source} would start a new, empty cluster"
        return _found("etcd.data_dir_empty", text, seen, first)
    return _found("etcd.member_data_lost", f"{node.name} has lost the data of its etcd member", seen, first)


def _found(code: str, summary: str, seen: view.Condition, first: bool) -> Found:
    facts = _facts(seen.node)
    manifest = (
        f"--initial-cluster={','.join(facts.initial_cluster)} --initial-cluster-state={facts.initial_state or '(absent)'}",
    )
    # Nothing that anybody wrote can get lost with an empty directory, nor with a member the cluster has struck off.
    consent = "" if seen.disposable or seen.state == "removed" else code
    refs = {"etcd.data_dir_empty": ("T1", "E01", "H04"), "etcd.member_removed": ("E10",)}.get(code, ("E02",))
    return Found("critical", summary, seen.evidence + (manifest if first else ()), _REPLACE, consent, refs, code=code)


@check("etcd.start_unsafe", on="masters", needs=("etcd",))
def start_unsafe(node: Node, cluster: Cluster) -> Verdict:
    """A kubelet that starts must not start etcd on such a directory before the member is replaced."""
    facts = _facts(node)
    seen = view.condition(node, cluster)
    if seen.state not in ("empty", "unusable", "removed", "decoy"):
        return NotApplicable("its etcd may be started")
    if facts.manifest_held and (facts.apiserver_held or not (facts.apiserver_manifest or facts.apiserver_unit)):
        return NotApplicable("both are already kept from starting")
    api = f"unit {facts.apiserver_unit}" if facts.apiserver_unit else facts.apiserver_manifest
    who = "systemd" if facts.unit else "kubelet"
    evidence = tuple(path for path in (facts.source, api) if path)
    summary = f"{who} on {node.name} would start etcd, and an apiserver on it, before the member is replaced"
    return Found("warning", summary, evidence, repair="etcd_hold", refs=("T1", "4e"))


@check("etcd.replacement_unfinished", on="masters", needs=("etcd",))
def replacement_unfinished(node: Node, cluster: Cluster) -> Verdict:
    """Manifests that an earlier run put aside and did not bring back."""
    facts = _facts(node)
    held = tuple(path for path in (facts.manifest_held, facts.apiserver_held) if path)
    if not held:
        return Ok()
    summary = f"a replacement of {node.name}'s etcd member was begun and is not finished"
    evidence = (*held, *((f"new member {facts.readd}",) if facts.readd else ()))
    kind = "etcd_release" if view.condition(node, cluster).state == "good" and not facts.readd else _REPLACE
    return Found("critical", summary, evidence, repair=kind, refs=("4e",))


@check("etcd.member_unreachable", on="masters", needs=("etcd",))
def member_unreachable(node: Node, cluster: Cluster) -> Verdict:
    """Data is fine, and the member does not answer: nearly always a consequence of something else."""
    facts = _facts(node)
    seen = view.condition(node, cluster)
    if seen.state != "good":
        return NotApplicable("nothing that could answer is there")
    if not facts.asked_with:
        return CouldNotTell("there is no curl on this node to ask the member with")
    if facts.linearizable:
        return Ok()
    evidence = tuple(line for line in (f"{facts.endpoint}: {facts.ask_error}", *seen.evidence) if line)
    if facts.status is not None:
        errors = ", ".join(facts.status.errors)
        summary = f"etcd on {node.name} runs and cannot read with a quorum"
        return Found("critical", summary, (*evidence, errors) if errors else evidence, settling=True)
    summary = f"etcd on {node.name} does not answer, though its data is there"
    return Found("critical", summary, evidence, settling=True)


@check("etcd.quorum_lost", on="masters", needs=("etcd",))
def quorum_lost(node: Node, cluster: Cluster) -> Verdict:
    """Fewer members can come back than the majority; told once, by the master that holds the most."""
    count = view.quorum(cluster)
    if count.voters == 0:
        return NotApplicable("etcd does not run on the masters")
    if count.possible or view.reference(cluster) is not None:
        return Ok()  # a linearizable read is the proof of a quorum, whoever could not be looked at
    if not count.good and len(count.unknown) == count.voters:
        return CouldNotTell("no member's data could be looked at")
    if node.name != _speaker(cluster):
        return NotApplicable("told by another master")
    if not count.gone:
        return CouldNotTell(
            f"{len(count.good)} of {count.voters} members are known to be good, {', '.join(count.unknown)} unknown"
        )
    summary = f"{len(count.good)} of {count.voters} etcd members can come back; {count.needed} are needed for a quorum"
    evidence = tuple(_survivor(cluster.node(n)) for n in count.good)
    evidence += tuple(
        f"{n}: {'; '.join(view.condition(cluster.node(n), cluster).evidence)}" for n in (*count.gone, *count.unknown)
    )
    return Found("critical", summary, evidence, repair="etcd_quorum_restore", refs=("E12",))


def _speaker(cluster: Cluster) -> str:
    masters = [n for n in cluster.masters if n.reachable and n.etcd is not None]
    return max(masters, key=lambda n: (view.condition(n, cluster).state == "good", *_rank(_facts(n)))).name


def _rank(facts: EtcdFacts) -> tuple[int, int]:
    return (facts.status.revision if facts.status else 0, facts.db_used)


def _survivor(node: Node) -> str:
    facts = _facts(node)
    known = f"revision {facts.status.revision}, raft index {facts.status.raft_index}" if facts.status else "not running"
    return f"{node.name}: good ({known}; {facts.db_used} bytes in use, {facts.wal_files} WAL files)"


@check("etcd.members_disagree", on="masters", needs=("etcd",))
def members_disagree(node: Node, cluster: Cluster) -> Verdict:
    """All members that answer must be of one cluster."""
    facts = _facts(node)
    if facts.status is None:
        return NotApplicable("this member does not answer")
    answers = {
        n.name: n.etcd for n in cluster.masters if n.reachable and n.etcd is not None and n.etcd.status is not None
    }
    ids = {name: other.status.cluster_id for name, other in answers.items() if other.status is not None}
    if len(set(ids.values())) <= 1:
        return Ok()
    if node.name != next(iter(ids)):
        return NotApplicable("told by another master")
    evidence = tuple(f"{name}: cluster {each}, {_survivor(cluster.node(name))}" for name, each in ids.items())
    return Found("critical", "the masters' etcd members belong to different clusters", evidence, refs=("E13",))


@check("etcd.member_stale_entry", on="masters", needs=("etcd",))
def member_stale_entry(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """Entries of the list that no master of the inventory stands behind."""
    peer = view.reference(cluster)
    if peer is None or peer.name != node.name:
        yield NotApplicable("told by the master whose list is believed")
        return
    entries = view.stale_entries(cluster)
    if not entries:
        yield Ok()
    for entry in entries:
        urls = ", ".join(entry.peer_urls)
        summary = f"etcd's member list has an entry that no master of the inventory has: {entry.name or '(no name)'} at {urls}"
        evidence = (f"member {entry.id}, {'learner' if entry.learner else 'voter: it counts in the quorum'}",)
        code = "etcd.member_stale_entry"
        yield Found("warning", summary, evidence, "etcd_stale_remove", code, ("E12", "E17"))


@check("etcd.learner_stuck", on="masters", needs=("etcd",))
def learner_stuck(node: Node, cluster: Cluster) -> Verdict:
    """A learner that runs and was never promoted: it does not count for the quorum."""
    facts = _facts(node)
    peer = view.reference(cluster)
    if peer is None:
        return CouldNotTell("no member answers with a quorum")
    if facts.readd or facts.manifest_held:
        return NotApplicable("a replacement is under way")
    entry = view.entry_of(facts.peer_urls, _facts(peer).members)
    if entry is None or not entry.learner:
        return Ok()
    state = "started" if entry.name else "never started"
    evidence = (f"member {entry.id} ({state}) is a learner in the list of {peer.name}",)
    kind = "etcd_learner_promote" if facts.status is not None and facts.status.member_id == entry.id else ""
    return Found("warning", f"{node.name}'s etcd member is a learner: it has no vote", evidence, kind, refs=("E17",))
