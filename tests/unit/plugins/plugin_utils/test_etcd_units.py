"""Members that systemd runs: judged and repaired as static pods are, by what their unit says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from builders.etcd_nodes import EMPTY, cluster, codes, decide, facts, kinds

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts

TOLD = "/etc/systemd/system/etcd.service"


def member(number: int, **more: Any) -> EtcdFacts:
    unit: dict[str, Any] = {"unit": "etcd", "apiserver_unit": "kube-apiserver", "told_by": (TOLD,)}
    return facts(number, **{**unit, "manifest": None, "apiserver_manifest": "", **more})


def test_healthy_units_have_no_finding() -> None:
    findings, steps, refusals = decide(cluster(member(1), member(2), member(3)))
    assert (codes(findings), steps, refusals) == ([], (), ())


def test_a_lost_member_is_held_and_replaced_by_its_unit() -> None:
    subject = cluster(member(1), member(2, **EMPTY), member(3))
    findings, steps, refusals = decide(subject)
    assert set(codes(findings)) >= {"etcd.member_data_lost@m2", "etcd.start_unsafe@m2"}
    assert kinds(steps) == ["etcd_hold@m2", "etcd_member_replace@m2"]
    assert refusals == ()
    assert steps[0].title.startswith("keep etcd and kube-apiserver of m2 from starting")
    own = {key: steps[1].args[key] for key in ("unit", "told", "apiserver_unit", "manifest", "apiserver_manifest")}
    assert own == {
        "unit": "etcd",
        "told": TOLD,
        "apiserver_unit": "kube-apiserver",
        "manifest": "",
        "apiserver_manifest": "",
    }


def test_what_check_foretells_is_judged_as_done() -> None:
    subject = cluster(member(1), member(2, **EMPTY), member(3))
    _, steps, _ = decide(subject)
    held = _steps.KINDS["etcd_hold"].effect(subject.node("m2"), steps[0].args)
    findings, again, _ = decide(replace(subject, nodes=(subject.nodes[0], held, subject.nodes[2])))
    assert "etcd.start_unsafe@m2" not in codes(findings)
    assert kinds(again) == ["etcd_member_replace@m2"]
    whole = _steps.KINDS["etcd_member_replace"].effect(held, again[0].args)
    findings, last, _ = decide(replace(subject, nodes=(subject.nodes[0], whole, subject.nodes[2])))
    assert (codes(findings), last) == ([], ())


@pytest.mark.parametrize("told", [(), (TOLD, "/etc/etcd.env")])
def test_how_it_joins_must_stand_in_one_file(told: tuple[str, ...]) -> None:
    lost = member(2, **EMPTY, told_by=told, rejoinable=False)
    _, steps, refusals = decide(cluster(member(1), lost, member(3)))
    assert steps == ()
    assert any("how it joins must stand in one file of unit etcd" in r.reason for r in refusals)


def test_a_unit_that_does_not_tell_what_it_runs_is_unknown_and_never_touched() -> None:
    subject = cluster(member(1), member(2, **EMPTY, parses=False), member(3))
    findings, steps, _ = decide(subject)
    assert steps == ()
    assert not any(code.startswith("etcd.member_data_lost") for code in codes(findings))
