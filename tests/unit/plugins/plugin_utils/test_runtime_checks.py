"""Layer runtime: parser and checks from records, plans and their effects."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import runtime as facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import HostFacts, Unit
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
TOML = "version = 3\n"
SOCKET = "/run/containerd/containerd.sock"
CONFIG = FileFact("/etc/containerd/config.toml", "ok", len(TOML), "644", "root:root", 1, "", TOML)
FINE = RuntimeFacts("containerd", SOCKET, True, "containerd", CONFIG, "abc", True, active="active")
IDS = ["a" * 64, "b" * 64, "c" * 64]


def node(runtime: RuntimeFacts, name: str = "w1", group: str = "workers", host: HostFacts | None = None) -> Node:
    return Node(name, (group,), NOW, runtime=runtime, host=host)


def found(*nodes: Node) -> list[Finding]:
    return [f for f in judge(Cluster(nodes, NOW), layers=("runtime",))[0] if f.host == nodes[0].name]


def out(name: str, text: str, rc: int = 0) -> str:
    return f"out\t{name}\t" + base64.b64encode(f"{text}@rc={rc}".encode()).decode()


def parsed(*records: str) -> RuntimeFacts:
    text = "\n".join(["@kuberevive 1", *(f"runtime|{r}" for r in (*records, "end=0")), "@end"])
    return facts.parse(read_probe(text).sections["runtime"])


BASE = ("val\tkind\tcontainerd", f"val\tsocket\t{SOCKET}", "val\tsocket_there\tyes", "val\tactive\tactive")
TASKS = f"TASK    PID    STATUS    \n{IDS[0]}    711    RUNNING\n{IDS[1]}    0    STOPPED\n"
LOGS = (
    f"val\tlog\tetcd-m1_kube-system_etcd-{IDS[1]} /var/log/pods/kube-system_etcd-m1_u/etcd/4.log",
    f"val\tlog\tetcd-m1_kube-system_etcd-{IDS[0]} /var/log/pods/kube-system_etcd-m1_u/etcd/3.log",
    f"val\tlog\tcoredns-1_kube-system_coredns-{IDS[2]} /var/log/pods/kube-system_coredns-1_u/coredns/0.log",
)


def test_containers_of_containerd() -> None:
    got = parsed(*BASE, out("ask", TASKS), *LOGS, f"val\tprocess\tetcd {IDS[0]} 1795219238")
    assert got.answers is True
    assert got.containers == (facts.Container("etcd", IDS[0], True, 1795219238, 3),)


def test_containers_are_known_from_processes_where_the_daemon_is_dead() -> None:
    got = parsed("val\tkind\tcontainerd", f"val\tprocess\tkube-controller {IDS[0]} 7", "val\tactive\tfailed")
    assert got.answers is None
    assert got.containers == (facts.Container("kube-controller-manager", IDS[0], True, 7),)


def test_containers_of_docker() -> None:
    rows = f"{IDS[0]} k8s_kube-apiserver_kube-apiserver-o1_kube-system_u_12 Up 3 minutes\n{IDS[1]} k8s_POD_x_kube-system_u_1 Up 1 hour\n"
    got = parsed("val\tkind\tdocker", "val\tsocket_there\tyes", out("ask", rows))
    assert got.containers == (facts.Container("kube-apiserver", IDS[0], True, 0, 12),)


@pytest.mark.parametrize(("rc", "answers"), [(0, True), (1, False), (124, None)])
def test_a_daemon_that_hangs_is_not_one_that_answers_wrong(rc: int, answers: bool | None) -> None:
    assert parsed(*BASE, out("ask", "", rc)).answers is answers


@pytest.mark.parametrize(
    ("path", "state", "content", "problem"),
    [
        ("/etc/containerd/config.toml", "ok", TOML, ""),
        ("/etc/containerd/config.toml", "missing", "", ""),
        ("/etc/containerd/config.toml", "empty", "", "it is empty"),
        ("/etc/containerd/config.toml", "nul", "", "it is full of NUL bytes"),
        ("/etc/containerd/config.toml", "ok", "version = \n", "it does not parse"),
        ("/etc/docker/daemon.json", "ok", '{"a": 1', "it does not parse"),
        ("/etc/docker/daemon.json", "ok", "  \n", "there is nothing but blanks in it"),
    ],
)
def test_configurations(path: str, state: str, content: str, problem: str) -> None:
    got = facts.problem_of(FileFact(path, state, content=content))
    assert got.startswith(problem)
    assert bool(got) == bool(problem)


def test_a_healthy_runtime_is_silent_and_a_silent_one_is_no_ok() -> None:
    assert found(node(FINE)) == []
    _, outcomes = judge(Cluster((node(replace(FINE, answers=None)),), NOW), layers=("runtime",))
    assert [o.state for o in outcomes if o.code == "runtime.down"] == ["could_not_tell"]


@pytest.mark.parametrize(
    "change", [{"active": "failed", "socket_there": False}, {"socket_there": False}, {"answers": False}]
)
def test_down_is_found_planned_and_healed_by_its_effect(change: dict[str, object]) -> None:
    down = node(replace(FINE, **change))  # type: ignore[arg-type]  # the dataclass checks the names
    got = found(down)
    assert [(f.code, f.severity, f.repair) for f in got] == [("runtime.down", "critical", "runtime_start")]
    steps, _ = plan(Cluster((down,), NOW), tuple(got))
    assert found(_steps.KINDS["runtime_start"].effect(down, steps[0].args)) == []


def test_a_disabled_unit_is_the_cause_and_a_masked_one_is_left_alone() -> None:
    down = replace(FINE, active="inactive", socket_there=False)
    disabled = HostFacts(0.0, units=(Unit("containerd", "loaded", "inactive", "disabled"),), runtime_unit="containerd")
    got = found(node(down, host=disabled))[0]
    assert (got.cause, got.repair) == ("host.service_disabled@w1", "service_start")
    masked = replace(disabled, units=(Unit("containerd", "masked", "inactive", "masked"),))
    got = found(node(down, host=masked))[0]
    assert (got.cause, got.repair) == ("host.service_disabled@w1", "")


def lost(**change: object) -> RuntimeFacts:
    config = replace(CONFIG, state="empty", size=0, content="")
    return replace(FINE, config=config, config_problem="it is empty", **change)  # type: ignore[arg-type]  # fields by name


def test_a_lost_configuration_comes_from_what_most_peers_have() -> None:
    other = replace(FINE, config=replace(CONFIG, content="version = 2\n"), config_sha256="other")
    nodes = (node(lost()), node(other, "m1", "masters"), node(FINE, "m2", "masters"), node(FINE, "m3", "masters"))
    got = found(*nodes)
    assert [f.code for f in got] == ["runtime.config_empty"]
    steps, _ = plan(Cluster(nodes, NOW), tuple(got))
    assert steps[0].args["peer"] == "m2"
    assert steps[0].args["content"] == TOML
    assert found(_steps.KINDS["runtime_config"].effect(nodes[0], steps[0].args), *nodes[1:]) == []


def test_a_runtime_that_its_broken_configuration_stops_gets_one_step() -> None:
    nodes = (node(lost(active="failed", socket_there=False)), node(FINE, "m1", "masters"))
    got = found(*nodes)
    assert [(f.code, f.cause) for f in got] == [
        ("runtime.config_empty", ""),
        ("runtime.down", "runtime.config_empty@w1"),
    ]
    steps, _ = plan(Cluster(nodes, NOW), tuple(got))
    assert [s.kind for s in steps] == ["runtime_config"]
    assert found(_steps.KINDS["runtime_config"].effect(nodes[0], steps[0].args), nodes[1]) == []
    alone = nodes[:1]
    steps, refusals = plan(Cluster(alone, NOW), tuple(found(*alone)))
    assert [s.kind for s in steps] == ["runtime_start"]
    assert refusals == ()


def test_credentials_are_not_carried() -> None:
    secret = replace(FINE, config=replace(CONFIG, content=""), config_secret=True)
    nodes = (node(lost()), node(secret, "m1", "masters"))
    steps, refusals = plan(Cluster(nodes, NOW), tuple(found(*nodes)))
    assert steps == ()
    assert "credentials" in refusals[0].reason


def test_an_empty_configuration_that_everybody_has_is_no_fault() -> None:
    assert [f.severity for f in found(node(lost()), node(lost(), "w2"))] == ["info"]
