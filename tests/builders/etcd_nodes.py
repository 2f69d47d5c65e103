"""Masters with etcd members as the facts show them, for the tests of their judging."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts, Member, Status
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import Disk
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node, Refusal, Step
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
MANIFESTS = "/etc/kubernetes/manifests"
HELD = "/etc/kubernetes/kuberevive-held"
ROOT = Disk("/", "/dev/vda1", "ext4", 10**11, 10**11, 0, 0, False)
REMOVED = '{"level":"error","msg":"server error","error":"the member has been permanently removed from the cluster"}'


def url(number: int) -> str:
    return f"https://10.77.0.1{number}:2380"


def members(count: int = 3) -> tuple[Member, ...]:
    return tuple(Member(str(i), f"m{i}", (url(i),), (url(i).replace("2380", "2379"),)) for i in range(1, count + 1))


def status(number: int, revision: int = 6000, **more: Any) -> Status:
    return Status(str(number), "77", revision, 4, 9000, 9000, "1", "3.6.16", **more)


def facts(number: int, **more: Any) -> EtcdFacts:
    """A healthy member as kubeadm sets it up: m1 made the cluster, the others joined."""
    basis = EtcdFacts(
        present=True,
        manifest=FileFact(f"{MANIFESTS}/etcd.yaml", "ok", 2400),
        parses=True,
        name=f"m{number}",
        data_dir="/var/lib/etcd",
        peer_urls=(url(number),),
        client_urls=(f"https://10.77.0.1{number}:2379",),
        initial_cluster=tuple(f"m{i}={url(i)}" for i in range(1, number + 1)),
        initial_state="" if number == 1 else "existing",
        data_there=True,
        wal_files=1,
        db_size=16801792,
        db_used=4_000_000,
        data_mtime=1000,
        log_mtime=1000,
        listening=True,
        status=status(number),
        members=members(),
        linearizable=True,
        asked_with="curl",
        endpoint="https://127.0.0.1:2379",
        held_dir=HELD,
        manifests_dir=MANIFESTS,
        apiserver_manifest=f"{MANIFESTS}/kube-apiserver.yaml",
    )
    return replace(basis, **more)


SILENT: dict[str, Any] = {
    "status": None,
    "members": (),
    "linearizable": None,
    "listening": False,
    "ask_error": "curl: (7)",
}
EMPTY: dict[str, Any] = {**SILENT, "data_there": False, "wal_files": 0, "db_size": 0, "db_used": -1}
STARTED_IN_VAIN: dict[str, Any] = {**SILENT, "wal_files": 0, "db_used": 20480}


def cluster(*each: EtcdFacts | Node, allow: tuple[str, ...] = ()) -> Cluster:
    nodes = tuple(
        e if isinstance(e, Node) else Node(f"m{i}", ("masters",), NOW, sections={"etcd": "ok"}, etcd=e)
        for i, e in enumerate(each, 1)
    )
    return Cluster(nodes, NOW, frozenset(allow))


def decide(subject: Cluster) -> tuple[tuple[Finding, ...], tuple[Step, ...], tuple[Refusal, ...]]:
    findings, _ = _judge.judge(subject, ("etcd",))
    steps, refusals = plan(subject, findings)
    return findings, steps, refusals


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [f.id for f in findings]


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [s.id for s in steps]
