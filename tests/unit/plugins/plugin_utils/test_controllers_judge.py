"""Checks and repairs of API servers, controllers and node leases, from facts alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import (
    Controller,
    ControllersFacts,
    Lease,
    NodeObject,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import Cert, PkiFacts, Served
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import backoff, judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS, Planned, Refused, load
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node, Outcome
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
BOTH = ("kube-controller-manager", "kube-scheduler")
MANIFEST = FileFact("/etc/kubernetes/manifests/kube-apiserver.yaml", "ok", 4000)
API = ApiserverFacts(
    present=True,
    manifest=MANIFEST,
    parses=True,
    address="10.77.0.11",
    listening=True,
    asked=True,
    livez=200,
    readyz=200,
    now=EPOCH,
    started=EPOCH - 900,
    kubelet_started=EPOCH - 1000,
    log_path="/var/log/pods/x/kube-apiserver/12.log",
    log_written=EPOCH - 1,
    restarts=12,
)
LAYERS = ("apiserver", "controllers")


def controller(name: str, **changes: Any) -> Controller:
    plain = Controller(
        name,
        manifest=FileFact(f"/etc/kubernetes/manifests/{name}.yaml", "ok"),
        kubeconfig=f"/etc/kubernetes/{name.removeprefix('kube-')}.conf",
        healthz=200,
        listening=True,
        started=EPOCH - 900,
        kubeconfig_state="ok",
        kubeconfig_mtime=EPOCH - 5000,
    )
    return replace(plain, **changes)


def leases(ages: dict[str, float], holder: str = "m1") -> tuple[Lease, ...]:
    def lease(name: str, age: float) -> Lease:
        space = "kube-system" if name in BOTH else "kube-node-lease"
        who = f"{holder}_0a1b" if name in BOTH else name
        return Lease(space, name, who, NOW - timedelta(seconds=age))

    return tuple(lease(name, age) for name, age in ages.items())


def controllers(**changes: Any) -> ControllersFacts:
    everything = leases(dict.fromkeys((*BOTH, "m1", "m2", "w1"), 5.0))
    objects = tuple(NodeObject(n, "True", n.startswith("m")) for n in ("m1", "m2", "w1"))
    plain = ControllersFacts(
        tuple(controller(n) for n in BOTH), True, "", everything, objects, now=EPOCH, kubelet_started=EPOCH - 1000
    )
    return replace(plain, **changes)


def node(name: str, **facts: Any) -> Node:
    master = name.startswith("m")
    given: dict[str, Any] = {
        "kubelet": KubeletFacts(node_name=name, running=True),
        "runtime": RuntimeFacts("containerd", "/run/containerd/containerd.sock", True, "containerd"),
        "controllers": controllers() if master else ControllersFacts(),
        "apiserver": API if master else ApiserverFacts(present=False),
        **facts,
    }
    return Node(name, ("masters" if master else "workers",), NOW, clock_skew=0.0, **given)


def cluster(**nodes: dict[str, Any]) -> Cluster:
    return Cluster(tuple(node(n, **nodes.get(n, {})) for n in ("m1", "m2", "w1")), NOW)


def found(given: Cluster) -> dict[str, Finding]:
    return {f.id: f for f in judge(given, LAYERS)[0]}


def blind(given: Cluster) -> list[Outcome]:
    return [o for o in judge(given, LAYERS)[1] if o.state == "could_not_tell"]


def test_a_healthy_cluster_is_silent() -> None:
    given = cluster()
    assert found(given) == {}
    assert blind(given) == []


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"readyz": 500, "readyz_failed": ("etcd",)}, "apiserver.not_ready", "not ready: etcd"),
        ({"readyz": 0, "tls_error": "certificate has expired"}, "apiserver.not_ready", "does not verify"),
        ({"readyz": 401}, "apiserver.not_ready", "anonymous requests are off"),
        ({"readyz": 403}, "apiserver.not_ready", "system:public-info-viewer"),
        ({"readyz": 0, "ask_error": "timed out"}, "apiserver.not_ready", "listens and does not answer"),
        ({"listening": False}, "apiserver.down", "does not answer at 10.77.0.11:6443"),
        (
            {"manifest": replace(MANIFEST, state="empty"), "parses": False},
            "apiserver.manifest_broken",
            "cannot be understood",
        ),
        ({"manifest": None, "parses": False}, "apiserver.manifest_broken", "no manifest"),
    ],
)
def test_what_is_wrong_with_one_apiserver(change: dict[str, Any], code: str, words: str) -> None:
    findings = found(cluster(m2={"apiserver": replace(API, **change)}))
    assert list(findings) == [f"{code}@m2"]
    assert words in findings[f"{code}@m2"].summary


def test_without_curl_its_health_is_unknown_and_not_fine() -> None:
    given = cluster(m2={"apiserver": replace(API, asked=False, readyz=0)})
    assert found(given) == {}
    assert [(o.code, o.host) for o in blind(given)] == [("apiserver.not_ready", "m2")]


def test_a_rejected_flag_is_the_cause_of_being_down() -> None:
    gone = replace(
        API, listening=False, started=0, log_tail=("Error: unknown flag: --insecure-port",), log_written=EPOCH - 9
    )
    findings = found(cluster(m1={"apiserver": gone}))
    assert findings["apiserver.flag_rejected@m1"].summary.endswith("unknown flag: --insecure-port")
    assert findings["apiserver.down@m1"].cause == "apiserver.flag_rejected@m1"


@pytest.mark.parametrize(
    ("started", "kubelet", "written", "restarts", "waiting"),
    [
        (0, EPOCH - 1000, EPOCH - 200, 5, 200),
        (EPOCH - 5, EPOCH - 1000, EPOCH - 200, 5, None),  # it runs
        (0, EPOCH - 100, EPOCH - 200, 5, None),  # ended before this kubelet began
        (0, 0, EPOCH - 200, 5, None),  # no kubelet
        (0, EPOCH - 1000, EPOCH - 10, 5, None),  # a moment ago
        (0, EPOCH - 1000, EPOCH - 200, 1, None),  # first waits are short
        (0, EPOCH - 1000, EPOCH - 15, 8, 15),  # after many they are long from the first second
        (0, EPOCH - 1000, EPOCH - 500, 8, None),  # longer than kubelet ever waits
    ],
)
def test_when_kubelet_holds_a_container_back(
    started: int, kubelet: int, written: int, restarts: int, waiting: int | None
) -> None:
    assert backoff.backing_off(EPOCH, started, kubelet, written, restarts) == waiting


def held_back() -> ApiserverFacts:
    return replace(API, listening=False, started=0, log_written=EPOCH - 200)


def test_backoff_is_ended_where_its_cause_is_gone() -> None:
    given = cluster(m1={"apiserver": held_back()})
    steps, refusals = plan(given, judge(given, LAYERS)[0])
    assert [(s.kind, s.host, s.phase) for s in steps] == [("kubelet_backoff_reset", "m1", "apiserver")]
    assert refusals == ()
    after = KINDS["kubelet_backoff_reset"].effect(given.node("m1"), steps[0].args)
    assert "apiserver.crash_loop_backoff@m1" not in found(replace(given, nodes=(after, *given.nodes[1:])))


def test_backoff_is_left_alone_while_its_cause_lasts() -> None:
    load()
    given = cluster(m1={"apiserver": held_back()})
    finding = replace(found(given)["apiserver.crash_loop_backoff@m1"], cause="pki.cert_expired@m1")
    decided = KINDS["kubelet_backoff_reset"].plan(given.node("m1"), given, (finding,))
    assert isinstance(decided, Refused)
    assert "pki.cert_expired@m1" in decided.reason


def test_a_stale_lease_is_said_once_and_on_its_holder() -> None:
    old = controllers(leases=leases({BOTH[0]: 95.0, BOTH[1]: 3.0, "m1": 1.0, "m2": 1.0, "w1": 1.0}, holder="m2"))
    findings = found(cluster(m1={"controllers": old}, m2={"controllers": old}))
    assert list(findings) == ["controllers.lease_stale@m2"]
    assert "not renewed for 95 s" in findings["controllers.lease_stale@m2"].summary


def test_the_freshest_teller_is_believed() -> None:
    old = controllers(leases=leases(dict.fromkeys((*BOTH, "m1", "m2", "w1"), 300.0)))
    assert found(cluster(m1={"controllers": old})) == {}


def test_a_holder_whose_clock_is_behind_is_not_called_stale() -> None:
    old = controllers(leases=leases({BOTH[0]: 3.0, BOTH[1]: 3.0, "m1": 1.0, "m2": 1.0, "w1": 120.0}))
    given = cluster(m1={"controllers": old}, m2={"controllers": old})
    late = replace(given, nodes=(*given.nodes[:2], replace(given.nodes[2], clock_skew=-118.0)))
    assert list(found(given)) == ["node.not_ready@w1"]
    assert found(late) == {}


def test_a_dead_node_is_found_although_its_object_says_ready() -> None:
    old = controllers(leases=leases({BOTH[0]: 3.0, BOTH[1]: 3.0, "m1": 1.0, "m2": 1.0, "w1": 240.0}))
    finding = found(cluster(m1={"controllers": old}, m2={"controllers": old}))["node.not_ready@w1"]
    assert finding.settling
    assert "240 s" in finding.summary


def test_a_node_without_lease_and_one_that_says_not_ready() -> None:
    few = controllers(
        leases=leases({BOTH[0]: 3.0, BOTH[1]: 3.0, "m1": 1.0, "m2": 1.0}),
        nodes=(NodeObject("m1", "False"), NodeObject("m2", "True")),
    )
    findings = found(cluster(m1={"controllers": few}, m2={"controllers": few}))
    assert {i: f.severity for i, f in findings.items()} == {
        "node.not_ready@w1": "critical",
        "node.not_ready@m1": "warning",
    }


def test_with_no_api_nobody_can_tell() -> None:
    dumb = controllers(api_answers=False, leases=(), nodes=())
    given = cluster(m1={"controllers": dumb}, m2={"controllers": dumb})
    assert found(given) == {}
    told = [(o.code, o.host) for o in blind(given)]
    masters = [
        ("controllers.unauthorized", "m1"),
        ("controllers.unauthorized", "m2"),
        ("controllers.lease_stale", "m1"),
    ]
    assert told == [*masters, *(("node.not_ready", n) for n in ("m1", "m2", "w1"))]


def test_controllers_held_back_are_let_go_when_the_apiserver_they_need_is_there() -> None:
    gone = tuple(controller(n, started=0, listening=False, log_written=EPOCH - 90, restarts=7) for n in BOTH)
    given = cluster(m1={"controllers": controllers(controllers=gone)})
    findings = judge(given, LAYERS)[0]
    assert {f.id: f.cause for f in findings} == {
        "controllers.crash_loop_backoff@m1": "",
        "controllers.down@m1": "controllers.crash_loop_backoff@m1",
    }
    steps, _ = plan(given, findings)
    assert [(s.kind, s.phase) for s in steps] == [("controller_backoff_reset", "controllers")]
    down = cluster(m1={"controllers": controllers(controllers=gone), "apiserver": replace(API, listening=False)})
    steps, refusals = plan(down, judge(down, LAYERS)[0])
    assert steps == ()
    assert "waits for the repair of apiserver.down@m1" in refusals[0].reason


def shut_out(**changes: Any) -> ControllersFacts:
    at = NOW - timedelta(seconds=4)
    line = '"Error retrieving lease lock" err="Unauthorized"'
    return controllers(
        controllers=tuple(controller(n, unauthorized_at=at, unauthorized_line=line) for n in BOTH), **changes
    )


def test_running_and_shut_out_is_found_and_restarted_manager_last() -> None:
    given = cluster(m1={"controllers": shut_out()})
    findings = judge(given, LAYERS)[0]
    assert [(f.id, f.severity) for f in findings] == [("controllers.unauthorized@m1", "critical")]
    steps, refusals = plan(given, findings)
    assert refusals == ()
    assert [(s.kind, s.phase, s.args["components"]) for s in steps] == [
        ("controller_restart", "controllers", ["kube-scheduler", "kube-controller-manager"])
    ]
    after = KINDS["controller_restart"].effect(given.node("m1"), steps[0].args)
    assert found(replace(given, nodes=(after, *given.nodes[1:]))) == {}


@pytest.mark.parametrize("started", [20, 29.2, 30], ids=["long", "within the second", "in the same second"])
def test_an_old_line_from_before_the_restart_is_no_finding(started: float) -> None:
    again = tuple(
        controller(n, unauthorized_at=NOW - timedelta(seconds=29.1), started=EPOCH - int(started)) for n in BOTH
    )
    assert found(cluster(m1={"controllers": controllers(controllers=again)})) == {}


def test_older_than_its_renewed_kubeconfig_is_a_warning_with_the_same_repair() -> None:
    renewed = (controller(BOTH[0], kubeconfig_mtime=EPOCH - 10), controller(BOTH[1]))
    given = cluster(m1={"controllers": controllers(controllers=renewed)})
    steps, _ = plan(given, judge(given, LAYERS)[0])
    assert found(given)["controllers.unauthorized@m1"].severity == "warning"
    assert [s.args["components"] for s in steps] == [["kube-controller-manager"]]


@pytest.mark.parametrize(("alive", "planned"), [(("m1", "m2", "w1"), True), (("m1", "m2"), False), ((), False)])
def test_a_manager_begins_to_lead_only_when_enough_nodes_heartbeat(alive: tuple[str, ...], planned: bool) -> None:
    ages = {BOTH[0]: 400.0, BOTH[1]: 3.0} | {n: 5.0 if n in alive else 400.0 for n in ("m1", "m2", "w1")}
    facts = shut_out(leases=leases(ages))
    given = cluster(m1={"controllers": facts}, m2={"controllers": facts})
    decided = KINDS["controller_restart"].plan(given.node("m1"), given, ())
    assert isinstance(decided, Planned) == planned
    if isinstance(decided, Refused):
        assert f"only {len(alive)} of 3 reachable nodes heartbeat" in decided.reason


@pytest.mark.parametrize(
    "facts", [shut_out(leases=leases({BOTH[0]: 400.0})), shut_out(api_answers=False, leases=(), nodes=())]
)
def test_check_names_the_condition_where_steps_before_it_were_only_recorded(facts: ControllersFacts) -> None:
    given = replace(cluster(m1={"controllers": facts}, m2={"controllers": facts}), foretold=True)
    decided = KINDS["controller_restart"].plan(given.node("m1"), given, ())
    assert isinstance(decided, Planned)
    assert decided.title.endswith("with the renewed certificate, once 80% of the nodes heartbeat")


def test_while_another_one_leads_heartbeats_are_not_counted() -> None:
    ages = {BOTH[0]: 2.0, BOTH[1]: 3.0} | dict.fromkeys(("m1", "m2", "w1"), 400.0)
    given = cluster(m1={"controllers": shut_out(leases=leases(ages))})
    assert isinstance(KINDS["controller_restart"].plan(given.node("m1"), given, ()), Planned)


def test_no_restart_while_the_kubeconfig_itself_has_run_out_or_kubelet_is_down() -> None:
    path = "/etc/kubernetes/scheduler.conf"
    old = PkiFacts(
        "/etc/kubernetes/pki", (Cert("scheduler.conf", path, "kubeconfig", "ok", not_after=NOW - timedelta(days=1)),)
    )
    for facts, words in (({"pki": old}, path), ({"kubelet": KubeletFacts(running=False)}, "kubelet does not run")):
        given = cluster(m1={"controllers": shut_out(), **facts})
        decided = KINDS["controller_restart"].plan(given.node("m1"), given, ())
        assert isinstance(decided, Refused)
        assert words in decided.reason


def test_a_component_that_does_not_run_says_its_last_word() -> None:
    gone = (controller(BOTH[0], started=0, listening=False, kubeconfig_state="empty"), controller(BOTH[1]))
    finding = found(cluster(m2={"controllers": controllers(controllers=gone)}))["controllers.down@m2"]
    assert finding.severity == "warning"
    assert finding.evidence == (
        "kube-controller-manager: no such process; /etc/kubernetes/controller-manager.conf is empty",
    )


def test_restarting_the_apiserver_is_seen_as_serving_the_file() -> None:
    cert = Cert("apiserver", "/etc/kubernetes/pki/apiserver.crt", "pair", "ok", sha256="new")
    pki = PkiFacts(
        "/etc/kubernetes/pki", (cert,), (Served("kube-apiserver", "10.77.0.11:6443", "old", None, "apiserver"),)
    )
    given = cluster(m1={"pki": pki})
    decided = KINDS["component_restart"].plan(given.node("m1"), given, ())
    assert isinstance(decided, Planned)
    assert decided.args["components"] == ["kube-apiserver"]
    after = KINDS["component_restart"].effect(given.node("m1"), decided.args)
    assert after.pki is not None
    assert after.pki.served[0].sha256 == "new"


def test_a_failed_test_write_is_found_on_its_master() -> None:
    given = replace(cluster(), canaries={"m1": "ok", "m2": "write: HTTP 500 etcdserver: request timed out"})
    findings = found(given)
    assert list(findings) == ["apiserver.canary_failed@m2"]
    assert "HTTP 500" in findings["apiserver.canary_failed@m2"].evidence[0]
