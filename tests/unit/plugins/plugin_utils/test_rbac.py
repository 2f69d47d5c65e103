"""Roles and bindings beside those a cluster is born with: data, comparison, checks and repairs, from facts alone."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import ControllersFacts, Lease
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import Cert, PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.rbac import (
    AggregatedApi,
    AuthConfig,
    RbacFacts,
    RbacObject,
    parse,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS, load
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.birth import atoms, birth_of, covered, minor_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.rbac_view import restart_at, view

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
KCM = "ClusterRole system:kube-controller-manager"
ADMINS = "ClusterRoleBinding kubeadm:cluster-admins"


def told(minor: int = 36, **changes: Any) -> RbacFacts:
    """What a healthy cluster of that version shows."""
    birth = birth_of(minor)
    objects = {key: RbacObject(json.dumps(dict(m))) for key, m in {**birth.bootstrap, **birth.kubeadm}.items()}
    facts = RbacFacts(
        source="api",
        credential="/etc/kubernetes/admin.conf",
        version=f"1.{minor}.0",
        modes=("Node", "RBAC"),
        objects=objects,
        config_maps=(*birth.config_maps, "kube-system/kube-proxy"),
        auth_config=AuthConfig(("client-ca-file", "requestheader-client-ca-file"), (), ("aa",), ("bb",)),
    )
    return replace(facts, **changes)


def without(facts: RbacFacts, *keys: str) -> RbacFacts:
    return replace(facts, objects={k: v for k, v in facts.objects.items() if k not in keys})


def master(name: str, facts: RbacFacts, **changes: Any) -> Node:
    ca = Cert("ca", "/etc/kubernetes/pki/ca.crt", "ca", "ok", "/etc/kubernetes/pki/ca.key", "ok", sha256="aa")
    proxy = Cert("front-proxy-ca", "/etc/kubernetes/pki/front-proxy-ca.crt", "ca", "ok", sha256="bb")
    holder = Lease("kube-system", "kube-controller-manager", "m3_x", NOW)
    plain = Node(
        name,
        ("masters",),
        NOW,
        kubelet=KubeletFacts(version="1.36.3", node_name=name, running=True),
        runtime=RuntimeFacts("containerd", "/run/containerd/containerd.sock", True, "containerd"),
        pki=PkiFacts("/etc/kubernetes/pki", (ca, proxy)),
        apiserver=ApiserverFacts(
            present=True, address="10.77.0.11", listening=True, asked=True, readyz=200, now=EPOCH, started=EPOCH - 900
        ),
        controllers=ControllersFacts(api_answers=True, leases=(holder,), now=EPOCH),
        rbac=facts,
    )
    return replace(plain, **changes)


def cluster(facts: RbacFacts, *others: RbacFacts, allow: tuple[str, ...] = ()) -> Cluster:
    """Three masters; what the second and third say is the first one's words where nothing else is given."""
    second, third = (*others, facts, facts)[:2]
    nodes = (master("m1", facts), master("m2", second), master("m3", third))
    return Cluster(nodes, NOW, allow=frozenset(allow))


def findings(of: Cluster) -> dict[tuple[str, str], Finding]:
    found, _ = judge(of, ["rbac"])
    return {(f.code, f.host): f for f in found}


@pytest.mark.parametrize(("minor", "roles"), [(20, 60), (28, 62), (36, 69)])
def test_the_data_is_what_a_fresh_cluster_has(minor: int, roles: int) -> None:
    birth = birth_of(minor)
    assert birth.exact
    assert sum(key.startswith("ClusterRole ") for key in birth.bootstrap) == roles
    assert atoms(birth.bootstrap["ClusterRole cluster-admin"]) == {("res", "*", "*", "*", "*"), ("url", "*", "*")}
    assert "kube-public/cluster-info" in birth.config_maps


def test_between_two_versions_only_what_both_have_is_expected() -> None:
    birth = birth_of(31)
    assert (birth.basis, birth.exact) == ("1.28.15 and 1.36.3", False)
    for minor in (28, 36):
        there = birth_of(minor).bootstrap
        assert set(birth.bootstrap) <= set(there)
        assert [k for k, m in birth.bootstrap.items() if covered(atoms(m), atoms(there[k]))] == []
    assert set(birth.bootstrap) == set(birth_of(28).bootstrap) & set(birth_of(36).bootstrap)


def test_a_version_outside_the_data_uses_the_nearest_and_says_so() -> None:
    assert (birth_of(40).basis, birth_of(40).exact) == ("1.36.3", False)
    seen = view(cluster(told(36, version="1.40.0")))
    assert not isinstance(seen, str)
    assert "no data of this version itself" in seen.by


@pytest.mark.parametrize(
    ("minor", "name"),
    [(18, "kubelet-config-1.18"), (23, "kubelet-config-1.23"), (24, "kubelet-config"), (36, "kubelet-config")],
)
def test_the_name_of_kubelets_configuration_follows_the_version(minor: int, name: str) -> None:
    birth = birth_of(minor)
    assert f"kube-system/{name}" in birth.config_maps
    assert f"Role kube-system/kubeadm:{name}" in birth.kubeadm
    role = birth.kubeadm[f"RoleBinding kube-system/kubeadm:{name}"]["roleRef"]["name"]
    assert role == f"kubeadm:{name}"


@pytest.mark.parametrize(
    ("text", "minor"), [("1.36.3", 36), ("v1.20.15", 20), ("1.28", 28), ("", None), ("main", None), ("2.1", None)]
)
def test_minor_of_a_version(text: str, minor: int | None) -> None:
    assert minor_of(text) == minor


def test_a_star_covers_every_word_in_its_place() -> None:
    all_of = frozenset([("res", "*", "*", "*", "*"), ("url", "*", "*")])
    assert covered([("res", "apps", "deployments", "*", "get"), ("url", "/livez", "get")], all_of) == ()
    some = frozenset([("res", "", "pods", "web", "get"), ("url", "/healthz/*", "get")])
    lacks = covered([("res", "", "pods", "*", "get"), ("url", "/healthz/etcd", "get"), ("url", "/livez", "get")], some)
    assert lacks == (("res", "", "pods", "*", "get"), ("url", "/livez", "get"))


@pytest.mark.parametrize("minor", [20, 24, 28, 31, 36])
def test_nothing_is_wrong_with_what_a_cluster_is_born_with(minor: int) -> None:
    found, outcomes = judge(cluster(told(minor)), ["rbac"])
    assert found == ()
    assert [o for o in outcomes if o.state == "could_not_tell"] == []


def test_what_an_operator_added_is_no_finding() -> None:
    facts = told()
    meaning = json.loads(facts.objects[KCM].meaning)
    meaning["rules"].append({"apiGroups": ["x"], "resources": ["y"], "verbs": ["*"]})
    more = replace(facts, objects={**facts.objects, KCM: RbacObject(json.dumps(meaning))}, custom=30)
    assert findings(cluster(more)) == {}


def test_missing_objects_are_brought_back_by_one_restart_beside_no_leader() -> None:
    broken = cluster(without(told(), KCM, f"ClusterRoleBinding{KCM[11:]}"))
    (key,) = findings(broken)
    assert key == ("rbac.bootstrap_object_missing", "m2")  # m3 leads
    found = findings(broken)[key]
    assert "2 of the 133" in found.summary
    assert found.evidence[0] == "ClusterRole: system:kube-controller-manager"
    steps, refusals = plan(broken, tuple(findings(broken).values()))
    assert [(s.kind, s.host) for s in steps] == [("rbac_bootstrap", "m2")]
    assert refusals == ()
    assert steps[0].args["components"] == ["kube-apiserver"]


def test_an_apiserver_that_does_not_serve_anyway_is_the_one_to_restart() -> None:
    nodes = cluster(without(told(), KCM)).nodes
    assert nodes[0].apiserver is not None
    sick = replace(nodes[0], apiserver=replace(nodes[0].apiserver, readyz=403))
    chosen = restart_at(Cluster((sick, *nodes[1:]), NOW))
    assert chosen is not None
    assert chosen.name == "m1"


def test_reduced_roles_name_what_they_lack() -> None:
    facts = told()
    meaning = json.loads(facts.objects[KCM].meaning)
    meaning["rules"] = meaning["rules"][1:]
    less = replace(facts, objects={**facts.objects, KCM: RbacObject(json.dumps(meaning))})
    found = findings(cluster(less))[("rbac.bootstrap_rules_missing", "m2")]
    assert found.repair == "rbac_bootstrap"
    assert found.evidence[0].startswith(f"{KCM} lacks: create events")


def test_a_binding_to_another_role_lacks_its_own() -> None:
    key = "ClusterRoleBinding cluster-admin"
    facts = told()
    other = {**json.loads(facts.objects[key].meaning)}
    other["roleRef"] = {**other["roleRef"], "name": "view"}
    changed = replace(facts, objects={**facts.objects, key: RbacObject(json.dumps(other))})
    found = findings(cluster(changed))[("rbac.bootstrap_rules_missing", "m2")]
    assert found.evidence[0] == f"{key} lacks: ClusterRole cluster-admin as its role"


def test_a_protected_object_that_lacks_a_part_needs_consent() -> None:
    facts = replace(told(), objects={**told().objects, KCM: RbacObject(json.dumps({"rules": []}), autoupdate=False)})
    found = findings(cluster(facts))
    assert list(found) == [("rbac.autoupdate_off", "m2")]
    steps, refusals = plan(cluster(facts), tuple(found.values()))
    assert steps == ()
    assert refusals[0].consent == "rbac.autoupdate_off"
    steps, _ = plan(cluster(facts, allow=("rbac.autoupdate_off",)), tuple(found.values()))
    assert steps[0].args["paths"] == ["/apis/rbac.authorization.k8s.io/v1/clusterroles/system:kube-controller-manager"]


def test_a_protected_object_that_is_whole_is_only_reported() -> None:
    facts = told()
    kept = replace(facts, objects={**facts.objects, KCM: replace(facts.objects[KCM], autoupdate=False)})
    found = findings(cluster(kept))[("rbac.autoupdate_off", "m2")]
    assert (found.severity, found.repair) == ("info", "")


@pytest.mark.parametrize(
    ("gone", "severity"),
    [(ADMINS, "critical"), ("ClusterRoleBinding kubeadm:kubelet-bootstrap", "warning")],
)
def test_what_kubeadm_made_is_made_again(gone: str, severity: str) -> None:
    broken = cluster(without(told(), gone))
    found = findings(broken)[("rbac.kubeadm_object_missing", "m1")]
    assert found.severity == severity
    (step,), _ = plan(broken, (found,))
    assert step.kind == "rbac_objects"
    body = json.loads(step.args["bodies"][0])
    assert f"{body['kind']} {body['metadata']['name']}" == gone
    assert body["roleRef"] == birth_of(36).kubeadm[gone]["roleRef"]
    assert step.args["paths"] == ["/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"]


def test_config_maps_of_kubeadm() -> None:
    facts = replace(told(), config_maps=("kube-system/kubeadm-config", "kube-system/other"))
    found = findings(cluster(facts))[("rbac.kubeadm_object_missing", "m1")]
    (step,), _ = plan(cluster(facts), (found,))
    assert (step.args["info"], step.args["kubelet_map"], step.args["bodies"]) == ("yes", "kubelet-config", [])
    memory = replace(told(), config_maps=("kube-public/cluster-info", "kube-system/kubelet-config"))
    (lost,) = findings(cluster(memory)).values()
    assert (lost.code, lost.severity, lost.repair) == ("rbac.kubeadm_config_missing", "warning", "kubeadm_config")


def test_a_cluster_without_kubeadm_misses_nothing_of_it() -> None:
    facts = replace(without(told(), *birth_of(36).kubeadm), config_maps=("kube-system/coredns",))
    assert findings(cluster(facts)) == {}


def test_the_binding_of_kube_proxy_is_expected_where_kube_proxy_is() -> None:
    key = "ClusterRoleBinding kubeadm:node-proxier"
    assert list(findings(cluster(without(told(), key)))) == [("rbac.kubeadm_object_missing", "m1")]
    bare = replace(without(told(), key), config_maps=birth_of(36).config_maps)
    assert findings(cluster(bare)) == {}


def test_only_names_where_only_etcd_answers() -> None:
    names = {key: RbacObject() for key in told().objects if key != KCM}
    facts = told(source="etcd", objects=names, why="this node's kube-apiserver does not listen", version="")
    found, outcomes = judge(cluster(facts), ["rbac"])
    assert [f.code for f in found] == ["rbac.bootstrap_object_missing"]
    blind = {o.code for o in outcomes if o.state == "could_not_tell"}
    assert blind == {
        "rbac.bootstrap_rules_missing",
        "rbac.autoupdate_off",
        "apiserver.extension_auth_config",
        "apiserver.aggregated_api_down",
    }


def test_the_master_that_may_read_everything_is_believed_first() -> None:
    locked = told(source="", objects={}, why="lets nobody read")
    assert findings(cluster(locked, told(), locked)) == {}


def test_nobody_can_tell() -> None:
    locked = told(source="", objects={}, why="this node's kube-apiserver does not listen")
    found, outcomes = judge(cluster(locked), ["rbac"])
    assert found == ()
    assert any("does not listen" in o.why for o in outcomes if o.code == "rbac.bootstrap_object_missing")


def test_without_rbac_among_the_authorizers_nothing_is_missed() -> None:
    assert findings(cluster(without(told(modes=("AlwaysAllow",)), KCM))) == {}


@pytest.mark.parametrize(
    ("config", "repair", "words"),
    [
        (AuthConfig(("client-ca-file",), ("client-ca-file",)), "auth_config_reset", "no certificate"),
        (AuthConfig(("client-ca-file",), (), ("aa",), ()), "", "lacks requestheader-client-ca-file"),
        (
            AuthConfig(("client-ca-file", "requestheader-client-ca-file"), (), ("aa",), ("old",)),
            "auth_config_reset",
            "does not hold the CA",
        ),
        (None, "", "is gone"),
    ],
)
def test_what_aggregated_servers_shall_believe(config: AuthConfig | None, repair: str, words: str) -> None:
    found = findings(cluster(told(auth_config=config)))[("apiserver.extension_auth_config", "m1")]
    assert (found.repair, words in found.summary) == (repair, True)


def test_an_aggregated_api_that_does_not_answer() -> None:
    apis = (
        AggregatedApi("v1beta1.metrics.k8s.io", "kube-system/metrics-server", "False (MissingEndpoints)"),
        AggregatedApi("v1.other", "x/y", "True"),
    )
    found = findings(cluster(told(aggregated=apis)))[("apiserver.aggregated_api_down", "m1")]
    assert found.severity == "warning"
    assert found.evidence == (
        "APIService v1beta1.metrics.k8s.io: service kube-system/metrics-server, Available: False (MissingEndpoints)",
    )


def test_check_mode_subtracts_what_would_be_done() -> None:
    load()
    broken = cluster(without(told(), KCM, ADMINS))
    after = {n.name: n for n in broken.nodes}
    for step in plan(broken, tuple(findings(broken).values()))[0]:
        after[step.host] = KINDS[step.kind].effect(after[step.host], step.args)
    assert findings(Cluster(tuple(after.values()), NOW)) == {}


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    section = Section(
        "rbac", "ok", values={"api": "asked"}, blobs={"objects": '{"items":[]}\n@code=200\n', "tables": ""}
    )
    with pytest.raises(ValueError, match="not all of it was answered"):
        parse(section)


def test_keys_of_etcd_are_names() -> None:

    keys = [
        "/registry/clusterroles/cluster-admin",
        "/registry/rolebindings/kube-system/mine",
        "/registry/configmaps/kube-public/cluster-info",
    ]
    kvs = [{"key": base64.b64encode(key.encode()).decode()} for key in keys]
    section = Section(
        "rbac", "ok", values={"api": "not_listening"}, blobs={"keys": json.dumps({"kvs": kvs}) + "\n@code=200\n"}
    )
    facts = parse(section)
    assert (facts.source, facts.custom, list(facts.objects)) == ("etcd", 1, ["ClusterRole cluster-admin"])
    assert facts.config_maps == ("kube-public/cluster-info",)
    assert "does not listen" in facts.why
