"""What the masters' facts say together: which members are good, which are lost, and whether a quorum can be had. Pure.

What lies on disk counts more than what a service answers: a member that is only silent (expired certificate, stopped
kubelet) is not lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = [
    "Condition",
    "Quorum",
    "condition",
    "entry_of",
    "hosts_of",
    "is_first",
    "namesake",
    "not_of_cluster",
    "quorum",
    "reference",
    "stale_entries",
]

# good: data that can start. empty: no data at all. unusable: data that etcd can't or mustn't start from.
# removed: the cluster has struck it off. decoy: runs as a new, empty cluster. unknown: nobody could look. none: no etcd here.
State = Literal["good", "empty", "unusable", "removed", "decoy", "unknown", "none"]

_NOTHING = 64 * 1024  # a database that was only created has 5 pages in use (20 KiB)
_FRESH_LOG = 20  # a raft log that begins anew holds only its own configuration entries
_STALE_LOG = 120  # seconds; data written so long after the last log line is not what that line spoke of
_DECOY_REVISION = 1000  # an apiserver on an empty etcd writes some 300

_REMOVED = re.compile(r"the member has been permanently removed from the cluster")
_AHEAD = re.compile(r"tocommit\((\d+)\) is out of range \[lastIndex\((\d+)\)\]")
_UNUSABLE = re.compile(
    r"walpb: crc mismatch|failed to read WAL, cannot be repaired|wal: max entry size limit exceeded|cannot use none as id"
    r"|failed to recover v3 backend from snapshot|failed to find database snapshot file|wal: file not found"
    r"|freepages: failed to get all reachable pages|invalid freelist page|Page expected to be: \d+, but self identifies as"
    r"|page \d+ already freed|file size too small|invalid database|checkInitialHashKV failed|data inconsistency detected"
)
# Behind the same words of etcd: a full disk keeps it from mending a WAL that is only torn. That says nothing of the data.
_OUTER = re.compile(
    r"no space left on device|disk quota exceeded|read-only file system|too many open files|permission denied"
    r"|cannot allocate memory"
)
_BROKEN_DISK = re.compile(r"input/output error")
_KEPT: dict[str, State] = {"empty": "empty", "unusable": "unusable", "removed": "removed", "decoy": "decoy"}
_SERVES = re.compile(r"ready to serve client requests|serving client traffic")


@dataclass(frozen=True)
class Condition:
    """What became of one master's member."""

    node: Node
    state: State
    evidence: tuple[str, ...] = ()
    disposable: bool = False  # what lies on its disk is nothing anybody wrote


@dataclass(frozen=True)
class Quorum:
    """Counted by what lies on disk: a member that can come back is good."""

    voters: int
    good: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    gone: tuple[str, ...] = field(default_factory=tuple)

    @property
    def needed(self) -> int:
        """The majority of the voters."""
        return self.voters // 2 + 1

    @property
    def possible(self) -> bool:
        """Whether the good ones alone are a majority."""
        return len(self.good) >= self.needed


def condition(node: Node, cluster: Cluster) -> Condition:
    """The state of the member on that master."""
    facts = node.etcd
    if not node.reachable or facts is None:
        why = node.why or node.sections.get("etcd", "not asked")
        return Condition(node, "unknown", (why,))
    if not facts.here:
        return _without_manifest(node, facts, cluster)
    if facts.data_unreadable:
        return Condition(node, "unknown", (f"{facts.data_dir}: {facts.data_unreadable}",))
    if not facts.parses:
        why = "cannot be read as a Pod" if facts.manifest is not None else "names no member, data directory and peers"
        return Condition(node, "unknown", (f"{facts.source} {why}",))
    return _by_disk(node, facts, cluster)


def _without_manifest(node: Node, facts: EtcdFacts, cluster: Cluster) -> Condition:
    if any(n.etcd is not None and n.etcd.here for n in cluster.masters):
        return Condition(node, "unknown", ("there is no etcd manifest or unit here, while other masters have one",))
    return Condition(node, "none")


def _by_disk(node: Node, facts: EtcdFacts, cluster: Cluster) -> Condition:
    where = f"{facts.data_dir}/member"
    if facts.status is not None and facts.wal_files == 0:
        line = f"it answers, while {where}/wal holds nothing: its data lies elsewhere, or was deleted under it; do not stop it"
        return Condition(node, "unknown", (line,))
    if facts.held_state in _KEPT:
        # Its log and its answers ended with the hold; its data is still what was judged then.
        return Condition(node, _KEPT[facts.held_state], (facts.held_line,), disposable=facts.held_state == "empty")
    if not facts.data_there:
        return Condition(node, "empty", (f"{where} does not exist", *_listing(facts)), disposable=True)
    if facts.wal_files == 0:
        line = f"{where}/wal holds no *.wal file; {where}/snap/db: {facts.db_size} bytes, {_used(facts)} in use"
        nothing = facts.db_size == 0 or 0 <= facts.db_used <= _NOTHING
        return Condition(node, "empty" if nothing else "unusable", (line, *_listing(facts)), disposable=nothing)
    if facts.linearizable:
        return _answering(node, facts, cluster)
    return _by_log(node, facts, cluster)


def _answering(node: Node, facts: EtcdFacts, cluster: Cluster) -> Condition:
    status = facts.status
    revision = status.revision if status else 0
    if not _alone(node, cluster):
        return Condition(node, "good", (f"answers a linearizable read at revision {revision}",))
    line = f"answers as a cluster of one member at revision {revision}, while other masters hold data"
    if revision < _DECOY_REVISION and is_first(facts):
        return Condition(node, "decoy", (line,))
    return Condition(node, "unknown", (f"{line}: which of them is the cluster is for a person to say",))


def _alone(node: Node, cluster: Cluster) -> bool:
    """Whether it answers as a cluster of one although others hold data that no cluster has struck off."""
    if node.etcd is None or not node.etcd.linearizable or len(node.etcd.members) != 1:
        return False
    return any(_holds_data(n) for n in cluster.masters if n.name != node.name)


def _holds_data(node: Node) -> bool:
    facts = node.etcd
    if not node.reachable or facts is None or facts.wal_files == 0 or 0 <= facts.db_used <= _NOTHING:
        return False
    return not any(_REMOVED.search(line) for line in _lines(facts))


def _by_log(node: Node, facts: EtcdFacts, cluster: Cluster) -> Condition:
    lines = _lines(facts)
    for line in lines:
        if _REMOVED.search(line):
            return Condition(node, "removed", (_shown(line),))
        ahead = _AHEAD.search(line)
        if ahead:
            fresh = int(ahead.group(2)) <= _FRESH_LOG and 0 <= facts.db_used <= _NOTHING
            return Condition(node, "empty" if fresh else "unusable", (_shown(line),), disposable=fresh)
        if _UNUSABLE.search(line) and not _OUTER.search(line):
            state: State = "unknown" if _BROKEN_DISK.search(line) else "unusable"
            return Condition(node, state, (_shown(line),))
    return _by_list(node, facts, cluster)


def _by_list(node: Node, facts: EtcdFacts, cluster: Cluster) -> Condition:
    peer = reference(cluster, without=node.name)
    listed = peer.etcd.members if peer is not None and peer.etcd is not None else ()
    # A list of one proves nothing: an emptied first master answers so about all the others.
    if peer is not None and facts.peer_urls and len(listed) > 1 and entry_of(facts.peer_urls, listed) is None:
        line = f"the member list of {peer.name} has no entry for {', '.join(facts.peer_urls)}"
        other = namesake(facts.name, facts.client_urls, listed)
        if other is not None:  # etcd reads that flag only at its first start
            line += (
                f", but one named {other.name} at {', '.join(other.peer_urls)}: which is right is for a person to say"
            )
            return Condition(node, "unknown", (line,))
        return Condition(node, "removed", (line,))
    return Condition(node, "good", (f"{facts.wal_files} WAL files, {_used(facts)} of the database in use",))


def _lines(facts: EtcdFacts) -> tuple[str, ...]:
    """The newest log, and the one before where the newest says neither yes nor no; none that is older than the data."""
    if facts.data_mtime > facts.log_mtime + _STALE_LOG:
        return ()
    if any(_SERVES.search(line) for line in facts.log_tail):
        return tuple(reversed(facts.log_tail))
    return (*reversed(facts.log_tail), *reversed(facts.log_previous))


def _shown(line: str) -> str:
    line = line.split(',"stacktrace"', maxsplit=1)[0]  # Go's stack tells an operator nothing
    return line if len(line) <= 400 else line[:400] + "…"


def _used(facts: EtcdFacts) -> str:
    return f"{facts.db_used} bytes" if facts.db_used >= 0 else "an unknown part"


def _listing(facts: EtcdFacts) -> tuple[str, ...]:
    return tuple(_shown(line) for line in facts.log_tail if "member count is unequal" in line)[-1:]


def is_first(facts: EtcdFacts) -> bool:
    """Whether this manifest would make a new cluster of an empty directory (the init master's)."""
    return len(facts.initial_cluster) <= 1 and facts.initial_state != "existing"


def reference(cluster: Cluster, without: str = "") -> Node | None:
    """The master whose answers are believed: it reads linearizably, in the biggest cluster, at the highest revision.

    Members of one cluster are equals: the first in the inventory speaks, in every look.
    """
    best: tuple[tuple[int, int], Node] | None = None
    told: set[str] = set()  # clusters
    for node in cluster.masters:
        facts = node.etcd
        if (
            node.name == without
            or not node.reachable
            or facts is None
            or facts.status is None
            or not facts.linearizable
        ):
            continue
        if _alone(node, cluster) or facts.status.cluster_id in told:
            continue
        told.add(facts.status.cluster_id)
        rank = (len(facts.members), facts.status.revision)
        if best is None or rank > best[0]:
            best = (rank, node)
    return best[1] if best else None


def not_of_cluster(node: Node, cluster: Cluster) -> str:
    """Why this master's etcd does not speak for the cluster: it does not answer, or for another one. Empty: it does."""
    known = reference(cluster)
    if known is None or known.etcd is None or known.etcd.status is None:
        return "no member of etcd answers with a quorum"
    if node.etcd is None or node.etcd.status is None or not node.etcd.linearizable:
        return "its etcd does not answer with a quorum"
    if node.etcd.status.cluster_id != known.etcd.status.cluster_id:
        return f"its etcd is another cluster than that of {known.name}"
    return ""


def entry_of(peer_urls: Iterable[str], members: Iterable[Member]) -> Member | None:
    """The entry with one of these peer URLs (names can be empty, URLs can't)."""
    wanted = set(peer_urls)
    return next((m for m in members if wanted & set(m.peer_urls)), None)


def namesake(name: str, client_urls: Iterable[str], members: Iterable[Member]) -> Member | None:
    """The entry of that name or with one of these client URLs, whatever its peer URL."""
    wanted = set(client_urls)
    return next((m for m in members if (name and m.name == name) or wanted & set(m.client_urls)), None)


def quorum(cluster: Cluster) -> Quorum:
    """Good members against all voters: by a believable member list, else by the masters of the inventory."""
    states = [condition(n, cluster) for n in cluster.masters]
    states = [s for s in states if s.state != "none"]
    listed = reference(cluster)
    voters = len(states)
    if listed is not None and listed.etcd is not None and _is_of(listed, states):
        voters = sum(1 for m in listed.etcd.members if not m.learner) or voters
    return Quorum(
        voters=voters,
        good=tuple(s.node.name for s in states if s.state == "good"),
        unknown=tuple(s.node.name for s in states if s.state == "unknown"),
        gone=tuple(s.node.name for s in states if s.state not in ("good", "unknown")),
    )


def _is_of(node: Node, states: list[Condition]) -> bool:
    return any(s.node.name == node.name and s.state == "good" for s in states)


def hosts_of(urls: Iterable[str]) -> set[str]:
    """The host parts of URLs."""
    return {urlsplit(url).hostname or "" for url in urls}


def stale_entries(cluster: Cluster) -> tuple[Member, ...]:
    """Entries of the believable list that belong to no master of the inventory; none where a master was not seen."""
    peer = reference(cluster)
    if peer is None or peer.etcd is None:
        return ()
    own: set[str] = set()
    for node in cluster.masters:
        if not node.reachable or node.etcd is None or not node.etcd.peer_urls:
            return ()
        own |= hosts_of(node.etcd.peer_urls) | hosts_of(node.etcd.client_urls)
    return tuple(m for m in peer.etcd.members if not hosts_of(m.peer_urls) & own)
