"""etcd's members judged from facts: the healthy, the lost, the removed, the decoy, and what nobody could see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders.etcd_nodes import (
    EMPTY,
    HELD,
    MANIFESTS,
    NOW,
    REMOVED,
    ROOT,
    SILENT,
    STARTED_IN_VAIN,
    cluster,
    codes,
    decide,
    facts,
    kinds,
    members,
    status,
)

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _judge, _steps, etcd_view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import Member
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import HostFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node


def test_healthy_members_give_no_finding_and_every_check_an_answer() -> None:
    findings, outcomes = _judge.judge(cluster(facts(1), facts(2), facts(3)), ("etcd",))
    assert findings == ()
    assert {o.state for o in outcomes} <= {"ok", "not_applicable"}


@pytest.mark.parametrize("lost", [EMPTY, STARTED_IN_VAIN])
def test_a_joined_member_without_data_is_held_back_and_replaced_without_consent(lost: dict[str, Any]) -> None:
    findings, steps, refusals = decide(cluster(facts(1), facts(2, **lost), facts(3)))
    assert codes(findings) == ["etcd.member_data_lost@m2", "etcd.start_unsafe@m2"]
    assert findings[1].cause == "etcd.member_data_lost@m2"
    assert kinds(steps) == ["etcd_hold@m2", "etcd_member_replace@m2"]
    assert steps[1].args["peer"] in ("m1", "m3")
    assert refusals == ()


def test_all_members_down_with_their_data_there_are_not_lost() -> None:
    findings, steps, refusals = decide(cluster(*(facts(i, **SILENT) for i in (1, 2, 3))))
    assert codes(findings) == [f"etcd.member_unreachable@m{i}" for i in (1, 2, 3)]
    assert (steps, refusals) == ((), ())


def test_a_lost_member_is_replaced_also_while_every_etcd_is_still_down() -> None:
    _, steps, refusals = decide(
        cluster(facts(1, **SILENT), facts(2, **EMPTY), facts(3, **{**SILENT, "db_used": 9_000_000}))
    )
    assert kinds(steps) == ["etcd_hold@m2", "etcd_member_replace@m2"]
    assert steps[1].args["peer"] == "m3"  # the one that holds the most
    assert refusals == ()


def test_t1_an_emptied_first_master_is_held_back_and_joins_anew() -> None:
    findings, steps, _ = decide(cluster(facts(1, **EMPTY), facts(2), facts(3)))
    assert codes(findings) == ["etcd.data_dir_empty@m1", "etcd.start_unsafe@m1"]
    assert kinds(steps) == ["etcd_hold@m1", "etcd_member_replace@m1"]


def test_t1_is_held_back_even_where_the_replacement_must_be_refused() -> None:
    unmounted = Node(
        "m1",
        ("masters",),
        NOW,
        sections={"etcd": "ok"},
        etcd=facts(1, **EMPTY),
        host=HostFacts(node_time=0.0, disks=(ROOT,), missing_mounts=("/var/lib/etcd",)),
    )
    findings, steps, refusals = decide(cluster(unmounted, facts(2), facts(3)))
    assert codes(findings) == ["etcd.data_dir_empty@m1", "etcd.start_unsafe@m1"]
    assert kinds(steps) == ["etcd_hold@m1"]
    assert [(r.kind, "mount it first" in r.reason) for r in refusals] == [("etcd_member_replace", True)]


def test_a_running_empty_cluster_on_the_first_master_needs_consent() -> None:
    decoy = facts(1, members=members(1), status=status(1, revision=263))
    down = (facts(2, **SILENT), facts(3, **SILENT))
    findings, steps, refusals = decide(cluster(decoy, *down))
    assert "etcd.data_dir_empty@m1" in codes(findings)
    assert "etcd.member_removed@m2" not in codes(findings)  # the decoy's list proves nothing about the others
    assert kinds(steps) == ["etcd_hold@m1"]
    assert [(r.kind, r.consent) for r in refusals] == [("etcd_member_replace", "etcd.data_dir_empty")]
    _, steps, refusals = decide(cluster(decoy, *down, allow=("etcd.data_dir_empty",)))
    assert kinds(steps) == ["etcd_hold@m1", "etcd_member_replace@m1"]
    assert refusals == ()


def test_one_that_answers_alone_with_much_data_is_for_a_person_to_judge() -> None:
    alone = facts(1, members=members(1), status=status(1, revision=50_000))
    findings, steps, _ = decide(cluster(alone, facts(2, **SILENT), facts(3, **SILENT)))
    assert not [c for c in codes(findings) if "removed" in c or ("lost@" in c and "quorum" not in c)]
    assert steps == ()


def test_a_removed_member_is_known_by_its_log_or_by_a_list_with_a_quorum() -> None:
    by_log = facts(2, **{**SILENT, "log_tail": (REMOVED,)})
    findings, steps, _ = decide(cluster(facts(1), by_log, facts(3)))
    assert codes(findings) == ["etcd.member_removed@m2", "etcd.start_unsafe@m2"]
    assert kinds(steps) == ["etcd_hold@m2", "etcd_member_replace@m2"]
    two = tuple(m for m in members() if m.name != "m2")
    findings, _, _ = decide(cluster(facts(1, members=two), facts(2, **SILENT), facts(3, members=two)))
    assert "etcd.member_removed@m2" in codes(findings)


def test_a_log_older_than_the_data_says_nothing() -> None:
    old = facts(2, **{**SILENT, "log_tail": (REMOVED,), "log_mtime": 1000, "data_mtime": 5000})
    assert (
        etcd_view.condition(cluster(facts(1), old, facts(3)).nodes[1], cluster(facts(1), old, facts(3))).state == "good"
    )


@pytest.mark.parametrize(
    "line",
    [
        "panic: assertion failed: Page expected to be: 3609, but self identifies as 0",
        "panic: tocommit(71) is out of range [lastIndex(68)]. Was the raft log corrupted, truncated, or lost?",
        '{"level":"fatal","msg":"discovery failed","error":"walpb: crc mismatch"}',
    ],
)
def test_data_that_is_there_and_unusable_is_replaced_only_with_consent(line: str) -> None:
    broken = facts(3, **{**SILENT, "log_tail": (line,)})
    findings, steps, refusals = decide(cluster(facts(1), facts(2), broken))
    assert codes(findings) == ["etcd.member_data_lost@m3", "etcd.start_unsafe@m3"]
    assert line in findings[0].evidence
    assert steps == ()
    assert ("etcd_member_replace", "etcd.member_data_lost") in [(r.kind, r.consent) for r in refusals]
    _, steps, _ = decide(cluster(facts(1), facts(2), broken, allow=("etcd.member_data_lost",)))
    assert kinds(steps) == ["etcd_hold@m3", "etcd_member_replace@m3"]


def unrepaired(error: str) -> dict[str, Any]:
    line = '{"level":"fatal","caller":"etcdserver/bootstrap.go:631","msg":"failed to read WAL, cannot be repaired","error":"%s"}'
    return {**SILENT, "log_tail": (line % error,)}


def test_a_full_disk_that_keeps_etcd_from_mending_its_wal_is_no_lost_data() -> None:
    """Seen on 1.36 (etcd 3.6.16): the repair of a torn WAL needs room for a copy."""
    full = facts(2, **unrepaired("no space left on device"))
    findings, steps, refusals = decide(cluster(facts(1), full, facts(3)))
    assert codes(findings) == ["etcd.member_unreachable@m2"]
    assert (steps, refusals) == ((), ())


def test_a_disk_that_cannot_be_read_is_could_not_tell() -> None:
    findings, outcomes = _judge.judge(
        cluster(facts(1), facts(2, **unrepaired("read 0.wal: input/output error")), facts(3)), ("etcd",)
    )
    assert findings == ()
    assert [o.state for o in outcomes if o.code == "etcd.member_data_lost" and o.host == "m2"] == ["could_not_tell"]


def test_an_empty_log_that_raft_refuses_is_no_data() -> None:
    line = "panic: tocommit(6349) is out of range [lastIndex(1)]. Was the raft log corrupted, truncated, or lost?"
    fresh = facts(1, **{**SILENT, "log_tail": (line,), "db_used": 20480})
    findings, steps, refusals = decide(cluster(fresh, facts(2), facts(3)))
    assert codes(findings)[0] == "etcd.data_dir_empty@m1"
    assert kinds(steps) == ["etcd_hold@m1", "etcd_member_replace@m1"]
    assert refusals == ()


def test_quorum_lost_is_refused_and_nothing_is_planned() -> None:
    survivor = facts(1, linearizable=False, ask_error="etcdserver: request timed out")
    findings, steps, refusals = decide(cluster(survivor, facts(2, **EMPTY), facts(3, **EMPTY)))
    assert {"etcd.quorum_lost@m1", "etcd.member_data_lost@m2", "etcd.member_data_lost@m3"} <= set(codes(findings))
    assert codes(findings).count("etcd.quorum_lost@m1") == 1
    assert steps == ()
    restore = next(r for r in refusals if r.kind == "etcd_quorum_restore")
    assert "revision 6000" in restore.reason
    assert restore.consent == ""


def test_one_lost_and_one_unreachable_of_three_is_refused() -> None:
    gone = Node("m3", ("masters",), NOW, reachable=False, why="no route to host")
    findings, steps, refusals = decide(cluster(facts(1, linearizable=False), facts(2, **EMPTY), gone))
    assert "etcd.quorum_lost@m1" in codes(findings)
    assert steps == ()
    assert any("no quorum" in r.reason for r in refusals)


def test_all_unreachable_is_could_not_tell_and_never_lost() -> None:
    gone = [Node(f"m{i}", ("masters",), NOW, reachable=False, why="down") for i in (1, 2, 3)]
    findings, _ = _judge.judge(cluster(*gone), ("etcd",))
    assert [f.code for f in findings] == ["host.unreachable"] * 3


def test_an_unreadable_data_directory_is_could_not_tell() -> None:
    hung = facts(2, **{**EMPTY, "data_unreadable": "no answer from the file system within 3 s"})
    findings, outcomes = _judge.judge(cluster(facts(1), hung, facts(3)), ("etcd",))
    assert findings == ()
    assert any(o.host == "m2" and o.code == "etcd.member_data_lost" and o.state == "could_not_tell" for o in outcomes)


def test_one_master_alone_has_nothing_to_take_its_data_from() -> None:
    findings, steps, refusals = decide(cluster(facts(1, **EMPTY)))
    assert "etcd.data_dir_empty@m1" in codes(findings)
    assert kinds(steps) == ["etcd_hold@m1"]
    assert any("snapshot" in r.reason for r in refusals if r.kind == "etcd_member_replace")


def test_what_an_earlier_run_left_is_gone_on_with() -> None:
    held: dict[str, Any] = {
        "manifest": FileFact(f"{HELD}/etcd.yaml", "ok", 2400),
        "manifest_held": f"{HELD}/etcd.yaml",
        "apiserver_held": f"{HELD}/kube-apiserver.yaml",
        "apiserver_manifest": f"{HELD}/kube-apiserver.yaml",
    }
    findings, steps, _ = decide(cluster(facts(1), facts(2, **EMPTY, **held), facts(3)))
    assert codes(findings) == ["etcd.member_data_lost@m2", "etcd.replacement_unfinished@m2"]
    assert kinds(steps) == ["etcd_member_replace@m2"]
    assert steps[0].args["manifest"] == f"{MANIFESTS}/etcd.yaml"
    # Its disk was mounted meanwhile: the data is good, so the manifests simply go back.
    _, steps, _ = decide(cluster(facts(1), facts(2, **SILENT, **held), facts(3)))
    assert kinds(steps) == ["etcd_release@m2"]
    # A learner that was started and not promoted yet.
    learner = replace(members()[1], learner=True)
    listed = (members()[0], learner, members()[2])
    begun = facts(2, apiserver_held=held["apiserver_held"], readd="2", members=listed, linearizable=False)
    findings, steps, _ = decide(cluster(facts(1, members=listed), begun, facts(3, members=listed)))
    assert "etcd.replacement_unfinished@m2" in codes(findings)
    assert kinds(steps) == ["etcd_member_replace@m2"]


def test_a_stuck_learner_gets_its_vote() -> None:
    listed = (members()[0], replace(members()[1], learner=True), members()[2])
    each = [facts(i, members=listed) for i in (1, 2, 3)]
    each[1] = replace(each[1], linearizable=False, status=status(2, learner=True))
    findings, steps, _ = decide(cluster(*each))
    assert "etcd.learner_stuck@m2" in codes(findings)
    assert kinds(steps) == ["etcd_learner_promote@m2"]


def test_an_entry_nobody_stands_behind_is_removed_only_with_consent() -> None:
    listed = (*members(), Member("9", "old", ("https://10.77.0.99:2380",), ("https://10.77.0.99:2379",)))
    each = [facts(i, members=listed) for i in (1, 2, 3)]
    findings, steps, refusals = decide(cluster(*each))
    assert codes(findings) == ["etcd.member_stale_entry@m1"]
    assert (findings[0].severity, steps) == ("warning", ())
    assert refusals[0].consent == "etcd.member_stale_entry"
    _, steps, _ = decide(cluster(*each, allow=("etcd.member_stale_entry",)))
    assert steps[0].args["ids"] == ["9"]


def test_no_entry_is_called_stale_while_a_master_was_not_seen() -> None:
    listed = (*members(), Member("9", "old", ("https://10.77.0.99:2380",)))
    gone = Node("m3", ("masters",), NOW, reachable=False, why="down")
    findings, _, _ = decide(cluster(facts(1, members=listed), facts(2, members=listed), gone))
    assert "etcd.member_stale_entry@m1" not in codes(findings)


def test_different_clusters_are_told_once() -> None:
    other = facts(3, status=replace(status(3), cluster_id="88"))
    findings, _, _ = decide(cluster(facts(1), facts(2), other))
    assert codes(findings) == ["etcd.members_disagree@m1"]


def test_who_speaks_for_the_cluster() -> None:
    other = facts(3, status=replace(status(3), cluster_id="88"))
    seen = cluster(facts(1), facts(2, **SILENT), other)
    assert [etcd_view.not_of_cluster(node, seen) for node in seen.masters] == [
        "",
        "its etcd does not answer with a quorum",
        "its etcd is another cluster than that of m1",
    ]
    down = cluster(*(facts(i, **SILENT) for i in (1, 2, 3)))
    assert etcd_view.not_of_cluster(down.masters[0], down) == "no member of etcd answers with a quorum"


@pytest.mark.parametrize(
    "broken", [FileFact(f"{MANIFESTS}/etcd.yaml", "empty"), FileFact(f"{MANIFESTS}/etcd.yaml", "ok", 9)]
)
def test_a_manifest_that_cannot_be_read_is_named_and_the_member_is_not_called_lost(broken: FileFact) -> None:
    bad = facts(2, **{**EMPTY, "manifest": broken, "parses": False})
    findings, steps, _ = decide(cluster(facts(1), bad, facts(3)))
    assert codes(findings) == ["etcd.manifest_broken@m2"]
    assert steps == ()


def test_effects_leave_nothing_more_to_do() -> None:
    _steps.load()
    before = cluster(facts(1), facts(2, **EMPTY), facts(3))
    _, steps, _ = decide(before)
    for step in steps:
        node = _steps.KINDS[step.kind].effect(before.node(step.host), step.args)
        before = Cluster(tuple(node if n.name == node.name else n for n in before.nodes), NOW)
    findings, steps, refusals = decide(before)
    assert (findings, steps, refusals) == ((), (), ())
