"""What real nodes of both profiles said (tests/capture.py), through parsers, judge and plan."""

from __future__ import annotations

import pytest
from builders.captured import FIXTURES, captured

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Finding
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

PROFILES = ("current", "legacy")
ROOT_CAUSES = {
    ("host.disk_full", "m2"),
    ("host.swap_on", "m3"),
    ("host.service_disabled", "w1"),
    *(("pki.cert_expired", master) for master in ("m1", "m2", "m3")),
    *(("pki.kubeconfig_expired", master) for master in ("m1", "m2", "m3")),
    ("pki.admin_kubeconfig_stale", "m1"),
    *(("kubelet.client_cert_expired", node) for node in ("m1", "m2", "m3", "w1")),
    ("etcd.member_data_lost", "m2"),
}


def seen(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(f.code, f.host) for f in findings}


HEALTHY = (("current", "healthy"), ("legacy", "healthy"), ("current", "units"))


@pytest.mark.parametrize(("profile", "situation"), HEALTHY)
def test_every_section_of_every_real_node_is_understood(profile: str, situation: str) -> None:
    for node in captured(profile, situation).nodes:
        assert node.complete
        assert node.sections == dict.fromkeys(LAYERS, "ok"), node.name


@pytest.mark.parametrize(("profile", "situation"), HEALTHY)
def test_a_healthy_cluster_has_no_finding_and_no_step(profile: str, situation: str) -> None:
    cluster = captured(profile, situation)
    findings, outcomes = judge(cluster)
    assert [(f.code, f.host, f.evidence) for f in findings] == []
    assert [(o.code, o.host, o.why) for o in outcomes if o.state == "could_not_tell"] == []
    assert plan(cluster, findings) == ((), ())


def test_of_a_control_plane_of_units_as_much_is_known_as_of_static_pods() -> None:
    for node in captured("current", "units").masters:
        api, etcd, controllers, pki = node.apiserver, node.etcd, node.controllers, node.pki
        assert api
        assert etcd
        assert controllers
        assert pki
        assert (api.unit, etcd.unit) == ("kube-apiserver", "etcd")
        assert "--authorization-mode=Node,RBAC" in api.flags  # from the environment file
        assert (etcd.parses, etcd.rejoinable, etcd.name) == (True, True, node.name)
        services = [api.service, etcd.service, *(c.service for c in controllers.controllers)]
        assert [(s.active, s.enabled) for s in services if s] == [("active", "enabled")] * 4
        manager, scheduler = controllers.controllers
        assert (manager.unit, scheduler.unit) == ("kube-controller-manager", "kube-scheduler")
        assert scheduler.kubeconfig == "/etc/kubernetes/scheduler.conf"  # ${VARIABLE} in a drop-in
        assert scheduler.last_line_at
        assert api.log_written
        assert all(pki.cert(name) for name in ("etcd-peer", "scheduler.conf", "ca", "front-proxy-client"))


@pytest.mark.parametrize("profile", PROFILES)
def test_after_the_power_loss_the_root_causes_are_named_and_no_other(profile: str) -> None:
    findings, _ = judge(captured(profile, "power-loss"))
    roots = {(f.code, f.host) for f in findings if not f.cause}
    assert roots == ROOT_CAUSES
    assert ("apiserver.down", "m1") in seen(findings)


@pytest.mark.parametrize("profile", PROFILES)
def test_no_private_key_is_in_what_was_captured(profile: str) -> None:
    for path in (FIXTURES / profile).rglob("*.txt"):
        for node in [path.read_text(encoding="utf-8")]:
            assert "PRIVATE KEY" not in node
            assert "UFJJVkFURSBLRV" not in node, "PRIVATE KE in base64"
