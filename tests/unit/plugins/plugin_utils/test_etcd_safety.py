"""What must never be done to an etcd member that is well, and what a run leaves for the next one to know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders.etcd_nodes import EMPTY, HELD, REMOVED, SILENT, cluster, codes, decide, facts, kinds, members, status

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts, Member
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.consents import CONSENTS


@pytest.mark.parametrize(
    "elsewhere",
    [
        {
            "data_there": False,
            "wal_files": 0,
            "db_size": 0,
            "db_used": -1,
        },  # hostPath differs, or deleted under the process
        {"wal_files": 0},  # --wal-dir
        {"data_there": False, "wal_files": 0, "linearizable": False},
    ],
)
def test_a_member_that_answers_is_never_held_or_replaced_for_what_its_directory_lacks(
    elsewhere: dict[str, Any],
) -> None:
    allow = ("etcd.member_data_lost", "etcd.data_dir_empty")
    _, steps, _ = decide(cluster(*(facts(i, **elsewhere) for i in (1, 2, 3)), allow=allow))
    assert steps == ()
    findings, steps, _ = decide(cluster(facts(1), facts(2, **elsewhere), facts(3), allow=allow))
    assert (codes(findings), steps) == ([], ())


def held(basis: EtcdFacts, why: str) -> EtcdFacts:
    """After the hold: neither log nor answer, and the note."""
    state, _, line = why.partition(" ")
    path = FileFact(f"{HELD}/etcd.yaml", "ok", 2400)
    api = f"{HELD}/kube-apiserver.yaml"
    silent = {**SILENT, "log_tail": (), "manifest": path, "manifest_held": path.path}
    silent |= {"apiserver_held": api, "apiserver_manifest": api}
    return replace(basis, **silent, held_state=state, held_line=line)


@pytest.mark.parametrize(
    ("number", "broken", "code"),
    [
        (1, {"members": members(1), "status": status(1, 300)}, "etcd.data_dir_empty"),
        (2, {**SILENT, "log_tail": ("panic: invalid freelist page: 58, page type is leaf",)}, "etcd.member_data_lost"),
    ],
)
def test_what_a_hold_stopped_is_not_called_good_afterwards(number: int, broken: dict[str, Any], code: str) -> None:
    everyone = [facts(i) for i in (1, 2, 3)] if number == 2 else [facts(1), *(facts(i, **SILENT) for i in (2, 3))]
    everyone[number - 1] = facts(number, **broken)
    _, steps, _ = decide(cluster(*everyone, allow=(code,)))
    assert kinds(steps)[0] == f"etcd_hold@m{number}"
    everyone[number - 1] = held(everyone[number - 1], str(steps[0].args["why"]))
    findings, steps, _ = decide(cluster(*everyone, allow=(code,)))
    assert f"{code}@m{number}" in codes(findings)
    assert kinds(steps) == [f"etcd_member_replace@m{number}"]


def test_every_consent_that_is_asked_for_can_be_given() -> None:
    decoy = cluster(facts(1, members=members(1), status=status(1, 300)), facts(2, **SILENT), facts(3, **SILENT))
    unusable = cluster(facts(1), facts(2, **{**SILENT, "wal_files": 0}), facts(3))
    asked = {r.consent for subject in (decoy, unusable) for r in decide(subject)[2]} - {""}
    assert asked == {"etcd.data_dir_empty", "etcd.member_data_lost"}
    assert asked <= set(CONSENTS)


def test_a_member_whose_url_was_changed_is_not_called_removed() -> None:
    listed = (members()[0], replace(members()[1], peer_urls=("https://10.77.0.82:2380",)), members()[2])
    findings, steps, _ = decide(cluster(facts(1, members=listed), facts(2, **SILENT), facts(3, members=listed)))
    assert ("etcd.member_removed@m2" in codes(findings), kinds(steps)) == (False, [])


def test_a_member_that_lost_its_data_again_gets_a_new_id() -> None:
    _, steps, _ = decide(cluster(facts(1), facts(2, **EMPTY, readd="2"), facts(3)))
    assert steps[-1].args["readd"] == ""
    _, steps, _ = decide(cluster(facts(1), facts(2, readd="2", apiserver_held=f"{HELD}/kube-apiserver.yaml"), facts(3)))
    assert (kinds(steps), steps[-1].args["readd"]) == (["etcd_member_replace@m2"], "2")


def test_a_dead_entry_goes_before_a_new_member_is_added() -> None:
    listed = (members()[0], members()[2], Member("9", "", ("https://10.77.0.99:2380",)))
    gone = facts(2, **SILENT, log_tail=(REMOVED,))
    each = (facts(1, members=listed), gone, facts(3, members=listed))
    _, steps, _ = decide(cluster(*each, allow=("etcd.member_stale_entry",)))
    assert kinds(steps) == ["etcd_hold@m2", "etcd_stale_remove@m1", "etcd_member_replace@m2"]


def test_a_manifest_that_cannot_be_rewritten_is_refused_before_anything_is_touched() -> None:
    _, steps, refusals = decide(cluster(facts(1), facts(2, **EMPTY, rejoinable=False), facts(3)))
    assert steps == ()
    assert {r.kind for r in refusals} == {"etcd_hold", "etcd_member_replace"}
    assert all("--initial-cluster=" in r.reason for r in refusals)
