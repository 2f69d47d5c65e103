"""Facts of layer etcd: the manifest, the data on disk, the process, and what the member itself answers."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = ["EtcdFacts", "Member", "Status", "parse"]


@dataclass(frozen=True)
class Member:
    """A member as a peer lists it (the list proves nothing about its health)."""

    id: str  # decimal, as the JSON gateway writes it
    name: str  # empty: added and never started
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    learner: bool = False


@dataclass(frozen=True)
class Status:
    """What the local member says of itself."""

    member_id: str
    cluster_id: str
    revision: int
    raft_term: int
    raft_index: int
    applied_index: int
    leader: str  # member ID, empty: none
    version: str = ""
    db_size: int = 0
    learner: bool = False
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class EtcdFacts:
    """A stacked etcd member of this node."""

    present: bool  # a manifest (or unit) for etcd is here, or was put aside by this project
    manifest: FileFact | None = None  # with content (it holds no secret)
    manifest_held: str = ""  # where a run put the manifest aside, or empty
    parses: bool = False  # the manifest is YAML of kind Pod
    name: str = ""  # --name
    data_dir: str = ""
    peer_urls: tuple[str, ...] = ()  # --initial-advertise-peer-urls
    client_urls: tuple[str, ...] = ()  # --advertise-client-urls
    initial_cluster: tuple[str, ...] = ()  # entries name=url
    initial_state: str = ""  # existing | new | "" (absent)
    cert_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    data_there: bool = False  # <data_dir>/member exists
    wal_files: int = 0
    db_size: int = 0  # bytes of member/snap/db; 0: missing
    data_mtime: int = 0  # newest of db and wal, epoch seconds
    listening: bool = False  # something answers on the client port
    status: Status | None = None  # None: no answer, or not understood
    members: tuple[Member, ...] = ()  # by this member's list
    linearizable: bool | None = None  # a linearizable read through this member worked; None: not asked
    objects: int | None = None  # keys under /registry, None: not told
    log_tail: tuple[str, ...] = ()  # last lines of the newest container log
    asked_with: str = ""  # curl | "" (no tool: could not tell)


def parse(section: Section) -> EtcdFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
