"""Repairs of layer etcd: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_view as view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import HOLD
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__ = ["peer_args"]

_LOST = ("empty", "unusable", "removed", "decoy")


def _facts(node: Node) -> EtcdFacts:
    return node.etcd if node.etcd is not None else EtcdFacts(present=False)


def _why(node: Node, cluster: Cluster) -> dict[str, Any]:
    """What a hold notes beside the manifest: the log and the answers that it was judged by end with it."""
    seen = view.condition(node, cluster)
    return {"why": f"{seen.state} {' '.join(seen.evidence).strip()[:500]}"} if seen.state in _LOST else {"why": ""}


def _own(facts: EtcdFacts) -> dict[str, Any]:
    """What the sh on the member's own node has to know."""
    manifest = facts.manifest.path if facts.manifest else ""
    return {
        "name": facts.name,
        "data_dir": facts.data_dir,
        "peer_urls": list(facts.peer_urls),
        "client_urls": list(facts.client_urls),
        "manifest": _home(manifest, facts),
        "apiserver_manifest": _home(facts.apiserver_manifest, facts),
        "held_dir": facts.held_dir,
        "endpoint": facts.endpoint,
        "ca": facts.ca_file,
        "cert": facts.cert_file,
        "key": facts.key_file,
        "wal_files": facts.wal_files,
        "readd": facts.readd,
        "unit": facts.unit,
        "told": facts.told_by[0] if facts.told_by else "",
        "apiserver_unit": facts.apiserver_unit,
    }


def _home(path: str, facts: EtcdFacts) -> str:
    """Where a manifest belongs, wherever it lies now."""
    return f"{facts.manifests_dir}/{path.rpartition('/')[2]}" if path else ""


def peer_args(peer: Node) -> dict[str, Any]:
    """How a step asks etcd by way of that master."""
    facts = _facts(peer)
    return {
        "peer": peer.name,
        "peer_endpoint": facts.endpoint,
        "peer_ca": facts.ca_file,
        "peer_cert": facts.cert_file,
        "peer_key": facts.key_file,
        "peer_data_dir": facts.data_dir,
    }


def _peer(node: Node, cluster: Cluster) -> Node | None:
    """A member to work through: one that reads with a quorum, else the good one with the most data."""
    known = view.reference(cluster, without=node.name)
    if known is not None:
        return known
    good = [n for n in cluster.masters if n.name != node.name and view.condition(n, cluster).state == "good"]
    return max(good, key=lambda n: (_facts(n).status is not None, _facts(n).db_used), default=None)


def _unmounted(node: Node, directory: str) -> str:
    """The mount of fstab that is missing and that the directory belongs on."""
    for entry in node.host.missing_mounts if node.host is not None else ():
        mount = entry.split()[0] if entry.split() else ""
        if mount and mount != "/" and (directory + "/").startswith(mount.rstrip("/") + "/"):
            return mount
    return ""


def _plan_replace(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = _facts(node)
    mount = _unmounted(node, facts.data_dir)
    if mount:
        return Refused(
            f"{mount} stands in /etc/fstab and is not mounted, so etcd's data may well be there: mount it first"
        )
    if not facts.parses or not facts.data_dir or not facts.peer_urls or not facts.name:
        return Refused(f"{facts.source} does not name the member, its data directory and its peer URL")
    if not facts.rejoinable and facts.unit:
        where = ", ".join(facts.told_by) or "no file of the unit"
        return Refused(
            f"how it joins must stand in one file of {facts.source} to be changed safely; it stands in {where}"
        )
    if not facts.rejoinable:
        return Refused(
            "its manifest has no line '- --initial-cluster=…' of its own, so it cannot be changed safely: write one"
        )
    if facts.data_unreadable:
        return Refused(f"{facts.data_dir} cannot be looked at: {facts.data_unreadable}")
    count = view.quorum(cluster)
    others = tuple(name for name in count.good if name != node.name)
    if count.voters <= 1 and not others:
        return Refused("it is the only member, so there is nothing to take its data from but a snapshot: restore one")
    # Who could not be looked at may well vote: where one reads with a quorum, the gate asks every voter itself.
    if len(others) < count.needed and view.reference(cluster, without=node.name) is None:
        known = f"{len(others)} good of {count.voters} ({', '.join(others) or 'none'})"
        return Refused(f"the other members are no quorum: {known}, {count.needed} are needed")
    peer = _peer(node, cluster)
    if peer is None:
        return Refused("no other member with data can be reached")
    others_lost = [n.name for n in cluster.masters if n.name != node.name and view.condition(n, cluster).state in _LOST]
    title = f"replace the etcd member of {node.name} by way of {peer.name}"
    args = {**_own(facts), **_why(node, cluster), **peer_args(peer), "lost": [node.name, *others_lost]}
    if view.condition(node, cluster).state in _LOST:
        args["readd"] = (
            ""  # a member that has lost its data since it was re-added is re-added once more, under a new ID
        )
    return Planned(title, args)


def _plan_hold(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = _facts(node)
    if not facts.parses or not facts.held_dir:
        return Refused(f"{facts.source} cannot be read")
    # A joined member only fails to start on an empty directory; a first one makes a new cluster of it.
    dangerous = view.is_first(facts) and view.condition(node, cluster).state in ("empty", "decoy")
    if not dangerous:
        ahead = _plan_replace(node, cluster, findings)
        if isinstance(ahead, Refused):
            return Refused(f"the member would not be replaced: {ahead.reason}")
        if _needs_consent(node, cluster):
            return Refused("the member would not be replaced without consent")
    if facts.unit:
        title = f"keep etcd and kube-apiserver of {node.name} from starting until its member is replaced"
    else:
        title = f"put aside the etcd and apiserver manifests of {node.name} until its member is replaced"
    return Planned(title, {**_own(facts), **_why(node, cluster)})


def _needs_consent(node: Node, cluster: Cluster) -> bool:
    seen = view.condition(node, cluster)
    if seen.disposable or seen.state == "removed":
        return False
    code = "etcd.data_dir_empty" if seen.state == "decoy" else "etcd.member_data_lost"
    return code not in cluster.allow


def _held(node: Node, args: Mapping[str, Any]) -> Node:
    facts = _facts(node)
    held = str(args["held_dir"])
    manifest = replace(facts.manifest, path=f"{held}/{_base(args['manifest'])}") if facts.manifest else None
    apiserver = f"{held}/{_base(args['apiserver_manifest'])}" if args.get("apiserver_manifest") else ""
    after = replace(
        facts,
        manifest=manifest,
        manifest_held=manifest.path if manifest else f"{facts.unit}: {HOLD}",
        apiserver_held=apiserver or (f"{facts.apiserver_unit}: {HOLD}" if facts.apiserver_unit else ""),
        apiserver_manifest=apiserver,
        listening=False,
        status=None,
        linearizable=None,
    )
    state, _, line = str(args.get("why", "")).partition(" ")
    return replace(node, etcd=replace(after, held_state=state, held_line=line))


def _base(path: Any) -> str:
    return str(path).rpartition("/")[2]


def _released(node: Node, args: Mapping[str, Any]) -> Node:
    facts = _facts(node)
    manifest = replace(facts.manifest, path=str(args["manifest"])) if facts.manifest else None
    home = str(args.get("apiserver_manifest", ""))
    after = replace(
        facts, manifest=manifest, manifest_held="", apiserver_held="", apiserver_manifest=home, held_state=""
    )
    return replace(node, etcd=after)


def _replaced(node: Node, args: Mapping[str, Any]) -> Node:
    node = _released(node, args)
    facts = _facts(node)
    after = replace(
        facts,
        data_there=True,
        wal_files=1,
        db_used=1 << 20,
        db_size=1 << 24,
        readd="",
        log_tail=(),
        log_previous=(),
        initial_state="existing",
        initial_cluster=(*facts.initial_cluster, "others="),
        status=None,
        members=(),
        linearizable=True,
    )
    return replace(node, etcd=after)


def _plan_release(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = _facts(node)
    if facts.unit:
        return Planned(f"let etcd and kube-apiserver of {node.name} start again: its data is good", _own(facts))
    return Planned(f"put the etcd and apiserver manifests of {node.name} back: its data is good", _own(facts))


def _plan_promote(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    peer = view.reference(cluster, without=node.name) or view.reference(cluster)
    if peer is None:
        return Refused("no member answers with a quorum")
    return Planned(f"give the etcd learner of {node.name} its vote", {**_own(_facts(node)), **peer_args(peer)})


def _promoted(node: Node, args: Mapping[str, Any]) -> Node:
    wanted = set(args["peer_urls"])
    facts = _facts(node)
    members = tuple(replace(m, learner=False) if wanted & set(m.peer_urls) else m for m in facts.members)
    return replace(node, etcd=replace(facts, members=members))


def _plan_stale(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    entries = view.stale_entries(cluster)
    count = view.quorum(cluster)
    if not entries:
        return Refused("no such entry is in the list any more")
    if len(count.good) < count.needed:
        return Refused(f"the good members ({', '.join(count.good)}) are no quorum of {count.voters}")
    args = {**_own(_facts(node)), **peer_args(node), "ids": [m.id for m in entries]}
    args["urls"] = [url for m in entries for url in (*m.client_urls, *m.peer_urls)]
    names = ", ".join(m.name or m.id for m in entries)
    return Planned(f"remove {names} from etcd's member list", args)


def _removed(node: Node, args: Mapping[str, Any]) -> Node:
    facts = _facts(node)
    return replace(node, etcd=replace(facts, members=tuple(m for m in facts.members if m.id not in args["ids"])))


def _plan_restore(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    found = next((f for f in findings if f.code == "etcd.quorum_lost"), None)
    known = "; ".join(found.evidence) if found else ""
    return Refused(
        f"etcd's quorum is lost and this project does not make a new one. {known}. What would bring it back: the cause mended on a "
        "second member whose data is good, or its data disk mounted, or a new cluster restored by hand from a snapshot, "
        "or from the survivor with the highest revision"
    )


def _same(node: Node, args: Mapping[str, Any]) -> Node:
    return node


register(StepKind("etcd_hold", "etcd_hold", 10, _plan_hold, _held))
register(StepKind("etcd_release", "etcd", 10, _plan_release, _released))
# Before a replacement: etcd takes no new member while a dead voter stands in its list.
register(StepKind("etcd_stale_remove", "etcd", 15, _plan_stale, _removed))
register(StepKind("etcd_member_replace", "etcd", 20, _plan_replace, _replaced))
register(StepKind("etcd_learner_promote", "etcd", 30, _plan_promote, _promoted))
register(StepKind("etcd_quorum_restore", "etcd", 90, _plan_restore, _same))
