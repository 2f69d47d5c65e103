"""The engine of checks, the causes, the plan, --check's codec and the preflight: all without a cluster."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _judge, _steps, report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import Disk, HostFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.causes import link
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import (
    Cluster,
    Finding,
    Judgement,
    Node,
    Outcome,
    Step,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import merge, observe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.preflight import problems

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[_judge.Check]:
    """An empty list of checks, so that a test registers its own."""
    _judge.load()
    own: list[_judge.Check] = []
    monkeypatch.setattr(_judge, "CHECKS", own)
    return own


def cluster(*nodes: Node, allow: frozenset[str] = frozenset()) -> Cluster:
    return Cluster(nodes, NOW, allow)


def node(name: str, group: str = "masters", **facts: object) -> Node:
    return Node(name, (group,), NOW, **facts)  # type: ignore[arg-type]  # facts are checked by the dataclass's users


HOST = HostFacts(node_time=NOW.timestamp())


def test_a_check_that_crashes_hides_no_other(checks: list[_judge.Check]) -> None:
    @_judge.check("host.crash", needs=("host",))
    def crash(node: Node, cluster: Cluster) -> _judge.Verdict:
        raise ZeroDivisionError("by mistake")

    @_judge.check("host.fine", needs=("host",))
    def fine(node: Node, cluster: Cluster) -> _judge.Verdict:
        return _judge.Found("warning", "seen")

    findings, outcomes = _judge.judge(cluster(node("m1", host=HOST)))
    assert [f.code for f in findings] == ["host.fine"]
    assert [(o.code, o.state) for o in outcomes] == [("host.crash", "could_not_tell"), ("host.fine", "found")]
    assert "ZeroDivisionError" in outcomes[0].why


def test_what_was_not_read_is_could_not_tell_and_never_ok(checks: list[_judge.Check]) -> None:
    @_judge.check("etcd.x", on="masters", needs=("etcd",))
    def never(node: Node, cluster: Cluster) -> _judge.Verdict:
        return _judge.Ok()

    nodes = (node("m1", sections={"etcd": "timeout"}), node("w1", "workers"))
    findings, outcomes = _judge.judge(cluster(*nodes))
    assert findings == ()
    assert [(o.host, o.state, o.why) for o in outcomes] == [("m1", "could_not_tell", "etcd was not read: timeout")]


def test_an_unreachable_node_is_one_finding_and_nothing_else(checks: list[_judge.Check]) -> None:
    @_judge.check("host.x", needs=("host",))
    def never(node: Node, cluster: Cluster) -> _judge.Verdict:
        return _judge.Ok()

    findings, outcomes = _judge.judge(cluster(node("m1", reachable=False, why="no route to host")))
    assert [(f.code, f.evidence) for f in findings] == [("host.unreachable", ("no route to host",))]
    assert outcomes == ()


def test_causes_are_linked_and_root_causes_come_first() -> None:
    findings = (
        Finding("apiserver.down", "m1", "critical", "down"),
        Finding("kubelet.down", "m1", "critical", "down"),
        Finding("kubelet.client_cert_expired", "m1", "critical", "expired"),
    )
    linked = link(findings, cluster(node("m1")))
    assert [(f.code, f.cause) for f in linked] == [
        ("kubelet.client_cert_expired", ""),
        ("kubelet.down", "kubelet.client_cert_expired@m1"),
        ("apiserver.down", "kubelet.down@m1"),
    ]


def test_a_cause_on_another_node_is_no_cause() -> None:
    findings = (
        Finding("kubelet.down", "m1", "critical", "down"),
        Finding("kubelet.client_cert_expired", "m2", "critical", "expired"),
    )
    assert {f.host: f.cause for f in link(findings, cluster(node("m1"), node("m2")))} == {"m1": "", "m2": ""}


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> dict[str, _steps.StepKind]:
    """Two kinds of step, in an order of their own."""
    _steps.load()
    own: dict[str, _steps.StepKind] = {}
    monkeypatch.setattr(_steps, "KINDS", own)

    def planned(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> _steps.Planned:
        return _steps.Planned(f"mend {node.name}", {"n": len(findings)})

    for name, phase in (("late", "kubelet"), ("early", "host")):
        _steps.register(_steps.StepKind(name, phase, 10, planned, lambda node, args: node))
    return own


def test_steps_come_in_the_order_of_phases_and_one_per_host_and_kind(kinds: dict[str, _steps.StepKind]) -> None:
    findings = (
        Finding("kubelet.a", "m1", "critical", "a", repair="late"),
        Finding("kubelet.b", "m1", "critical", "b", repair="late"),
        Finding("host.c", "m2", "warning", "c", repair="early"),
        Finding("host.d", "m2", "info", "d"),
    )
    steps, refusals = plan(cluster(node("m1"), node("m2")), findings)
    assert [(s.kind, s.host, s.codes, s.args) for s in steps] == [
        ("early", "m2", ("host.c",), {"n": 1}),
        ("late", "m1", ("kubelet.a", "kubelet.b"), {"n": 2}),
    ]
    assert refusals == ()


def test_without_its_consent_a_step_is_refused_and_with_it_taken(kinds: dict[str, _steps.StepKind]) -> None:
    finding = Finding("etcd.member_data_lost", "m1", "critical", "x", repair="late", consent="etcd.member_data_lost")
    steps, refusals = plan(cluster(node("m1")), (finding,))
    assert steps == ()
    assert [r.consent for r in refusals] == ["etcd.member_data_lost"]
    allowed = cluster(node("m1"), allow=frozenset({"etcd.member_data_lost"}))
    steps, refusals = plan(allowed, (finding,))
    assert [s.consent for s in steps] == ["etcd.member_data_lost"]
    assert refusals == ()


def test_a_phase_is_visited_where_a_step_or_a_finding_or_blindness_is(kinds: dict[str, _steps.StepKind]) -> None:
    findings = (
        Finding("etcd.member_unreachable", "m3", "critical", "x"),
        Finding("node.not_ready", "w1", "critical", "x"),
    )
    blind = (Outcome("pki.cert_expired", "m2", "could_not_tell", "timeout"),)
    order = report.order(Judgement(findings, (), (), blind))
    assert (order["etcd"], order["pki"], order["controllers"], order["host"]) == (["m3"], ["m2"], ["w1"], [])


@pytest.mark.parametrize(
    ("state", "host", "words"),
    [
        ("failed", "m1", "m1: it was put back"),
        ("refused", "m1", "m1: it was put back"),
        ("done", "m1", ""),
        ("failed", "m2", ""),
    ],
)
def test_a_repair_that_left_its_finding_is_no_good_end(state: str, host: str, words: str) -> None:
    warning = Judgement((Finding("pki.cert_near_expiry", "m1", "warning", "x"),), (), (), ())
    done = [
        {"host": host, "state": state, "codes": ["pki.cert_near_expiry"], "msg": "it was put back", "title": "renew"}
    ]
    assert words in report.ending(warning, 0, done)
    assert bool(report.ending(warning, 0, done)) is bool(words)
    assert report.ending(Judgement((), (), (), ()), 0, done) == ""


def test_what_a_step_leads_to_is_visited_too_and_leaders_last() -> None:
    _steps.load()
    steps = tuple(Step("certs_renew", "pki", host, "x", ()) for host in ("m1", "m2"))
    order = report.order(Judgement((), steps, (), ()), leaders={"m1"})
    assert (order["pki"], order["apiserver"], order["controllers"]) == (["m1", "m2"], ["m1", "m2"], ["m2", "m1"])


def test_facts_survive_the_spool() -> None:
    disk = Disk("/", "/dev/vda", "ext4", 10, 1, 5, 2, False, ("/", "/var"))
    before = node("m1", host=HostFacts(1.5, disks=(disk,)), sections={"host": "ok"}, clock_skew=0.0)
    assert from_plain(Node, to_plain(before)) == before


def test_a_newer_look_keeps_the_layers_it_did_not_ask() -> None:
    old = node("m1", host=HOST, sections={"host": "ok"}, clock_skew=1.0)
    new = node("m1", sections={"etcd": "timeout"})
    both = merge(old, new)
    assert both.host == HOST
    assert both.sections == {"host": "ok", "etcd": "timeout"}
    assert both.clock_skew == 1.0
    gone = node("m1", reachable=False, why="gone")
    assert merge(old, gone) == gone


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("@uid 1000", "not root"),
        ("@uid 0\n@kubelet no", "is it a Kubernetes node at all"),
    ],
)
def test_a_login_or_machine_of_no_use_is_named(head: str, why: str) -> None:
    seen = observe("m1", ("masters",), f"@kuberevive 1\n{head}\n@end\n", ("host",), NOW, NOW)
    assert not seen.reachable
    assert why in seen.why


@pytest.mark.parametrize(
    ("groups", "allow", "core", "part"),
    [
        ({"workers": ["w1"]}, [], "2.19.1", "no group 'masters'"),
        ({"masters": []}, [], "2.19.1", "'masters' is empty"),
        ({"masters": ["a"], "workers": ["a"]}, [], "2.19.1", "host a is in both groups"),
        ({"masters": ["a"]}, ["etcd.typo"], "2.19.1", "'etcd.typo', which nothing asks for"),
        ({"masters": ["a"]}, "etcd.member_data_lost", "2.19.1", "must be a list"),
        ({"masters": ["a"]}, [], "2.15.3", "install 2.16 or newer"),
    ],
)
def test_bad_input_is_one_sentence(groups: dict[str, list[str]], allow: object, core: str, part: str) -> None:
    found = problems(groups, allow, core)
    assert len(found) == 1
    assert part in found[0]


def test_good_input_has_no_problem() -> None:
    assert problems({"masters": ["a"], "workers": []}, ["etcd.member_data_lost"], "2.21.0") == []


def test_check_mode_ends_with_rc_2_when_it_would_do_something() -> None:
    empty = Judgement((), (), (), ())
    assert report.ending(empty, 0) == ""
    assert "would take 2 steps" in report.ending(empty, 2)
    critical = Judgement((Finding("host.disk_full", "m1", "critical", "full"),), (), (), ())
    assert "host.disk_full on m1" in report.ending(critical, 0)
