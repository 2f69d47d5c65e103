"""Serving certificates of kubelets: what is found of nodes, and what is planned."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from builders.serving import NOW, asked, pem
from cryptography import x509

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import ControllersFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import (
    ServingRequest,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS, Refused
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.serving_request import (
    Expected,
    expected,
)

PKI = "/var/lib/kubelet/pki"

# What is seen of nodes


def cert(days: float, age: float = 300, name: str = "kubelet-server-current.pem", **changes: Any) -> Cert:
    ends, begins = NOW + dt.timedelta(days=days), NOW - dt.timedelta(days=age)
    path = f"{PKI}/{name}"
    bare = Cert("kubelet-serving", path, "pair", "ok", path, "ok", not_before=begins, not_after=ends, sha256="ab")
    return replace(bare, **changes)


def kubelet(name: str, address: str, **changes: Any) -> KubeletFacts:
    bare = KubeletFacts(
        node_name=name,
        hostname=name,
        running=True,
        healthz="ok",
        load="loaded",
        enabled="enabled",
        config_kind_ok=True,
        name_sources=(f"client certificate={name}", f"hostname={name}"),
        addresses=(("eth0", address), ("cni0", "10.244.3.1"), ("kube-ipvs0", "10.96.0.1"), ("docker0", "172.17.0.1")),
        kubeconfig_server="https://10.77.0.10:6443",
        serving=cert(200),
        serving_by="rotation",
    )
    return replace(bare, **changes)


def cluster_of(*requests: ServingRequest, told: bool = True, **changes: Any) -> Cluster:
    """m1 and w1; changes: of w1's kubelet."""
    controllers = ControllersFacts(api_answers=told, requests=requests if told else None)
    m1 = Node(
        "m1",
        ("masters",),
        kubelet=kubelet("m1", "10.77.0.11", serving=cert(300), serving_by="told"),
        controllers=controllers,
        apiserver=ApiserverFacts(True, address="10.77.0.11", listening=True),
    )
    w1 = Node("w1", ("workers",), kubelet=kubelet("w1", "10.77.0.21", **changes))
    return Cluster((m1, w1), NOW)


def found(cluster: Cluster) -> dict[tuple[str, str], str]:
    findings, _ = judge(cluster, ("kubelet",))
    return {(f.code.removeprefix("kubelet."), f.host): f.severity for f in findings if "serving" in f.code}


def test_only_addresses_of_this_node_alone_are_expected() -> None:
    cluster = cluster_of()
    assert expected(cluster.node("w1"), cluster) == Expected("w1", ("w1",), ("10.77.0.21",))
    assert expected(cluster.node("m1"), cluster) == Expected("m1", ("m1",), ("10.77.0.11",))
    own = cluster.node("w1").kubelet
    assert own is not None

    def told(**changes: Any) -> Expected | str:
        worker = Node("w1", ("workers",), kubelet=replace(own, **changes))
        return expected(worker, replace(cluster, nodes=(cluster.nodes[0], worker)))

    more = (*own.addresses, ("eth1", "10.77.0.10"), ("eth1", "10.77.0.11"), ("eth1", "fe80::1"), ("eth1", "192.0.2.7"))
    addresses = told(addresses=more)
    assert isinstance(addresses, Expected)
    assert addresses.addresses == ("10.77.0.21", "192.0.2.7")  # neither the endpoint's nor a master's
    for name in ("kubernetes.default.svc", "localhost", "m1", "x.svc.cluster.local"):
        assert told(hostname=name) == Expected("w1", ("w1",), ("10.77.0.21",))
    assert "could not be read" in str(told(addresses=()))
    assert "not certain" in str(told(name_sources=("client certificate=w1", "hostname=w2")))


@pytest.mark.parametrize(
    ("serving", "requests", "severity"),
    [
        (cert(200), (), ""),
        (cert(200), (asked(),), "warning"),
        (cert(200), (asked(minutes=1),), ""),  # somebody else may approve it
        (cert(200, mtime=int(NOW.timestamp())), (asked(),), ""),  # it was made before the certificate came
        (cert(200), (asked(pem((x509.DNSName("api"),))),), ""),
        (cert(20), (), "warning"),
        (cert(-1), (), "critical"),
        (cert(-1), (asked(),), "critical"),
        (cert(1, state="missing", not_after=None, not_before=None), (asked(),), "critical"),
        (cert(1, key_state="missing"), (), "critical"),
    ],
)
def test_what_waits_for_approval(serving: Cert, requests: tuple[ServingRequest, ...], severity: str) -> None:
    judged = found(cluster_of(*requests, serving=serving))
    assert judged.get(("serving_csr_pending", "w1"), "") == severity


def test_strange_requests_are_named_with_their_node_or_the_first_master() -> None:
    forged = asked(pem((x509.DNSName("api"),)), name="forged")
    other = asked(name="other", username="system:node:w9")
    cluster = cluster_of(forged, other)
    assert set(found(cluster)) == {("serving_csr_strange", "w1"), ("serving_csr_strange", "m1")}
    findings, _ = judge(cluster, ("kubelet",))
    assert [f.repair for f in findings] == ["", ""]
    summaries = " ".join(f.summary for f in findings)
    assert "forged, a request for a kubelet's serving certificate, is not approved: 'api' is no name" in summaries
    assert "no node of the inventory" in summaries


def test_nobody_can_tell_where_no_api_server_answers() -> None:
    _, outcomes = judge(cluster_of(told=False), ("kubelet",))
    states = {(o.code, o.host): o.state for o in outcomes}
    assert states["kubelet.serving_csr_pending", "w1"] == "could_not_tell"
    assert states["kubelet.serving_csr_pending", "m1"] == "not_applicable"
    assert found(cluster_of(told=False, serving=cert(-1))) == {("serving_csr_pending", "w1"): "critical"}


@pytest.mark.parametrize(
    ("days", "age", "expected_"),
    [(61, 304, False), (59, 306, True), (-1, 366, True), (20, 5, False), (10, 15, True)],
)
def test_a_certificate_that_the_kubelet_signed_itself(days: float, age: float, expected_: bool) -> None:
    cluster = cluster_of(serving=cert(days, age, "kubelet.crt"), serving_by="itself")
    assert found(cluster) == ({("serving_cert_near_expiry", "w1"): "warning"} if expected_ else {})


def test_half_a_pair_keeps_the_kubelet_from_starting() -> None:
    half = cert(200, 5, "kubelet.crt", key_path=f"{PKI}/kubelet.key", key_state="missing")
    assert found(cluster_of(serving=half, serving_by="itself")) == {("serving_cert_unusable", "w1"): "warning"}
    down = cluster_of(serving=half, serving_by="itself", running=False, healthz="", active="failed")
    findings, _ = judge(down, ("kubelet",))
    causes = {f.code: f.cause for f in findings}
    assert causes["kubelet.down"] == "kubelet.serving_cert_unusable@w1"


def _steps(cluster: Cluster) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    findings, _ = judge(cluster, ("kubelet",))
    seen = tuple(replace(n, clock_skew=0.0) for n in cluster.nodes)
    steps, refusals = plan(replace(cluster, nodes=seen), findings)
    return {s.kind: s.args for s in steps}, {r.kind: r.reason for r in refusals}


def test_the_plan_and_what_check_foretells() -> None:
    cluster = cluster_of(asked(), serving=cert(-1))
    steps, refused = _steps(cluster)
    assert refused == {}
    args = steps["kubelet_serving_approve"]
    assert (args["asker"], args["names"], args["addresses"]) == ("m1", ["w1"], ["10.77.0.21"])
    assert args["api"]["ca_key"] == ""
    after = KINDS["kubelet_serving_approve"].effect(cluster.node("w1"), args)
    assert found(replace(cluster, nodes=(cluster.nodes[0], after), foretold=True)) == {}
    own = cluster_of(serving=cert(20, 345, "kubelet.crt"), serving_by="itself")
    steps, _ = _steps(own)
    assert steps["kubelet_serving"]["lives"] == 60 * 86400
    after = KINDS["kubelet_serving"].effect(own.node("w1"), steps["kubelet_serving"])
    assert found(replace(own, nodes=(own.nodes[0], after))) == {}


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (cluster_of(told=False, serving=cert(-1)), "looked at again once one does"),
        (cluster_of(asked(), serving=cert(-1), addresses=()), "its addresses could not be read"),
        (cluster_of(asked(), serving=cert(-1), running=False), "does not run well"),
        (cluster_of(asked(), serving=cert(-1), config_kind_ok=False), "could not"),
    ],
)
def test_when_nothing_is_approved(cluster: Cluster, words: str) -> None:
    decided = KINDS["kubelet_serving_approve"].plan(cluster.node("w1"), cluster, ())
    assert isinstance(decided, Refused)
    assert words in decided.reason


def test_a_kubelet_that_would_not_come_up_again_is_not_stopped() -> None:
    cluster = cluster_of(serving=cert(20, 345, "kubelet.crt"), serving_by="itself", config_kind_ok=False)
    decided = KINDS["kubelet_serving"].plan(cluster.node("w1"), cluster, ())
    assert isinstance(decided, Refused)
    assert "could not start again" in decided.reason
