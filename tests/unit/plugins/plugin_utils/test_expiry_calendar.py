"""From what real nodes said to the calendar of their certificates: healthy ones, and one for each damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import reduce

import pytest
from builders.captured import captured

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import Calendar, Row, calendar
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_report import ending
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

NAMES = ("m1", "m2", "m3", "w1")
PKI, CONF, KUBELET = "/etc/kubernetes/pki", "/etc/kubernetes", "/var/lib/kubelet/pki"
ON_WORKERS = {f"{KUBELET}/kubelet-client-current.pem", f"{KUBELET}/kubelet.crt", f"{PKI}/ca.crt"}
ON_MASTERS = {
    *ON_WORKERS,
    *(f"{PKI}/{name}.crt" for name in ("apiserver", "apiserver-etcd-client", "apiserver-kubelet-client")),
    *(f"{PKI}/{name}.crt" for name in ("front-proxy-client", "front-proxy-ca", "etcd/ca", "etcd/server", "etcd/peer")),
    f"{PKI}/etcd/healthcheck-client.crt",
    *(f"{CONF}/{name}.conf" for name in ("admin", "controller-manager", "scheduler")),
}
ONLY_CURRENT = {f"{CONF}/super-admin.conf"}  # on the first master, since 1.29


@pytest.fixture(scope="module")
def healthy() -> Cluster:
    return captured("current", "healthy")


def of(made: Calendar, node: str, path: str) -> Row:
    (row,) = [row for row in made.rows if (row.node, row.path) == (node, path)]
    return row


def with_node(cluster: Cluster, name: str, change: Callable[[Node], Node]) -> Cluster:
    return replace(cluster, nodes=tuple(change(n) if n.name == name else n for n in cluster.nodes))


def with_certs(cluster: Cluster, change: Callable[[Cert], Cert | None], *names: str) -> Cluster:
    """The same with other certificates of the control plane on these masters (all of them)."""

    def changed(node: Node) -> Node:
        assert node.pki is not None
        certs = tuple(c for c in map(change, node.pki.certs) if c)
        return replace(node, pki=replace(node.pki, certs=certs))

    for name in names or ("m1", "m2", "m3"):
        cluster = with_node(cluster, name, changed)
    return cluster


def one(name: str, **fields: object) -> Callable[[Cert], Cert]:
    return lambda cert: replace(cert, **fields) if cert.name == name else cert  # type: ignore[arg-type]  # fields by name


def with_kubelet(cluster: Cluster, name: str, change: Callable[[KubeletFacts], KubeletFacts]) -> Cluster:
    def changed(node: Node) -> Node:
        assert node.kubelet is not None
        return replace(node, kubelet=change(node.kubelet))

    return with_node(cluster, name, changed)


@pytest.mark.parametrize(
    ("profile", "situation"), [("current", "healthy"), ("legacy", "healthy"), ("current", "units")]
)
def test_of_a_healthy_cluster_every_certificate_is_there_once(profile: str, situation: str) -> None:
    made = calendar(captured(profile, situation), NAMES)
    for name in NAMES:
        paths = [row.path for row in made.rows if row.node == name]
        assert len(paths) == len(set(paths))
        first = {*(ONLY_CURRENT if profile == "current" else ()), "/root/.kube/config"} if name == "m1" else set()
        assert set(paths) == (ON_WORKERS if name == "w1" else ON_MASTERS | first)
    assert {row.state for row in made.rows} == {"ok"}
    assert [row.not_after for row in made.rows] == sorted(row.not_after for row in made.rows if row.not_after)
    assert made.unknown == ()
    assert ending(made) == ""


def test_each_row_says_what_it_is_and_who_renews_it(healthy: Cluster) -> None:
    made = calendar(healthy, NAMES)
    told = {row.path: (row.kind, row.signed_by, row.renewed_by) for row in made.rows if row.node == "m1"}
    renewed = "renew-certificates.yml"
    assert told[f"{PKI}/apiserver.crt"] == ("serving", "ca", renewed)
    assert told[f"{PKI}/etcd/peer.crt"] == ("serving", "etcd-ca", renewed)
    assert told[f"{PKI}/etcd/healthcheck-client.crt"] == ("client", "etcd-ca", renewed)
    assert told[f"{PKI}/front-proxy-client.crt"] == ("client", "front-proxy-ca", renewed)
    assert told[f"{CONF}/super-admin.conf"] == ("kubeconfig", "ca", renewed)
    assert told["/root/.kube/config"] == ("user_copy", "ca", renewed)
    assert told[f"{PKI}/etcd/ca.crt"] == ("ca", "etcd-ca", "operator")
    assert told[f"{KUBELET}/kubelet-client-current.pem"] == ("client", "ca", "kubelet")
    assert told[f"{KUBELET}/kubelet.crt"] == ("serving", "", renewed)
    unneeded = {row.path for row in made.rows if row.node == "m1" and not row.relied_on}
    assert unneeded == {"/root/.kube/config", f"{KUBELET}/kubelet.crt"}
    row = of(made, "w1", f"{KUBELET}/kubelet-client-current.pem")
    assert (row.name, row.subject, row.issuer) == (
        "kubelet-client",
        "CN=system:node:w1,O=system:nodes",
        "CN=kubernetes",
    )
    assert row.not_before is not None
    assert row.not_after is not None
    assert row.days_left == (row.not_after - made.now).days


@pytest.mark.parametrize("profile", ["current", "legacy"])
def test_what_a_power_loss_let_expire_is_critical_and_comes_first(profile: str) -> None:
    made = calendar(captured(profile, "power-loss"), NAMES)
    over = [row for row in made.rows if row.state == "expired"]
    assert list(made.rows[: len(over)]) == over
    assert {row.renewed_by for row in over} == {"renew-certificates.yml", "repair-kubelet.yml"}
    assert [row.path for row in over if not row.critical] == ["/root/.kube/config"]
    assert {row.days_left for row in over} == {-1}
    assert "m1:/etc/kubernetes/admin.conf (expired)" in ending(made)
    assert f"and {len(over) - 1 - 5} more" in ending(made)


@pytest.mark.parametrize(("days", "state"), [(60.1, "ok"), (59.9, "near"), (-0.1, "expired")])
def test_near_begins_at_the_setting(healthy: Cluster, days: float, state: str) -> None:
    ends = healthy.now + timedelta(days=days)
    year = one("apiserver", not_before=ends - timedelta(days=365), not_after=ends)
    row = of(calendar(with_certs(healthy, year), NAMES), "m2", f"{PKI}/apiserver.crt")
    assert (row.state, row.critical) == (state, state == "expired")


def test_the_operators_setting_counts(healthy: Cluster) -> None:
    later = replace(healthy, now=healthy.now + timedelta(days=200))  # more than half of a year's life
    assert {row.state for row in calendar(later, NAMES).rows} == {"ok"}
    made = calendar(replace(later, settings={"kuberevive_renew_within": 400}), NAMES)
    near = {row.kind for row in made.rows if row.state == "near"}
    assert near == {"serving", "client", "kubeconfig", "user_copy"}
    assert ending(made) == ""


def test_of_a_short_life_half_is_near(healthy: Cluster) -> None:
    def state(left: float) -> str:
        begins, ends = healthy.now - timedelta(days=30 - left), healthy.now + timedelta(days=left)
        short = with_certs(healthy, one("apiserver", not_before=begins, not_after=ends))
        return of(calendar(short, NAMES), "m2", f"{PKI}/apiserver.crt").state

    assert (state(15.1), state(14.9)) == ("ok", "near")


def test_what_kubelet_renews_is_near_only_when_it_is_late(healthy: Cluster) -> None:
    def lives(used: float) -> Cluster:
        def short(kubelet: KubeletFacts) -> KubeletFacts:
            assert kubelet.client is not None
            begins, ends = healthy.now - timedelta(days=used * 7), healthy.now + timedelta(days=(1 - used) * 7)
            return replace(kubelet, client=replace(kubelet.client, not_before=begins, not_after=ends))

        return with_kubelet(healthy, "w1", short)

    path = f"{KUBELET}/kubelet-client-current.pem"
    assert of(calendar(lives(0.91), NAMES), "w1", path).state == "ok"
    assert of(calendar(lives(0.93), NAMES), "w1", path).state == "near"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            one("ca", key_state="missing"),
            f"the CA's key {PKI}/ca.key is missing (an external CA?): sign where that key is kept",
        ),
        (one("apiserver", signed_by=""), "apiserver was not signed by any CA of this node"),
        (one("apiserver", state="withheld", sha256=""), "it is in a form that the probe does not read"),
    ],
)
def test_without_a_way_to_sign_it_is_the_operators(healthy: Cluster, change: Callable[[Cert], Cert], why: str) -> None:
    row = of(calendar(with_certs(healthy, change), NAMES), "m1", f"{PKI}/apiserver.crt")
    assert row.renewed_by == "operator"
    assert row.because.startswith(why)


def test_what_ends_with_its_ca_is_the_operators(healthy: Cluster) -> None:
    ends = healthy.now + timedelta(days=20)
    begins = ends - timedelta(days=365)
    year = (one(name, not_before=begins, not_after=ends) for name in ("ca", "apiserver"))
    short = reduce(with_certs, year, healthy)
    row = of(calendar(short, NAMES), "m1", f"{PKI}/apiserver.crt")
    assert (row.state, row.renewed_by, row.because) == ("near", "operator", f"its CA {PKI}/ca.crt ends no later")
    longer = with_certs(short, one("ca", not_after=ends + timedelta(days=2)))
    assert of(calendar(longer, NAMES), "m1", f"{PKI}/apiserver.crt").renewed_by == "renew-certificates.yml"


def test_without_the_cas_key_no_kubelet_renews_itself(healthy: Cluster) -> None:
    keyless = calendar(with_certs(healthy, one("ca", key_state="missing")), NAMES)
    assert of(keyless, "w1", f"{KUBELET}/kubelet-client-current.pem").renewed_by == "operator"
    two = calendar(with_certs(healthy, one("ca", key_state="missing"), "m1", "m2"), NAMES)
    assert of(two, "w1", f"{KUBELET}/kubelet-client-current.pem").renewed_by == "kubelet"
    assert of(keyless, "m1", f"{PKI}/ca.crt").state == "ok", "an absent key is no fault of the CA"


@pytest.mark.parametrize(
    ("fields", "state", "reason"),
    [
        ({"state": "missing", "not_after": None, "sha256": ""}, "unreadable", "is missing"),
        ({"state": "unparsable", "not_after": None, "sha256": ""}, "unreadable", "holds no certificate that can be"),
        ({"key_state": "mismatch"}, "unreadable", "does not fit the certificate"),
    ],
)
def test_what_cannot_be_used_says_why_and_comes_before_all_when_its_end_is_unknown(
    healthy: Cluster, fields: dict[str, object], state: str, reason: str
) -> None:
    made = calendar(with_certs(healthy, one("etcd-server", **fields), "m2"), NAMES)
    row = of(made, "m2", f"{PKI}/etcd/server.crt")
    assert (row.state, row.critical, row.kind) == (state, True, "serving")
    assert reason in row.reason
    assert (made.rows[0] is row) == (row.not_after is None)
    assert row.renewed_by == "renew-certificates.yml", "another master tells what its names were"
    assert "m2:/etc/kubernetes/pki/etcd/server.crt (unreadable)" in ending(made)


def test_what_no_other_master_tells_is_the_operators(healthy: Cluster) -> None:
    gone = with_certs(healthy, one("etcd-server", state="empty", not_after=None, sha256="", subject=""))
    row = of(calendar(gone, NAMES), "m1", f"{PKI}/etcd/server.crt")
    assert row.renewed_by == "operator"
    assert "restore it from a backup" in row.because


def test_what_is_not_valid_yet_is_critical(healthy: Cluster) -> None:
    begins = healthy.now + timedelta(hours=1)
    row = of(calendar(with_certs(healthy, one("apiserver", not_before=begins)), NAMES), "m1", f"{PKI}/apiserver.crt")
    assert (row.state, row.critical) == ("not_yet_valid", True)
    assert f"{begins:%Y-%m-%d %H:%M}" in row.reason


def test_a_kubeconfig_without_a_certificate_has_no_row(healthy: Cluster) -> None:
    token = with_certs(healthy, one("scheduler.conf", sha256="", not_after=None, subject=""))
    assert f"{CONF}/scheduler.conf" not in {row.path for row in calendar(token, NAMES).rows}
    keyless = with_kubelet(healthy, "w1", lambda k: replace(k, kubeconfig_cert="", client=None))
    rows = [row.name for row in calendar(keyless, NAMES).rows if row.node == "w1"]
    assert rows == ["kubelet-serving", "ca"]
    absent = with_kubelet(healthy, "w1", lambda k: replace(k, load="not-found"))
    assert [row for row in calendar(absent, NAMES).rows if row.node == "w1"] == []


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"subject": "CN=somebody"}, "it is no copy of this cluster's admin.conf"),
        ({"from_authority": False, "ca_public_sha256": "other"}, "it is no copy of this cluster's admin.conf"),
        ({"state": "withheld", "sha256": "", "not_after": None}, "it is in a form that the probe does not read"),
    ],
)
def test_a_users_kubeconfig_of_another_kind_is_the_operators_and_never_critical(
    healthy: Cluster, fields: dict[str, object], because: str
) -> None:
    past = {"not_after": healthy.now - timedelta(days=400), **fields}
    made = calendar(with_certs(healthy, one("/root/.kube/config", **past), "m1"), NAMES)
    row = of(made, "m1", "/root/.kube/config")
    assert (row.kind, row.renewed_by, row.because, row.critical) == ("user_copy", "operator", because, False)
    assert ending(made) == ""


def test_a_copy_on_a_worker_is_listed(healthy: Cluster) -> None:
    master = healthy.node("m1").pki
    assert master is not None
    copy = master.cert("/root/.kube/config")
    assert copy is not None
    worker = with_node(healthy, "w1", lambda n: replace(n, pki=PkiFacts(PKI, certs=(copy,))))
    row = of(calendar(worker, NAMES), "w1", "/root/.kube/config")
    assert (row.kind, row.renewed_by, row.state) == ("user_copy", "operator", "ok")
    assert "on masters only" in row.because


def test_kubelets_of_other_ways(healthy: Cluster) -> None:
    def client(change: Callable[[KubeletFacts], KubeletFacts]) -> tuple[str, str]:
        made = calendar(with_kubelet(healthy, "w1", change), NAMES)
        (row,) = [row for row in made.rows if (row.node, row.name) == ("w1", "kubelet-client")]
        return row.renewed_by, row.because

    assert client(lambda k: replace(k, rotates=False)) == ("renew-certificates.yml", "rotateCertificates is off")
    elsewhere = "/etc/kubernetes/kubelet.conf"
    who, why = client(lambda k: replace(k, client=k.client and replace(k.client, path=elsewhere, kind="kubeconfig")))
    assert who == "operator"
    assert "and not this file" in why
    assert client(lambda k: replace(k, client=k.client and replace(k.client, state="empty")))[0] == "repair-kubelet.yml"


@pytest.mark.parametrize(
    ("by", "who", "critical"),
    [
        ("itself", "renew-certificates.yml", False),
        ("told", "operator", True),
        ("placed", "operator", True),
        ("rotation", "kubelet", True),
    ],
)
def test_an_expired_serving_certificate_of_a_kubelet(healthy: Cluster, by: str, who: str, critical: bool) -> None:
    def over(kubelet: KubeletFacts) -> KubeletFacts:
        assert kubelet.serving is not None
        serving = replace(kubelet.serving, not_after=healthy.now - timedelta(days=1))
        return replace(kubelet, serving=serving, serving_by=by)

    made = calendar(with_kubelet(healthy, "w1", over), NAMES)
    row = of(made, "w1", f"{KUBELET}/kubelet.crt")
    assert (row.state, row.renewed_by, row.critical, row.relied_on) == ("expired", who, critical, critical)
    assert bool(ending(made)) == critical


def test_what_is_still_shown_has_a_row_of_its_own(healthy: Cluster) -> None:
    soon = healthy.now + timedelta(days=3)

    def stale(node: Node) -> Node:
        assert node.pki is not None
        served = tuple(replace(s, sha256="00", not_after=soon) for s in node.pki.served if s.component != "etcd-peer")
        return replace(node, pki=replace(node.pki, served=served))

    made = calendar(with_node(healthy, "m3", stale), NAMES)
    shown = [(row.name, row.kind, row.state, row.renewed_by) for row in made.rows if row.name.startswith("shown")]
    assert sorted(shown) == [
        ("shown by etcd", "serving", "near", "operator"),
        ("shown by kube-apiserver", "serving", "near", "renew-certificates.yml"),
    ]
    assert {made.rows[0].node, made.rows[1].node} == {"m3"}


def test_what_could_not_be_looked_at_is_named(healthy: Cluster) -> None:
    cluster = with_node(
        healthy, "m1", lambda n: Node("m1", n.groups, reachable=False, why="Connection refused", complete=False)
    )
    cluster = with_node(
        cluster, "m2", lambda n: replace(n, kubelet=None, sections={**n.sections, "kubelet": "timeout"})
    )
    cluster = with_node(
        cluster, "m3", lambda n: replace(n, pki=None, sections={**n.sections, "pki": "the answer was cut off in it"})
    )
    cluster = replace(cluster, nodes=cluster.nodes[:3])
    made = calendar(cluster, NAMES)
    assert [(u.node, u.what.split()[-1], u.why, u.critical) for u in made.unknown] == [
        ("m1", "it", "Connection refused", True),
        ("m2", "certificates", "its part of the answer did not come in time", True),
        ("m3", "kubeconfigs", "the answer was cut off in it", True),
        ("w1", "it", "it was not looked at: it is outside --limit", False),
    ]
    assert ending(made) == "not everything could be looked at on m1, m2, m3. The table above says what and why."


def test_what_limit_leaves_out_is_no_fault(healthy: Cluster) -> None:
    made = calendar(replace(healthy, nodes=healthy.nodes[:3]), NAMES)
    assert [u.node for u in made.unknown] == ["w1"]
    assert ending(made) == ""


def test_without_openssl_the_dates_are_told_all_the_same(healthy: Cluster) -> None:
    def blind(node: Node) -> Node:
        assert node.pki is not None
        return replace(node, pki=replace(node.pki, openssl=False, served=()))

    made = calendar(with_node(healthy, "m1", blind), NAMES)
    assert [(u.node, u.why) for u in made.unknown] == [("m1", "there is no openssl on the node")]
    assert of(made, "m1", f"{PKI}/apiserver.crt").state == "ok"
    assert ending(made) == ""


def test_nothing_looked_at_is_an_empty_calendar(healthy: Cluster) -> None:
    made = calendar(replace(healthy, nodes=()), NAMES)
    assert made.rows == ()
    assert [u.node for u in made.unknown] == list(NAMES)
