"""What the probe says of API servers, controllers and leases becomes facts; texts as real 1.36 and 1.20 nodes print them."""

from __future__ import annotations

import base64
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import apiserver, controllers, podlog
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section, read_probe

SHELLS = (["dash"], ["bash"], ["busybox", "sh"])
STEPS = Path(_steps.__file__).parent
LOG = "/var/log/pods/kube-system_kube-apiserver-m1_3658/kube-apiserver/12.log"
MANIFEST = """apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.77.0.11
    - --etcd-servers=https://127.0.0.1:2379
"""
READY = "ok\n@code=200\n[+]ping ok\n[+]etcd ok\nreadyz check passed\n\n@code=200\n"
NOT_READY = (
    "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n\n@code=500\n"
    "[+]ping ok\n[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\nreadyz check failed\n\n@code=500\n"
)
EXPIRED = "curl: (60) SSL certificate problem: certificate has expired\nMore details here\n\n@code=000\n"
REFUSED = "curl: (7) Failed to connect to 10.77.0.11 port 6443 after 0 ms: Couldn't connect to server\n\n@code=000\n"
LEASES = (
    '{"kind":"LeaseList","apiVersion":"coordination.k8s.io/v1","metadata":{"resourceVersion":"123"},"items":['
    '{"metadata":{"name":"m1","namespace":"kube-node-lease","uid":"x","ownerReferences":[{"apiVersion":"v1","kind":"Node",'
    '"name":"m1","uid":"u"}],"managedFields":[{"manager":"kubelet","fieldsV1":{"f:metadata":{"f:ownerReferences":{".":{},'
    '"k:{\\"uid\\":\\"4\\"}":{}}},"f:spec":{"f:holderIdentity":{},"f:renewTime":{}}}}]},"spec":{"holderIdentity":"m1",'
    '"leaseDurationSeconds":40,"renewTime":"2026-11-20T23:59:38.210175Z"}},'
    '{"metadata":{"name":"w1","namespace":"kube-node-lease"},"spec":{"leaseDurationSeconds":40}}]}\n@code=200\n'
)
TABLE = (
    '{"kind":"Table","columnDefinitions":[{"name":"Name","type":"string"}],"rows":[{"cells":["m1","Ready","control-plane",'
    '"5m","v1.36.3"],"object":null},{"cells":["w1","NotReady,SchedulingDisabled","\\u003cnone\\u003e","5m","v1.36.3"]}]}\n@code=200\n'
)


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def section(name: str, *records: tuple[str, ...]) -> Section:
    body = "\n".join(f"{name}|" + "\t".join(fields) for fields in records)
    return read_probe(f"@kuberevive 1\n{body}\n{name}|end=0\n@end\n").sections[name]


def manifest(content: str, state: str = "ok") -> tuple[str, ...]:
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    return ("file", path, state, str(len(content)), "600", "root:root", "1", "", b64(content))


def told(content: str = MANIFEST, health: str = READY, state: str = "ok") -> apiserver.ApiserverFacts:
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    records: list[tuple[str, ...]] = [("val", "manifest", path), manifest(content, state), ("val", "listening", "yes")]
    records += [
        ("val", "address", "10.77.0.11"),
        ("val", "port", "6443"),
        ("val", "etcd_servers", "https://a:1,https://b:2"),
    ]
    records += [("val", "kube-apiserver.log", LOG), ("val", "kube-apiserver.log_mtime", "99")]
    records += [("out", "health", b64(health + "@rc=0"))]
    return apiserver.parse(section("apiserver", *records))


def test_a_healthy_apiserver() -> None:
    facts = told()
    assert (facts.present, facts.parses, facts.listening, facts.asked) == (True, True, True, True)
    assert (facts.livez, facts.readyz, facts.readyz_failed, facts.tls_error) == (200, 200, (), "")
    assert facts.etcd_servers == ("https://a:1", "https://b:2")
    assert facts.flags == ("--advertise-address=10.77.0.11", "--etcd-servers=https://127.0.0.1:2379")
    assert (facts.restarts, facts.log_written) == (12, 99)


def test_the_checks_that_failed_are_named() -> None:
    facts = told(health=NOT_READY)
    assert (facts.livez, facts.readyz) == (500, 500)
    assert facts.readyz_failed == ("etcd", "etcd-readiness")


@pytest.mark.parametrize(
    ("health", "tls", "error"),
    [
        (EXPIRED, "SSL certificate problem: certificate has expired", ""),
        (REFUSED, "", "Failed to connect to 10.77.0.11 port 6443 after 0 ms: Couldn't connect to server"),
    ],
)
def test_no_answer_and_a_certificate_that_does_not_verify_are_told_apart(health: str, tls: str, error: str) -> None:
    facts = told(health=health)
    assert (facts.readyz, facts.tls_error, facts.ask_error) == (0, tls, error)


@pytest.mark.parametrize(
    ("content", "state", "why"),
    [
        ("", "empty", "the file is empty"),
        ("\0\0\0", "nul", "the file is nul"),
        ("apiVersion: v1\nkind: Service\n", "ok", "it is no Pod"),
        ("kind: Pod\nspec: {}\n", "ok", "it has no spec.containers"),
    ],
)
def test_a_manifest_that_is_none_says_why(content: str, state: str, why: str) -> None:
    facts = told(content, state=state)
    assert (facts.parses, facts.parse_error) == (False, why)


def test_a_manifest_that_is_no_yaml_says_where() -> None:
    assert "line 2" in told("kind: Pod\n  spec: [\n").parse_error


def test_a_master_without_any_trace_of_an_apiserver() -> None:
    path = "/etc/kubernetes/manifests/kube-apiserver.yaml"
    facts = apiserver.parse(section("apiserver", ("val", "expected", path), ("val", "listening", "no")))
    assert (facts.present, facts.manifest, facts.listening) == (False, None, False)


def test_a_section_that_was_cut_off_tells_nothing_instead_of_something_false() -> None:
    for parse, name in ((apiserver.parse, "apiserver"), (controllers.parse, "controllers")):
        with pytest.raises(ValueError, match="took too long"):
            parse(section(name, ("val", "now", "1")))


def test_no_answer_in_time_is_no_answer() -> None:
    facts = apiserver.parse(section("apiserver", ("val", "listening", "yes"), ("val", "tool", "curl")))
    assert (facts.listening, facts.asked, facts.ask_error) == (True, False, "it did not answer in time")
    beats = controllers.parse(section("controllers", ("val", "api", "asking")))
    assert (beats.api_answers, beats.api_error) == (False, "this node's kube-apiserver did not answer in time")


def test_log_lines_of_both_formats() -> None:
    text = (
        '2026-11-20T23:59:34.280413123Z stderr F E1120 "Error retrieving lease lock" err="Unauthorized"\n'
        '{"log":"E1120 leaderelection.go:325] Unauthorized\\n","stream":"stderr","time":"2026-11-20T23:59:35.5Z"}\n'
        'g":"cut off at the front\\n"}\n\0\0\0\n'
    )
    first, second, torn = podlog.lines(text)
    assert first.at == datetime(2026, 11, 20, 23, 59, 34, 280413, tzinfo=timezone.utc)
    assert second.text == "E1120 leaderelection.go:325] Unauthorized"
    assert second.at == datetime(2026, 11, 20, 23, 59, 35, 500000, tzinfo=timezone.utc)
    assert torn.at is None


def test_a_time_with_an_offset_becomes_utc() -> None:
    assert podlog.moment("2026-11-21T01:00:00+02:00") == datetime(2026, 11, 20, 23, tzinfo=timezone.utc)
    assert podlog.moment("yesterday") is None


def shell(argv: list[str], call: str, stdin: str) -> str:
    text = f". {STEPS / 'api.sh'}; {call}"
    return subprocess.run(
        [*argv, "-c", text], input=stdin, capture_output=True, text=True, check=True, timeout=30
    ).stdout


@pytest.mark.parametrize("argv", SHELLS, ids=" ".join)
def test_leases_and_nodes_are_read_out_of_json_by_every_shell(argv: list[str]) -> None:
    assert shell(argv, "kr_lease_lines", LEASES).splitlines() == [
        "kube-node-lease m1 m1 2026-11-20T23:59:38.210175Z",
        "kube-node-lease w1 - -",
        "@code=200",
    ]
    assert shell(argv, "kr_node_lines", TABLE).splitlines() == [
        "m1 Ready control-plane",
        "w1 NotReady,SchedulingDisabled \\u003cnone\\u003e",
        "@code=200",
    ]


def controllers_told(leases: str, **values: str) -> controllers.ControllersFacts:
    records: list[tuple[str, ...]] = [("val", k.replace("__", "."), v) for k, v in values.items()]
    records.append(("out", "leases", b64(leases + "@rc=0")))
    records.append(("out", "nodes", b64("m1 Ready control-plane\nw1 NotReady <none>\n@code=200\n@rc=0")))
    return controllers.parse(section("controllers", *records))


def test_leases_and_nodes_become_facts() -> None:
    lines = "kube-node-lease m1 m1 2026-11-20T23:59:38.210175Z\n@code=200\n"
    lines += "kube-system kube-scheduler - 2026-11-20T23:59:38Z\n@code=200\n"
    facts = controllers_told(lines, api="asked", now="7")
    assert (facts.api_answers, facts.now) == (True, 7)
    assert [(x.name, x.holder) for x in facts.leases] == [("m1", "m1"), ("kube-scheduler", "")]
    assert [(n.name, n.ready, n.control_plane) for n in facts.nodes] == [("m1", "True", True), ("w1", "False", False)]


@pytest.mark.parametrize(
    ("leases", "values", "answers", "error"),
    [
        (
            "@code=401\n@code=401\n",
            {"api": "asked", "credential": "/etc/k/admin.conf"},
            False,
            "does not accept /etc/k/admin.conf",
        ),
        ("curl: (28) timed out\n@code=000\n", {"api": "asked"}, False, "curl: (28) timed out"),
        ("@code=200\n@code=500\n", {"api": "asked"}, False, "HTTP 500"),
        ("", {"api": "not_listening"}, False, "does not listen"),
        ("", {"api": "no_tool"}, None, "no curl"),
        ("", {"api": "no_credential"}, None, "no admin.conf"),
    ],
)
def test_why_leases_could_not_be_read(leases: str, values: dict[str, str], answers: bool | None, error: str) -> None:
    facts = controllers_told(leases, **values)
    assert facts.api_answers is answers
    assert error in facts.api_error
    assert facts.leases == ()


def test_a_controller_that_is_shut_out() -> None:
    line = '2026-11-20T23:59:34Z stderr F E1 leaderelection.go:461] "Error retrieving lease lock" err="Unauthorized"'
    name, conf = "kube-controller-manager", "/etc/kubernetes/controller-manager.conf"
    records: tuple[tuple[str, ...], ...] = (
        ("val", "controller", name),
        ("val", f"{name}.kubeconfig", conf),
        ("file", conf, "ok", "5662", "600", "root:root", "1795219071", "", ""),
        ("val", f"{name}.started", "1795219000"),
        ("val", f"{name}.listening", "yes"),
        ("val", "api", "not_listening"),
        ("val", f"{name}.log", f"/var/log/pods/x/{name}/3.log"),
        ("out", f"{name}.tail", b64(line + "\n@rc=0")),
    )
    each = controllers.parse(section("controllers", *records)).controller(name)
    assert each is not None
    assert each.unauthorized_at == datetime(2026, 11, 20, 23, 59, 34, tzinfo=timezone.utc)
    assert (each.kubeconfig_mtime, each.started, each.restarts, each.listening) == (1795219071, 1795219000, 3, True)
