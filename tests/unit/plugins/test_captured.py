"""What real nodes of both profiles said (tests/capture.py), through parsers, judge and plan."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import observe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

FIXTURES = Path(__file__).parents[2] / "fixtures" / "probe"
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


def captured(profile: str, situation: str) -> Cluster:
    nodes: list[Node] = []
    now = datetime.min
    for path in sorted((FIXTURES / profile / situation).glob("*.txt")):
        head, _, answer = path.read_text(encoding="utf-8").partition("\n")
        found = re.search(r"groups=(\S+); at=(\S+)", head)
        assert found, f"{path}: no head"
        now = datetime.fromisoformat(found[2])
        nodes.append(observe(path.stem, tuple(found[1].split(",")), answer, LAYERS, now, now))
    assert len(nodes) == 4, f"{profile}/{situation}: four nodes were captured"
    return Cluster(tuple(nodes), now)


def seen(findings: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(f.code, f.host) for f in findings}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_section_of_every_real_node_is_understood(profile: str) -> None:
    for node in captured(profile, "healthy").nodes:
        assert node.complete
        assert node.sections == dict.fromkeys(LAYERS, "ok"), node.name


@pytest.mark.parametrize("profile", PROFILES)
def test_a_healthy_cluster_has_no_finding_and_no_step(profile: str) -> None:
    cluster = captured(profile, "healthy")
    findings, outcomes = judge(cluster)
    assert [(f.code, f.host, f.evidence) for f in findings] == []
    assert [(o.code, o.host, o.why) for o in outcomes if o.state == "could_not_tell"] == []
    assert plan(cluster, findings) == ((), ())


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
