"""From the probe's records of a master's certificates to findings and steps: one healthy master, and one for each damage."""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import replace

import pytest
from builders.pki_master import CAS, CONF, CONFS, NOW, PAIRS, PKI, USER, Authority, Master, after, decide
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import pki as pki_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import cert_of_kubeconfig
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node


@pytest.fixture
def master() -> Master:
    return Master({name: Authority(name) for name in CAS})


def test_a_healthy_master_has_no_finding(master: Master) -> None:
    node = master.node()
    assert decide(node) == ({}, (), ())
    assert node.pki is not None
    assert node.pki.renew_command == "kubeadm certs renew"
    assert {c.signed_by for c in node.pki.certs} == {"ca", "etcd-ca", "front-proxy-ca"}
    server = node.pki.cert("apiserver")
    assert server is not None
    assert server.sans == ("DNS:m1", "DNS:extra.example", "IP:10.0.0.1")
    assert from_plain(pki_facts.PkiFacts, to_plain(node.pki)) == node.pki


def test_a_worker_is_not_judged() -> None:
    node = Node("w1", ("workers",), pki=pki_facts.PkiFacts(PKI), sections={"pki": "ok"})
    assert decide(node) == ({}, (), ())


def test_everything_expired_is_one_renewal_of_all_and_a_refresh(master: Master) -> None:
    master.days = dict.fromkeys([*PAIRS, *CONFS, USER], -0.1)
    node = master.node()
    found, steps, refused = decide(node)
    assert found == {
        "pki.cert_expired": "critical",
        "pki.kubeconfig_expired": "critical",
        "pki.admin_kubeconfig_stale": "warning",
    }
    assert not refused
    assert [s.kind for s in steps] == ["certs_renew", "kubeconfig_refresh"]
    assert (steps[0].args["command"], steps[0].args["names"]) == ("kubeadm certs renew", ["all"])
    assert (
        steps[0].args["rows"][0]
        == f"apiserver|pair|{PKI}/apiserver.crt|{PKI}/apiserver.key|{PKI}/ca.crt|{PKI}/ca.key||||||"
    )
    assert steps[1].args["copies"] == [USER]
    assert decide(after(node, steps)) == ({}, (), ())


def test_a_few_are_renewed_by_name(master: Master) -> None:
    master.days = {"scheduler.conf": -1}
    _, steps, _ = decide(master.node())
    assert [s.args["names"] for s in steps] == [["scheduler.conf"]]
    assert len(steps[0].args["rows"]) == 1


@pytest.mark.parametrize(("days", "found"), [(59.9, {"pki.cert_near_expiry": "warning"}), (60.1, {})])
def test_near_expiry_begins_at_the_setting(master: Master, days: float, found: dict[str, str]) -> None:
    master.days = {"etcd-server": days}
    assert decide(master.node())[0] == found


def test_a_certificate_as_old_as_its_ca_is_not_renewed_for_ever(master: Master) -> None:
    master.days = {"etcd-server": 20, "etcd-ca": 20}
    assert decide(master.node())[0] == {}


def test_a_certificate_from_the_future_is_made_anew(master: Master) -> None:
    master.age = {"apiserver": -2}
    found, steps, _ = decide(master.node())
    assert found == {"pki.cert_not_yet_valid": "critical"}
    assert [s.kind for s in steps] == ["certs_renew"]


def test_a_wrong_clock_refuses_to_sign(master: Master) -> None:
    master.days = {"apiserver": -1}
    _, steps, refused = decide(replace(master.node(), clock_skew=-3600.0))
    assert steps == ()
    assert "clock of m1 is 1.0 h behind the controller's" in refused[0].reason
    _, steps, refused = decide(replace(master.node(), clock_skew=None))
    assert steps == ()
    assert "nobody knows the time of m1" in refused[0].reason


@pytest.mark.parametrize("state", ["empty", "nul"])
def test_an_empty_kubeconfig_is_built_anew(master: Master, state: str) -> None:
    master.states = {f"{CONF}/admin.conf": state, f"{CONF}/controller-manager.conf": state}
    found, steps, _ = decide(master.node())
    assert found == {"pki.cert_unreadable": "critical"}
    rows = {row.partition("|")[0]: row.split("|")[6:] for row in steps[0].args["rows"]}
    assert rows["admin.conf"] == [
        "kubernetes-admin",
        "kubeadm:cluster-admins",
        "",
        "clientAuth",
        "https://lb.example:6443",
        "kubernetes",
    ]
    assert rows["controller-manager.conf"][:2] == ["system:kube-controller-manager", ""]


def test_before_1_29_the_administrator_is_of_system_masters(master: Master) -> None:
    master.states, master.kubeadm = {f"{CONF}/admin.conf": "empty"}, "1.20.15"
    _, steps, _ = decide(master.node())
    assert steps[0].args["rows"][0].split("|")[7] == "system:masters"


def test_a_lost_server_certificate_takes_its_names_from_another_master(master: Master) -> None:
    peer = Master(master.cas, host="m2").node()
    master.states = {f"{PKI}/apiserver.crt": "missing"}
    _, steps, _ = decide(master.node(), peer)
    assert steps[0].args["rows"][0].split("|")[6:9] == ["kube-apiserver", "", "DNS:m1,DNS:extra.example,IP:10.0.0.1"]
    assert steps[0].args["names"] == []


def test_a_lost_server_certificate_alone_is_refused(master: Master) -> None:
    master.states = {f"{PKI}/apiserver.crt": "empty"}
    found, steps, refused = decide(master.node())
    assert (found, steps) == ({"pki.cert_unreadable": "critical"}, ())
    assert "no other master tells" in refused[0].reason


def test_a_key_that_does_not_fit_is_found(master: Master) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    half = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    master.keys = {f"{PKI}/apiserver.key": ("pub", base64.b64encode(half).decode())}
    found, steps, _ = decide(master.node())
    assert found == {"pki.cert_unreadable": "critical"}
    assert steps[0].args["names"] == ["apiserver"]


def test_an_absent_ca_key_is_no_finding_until_something_must_be_signed(master: Master) -> None:
    master.keys = {f"{PKI}/ca.key": ("missing", "")}
    assert decide(master.node()) == ({}, (), ())
    master.days = {"apiserver": -1, "etcd-server": -1}
    found, steps, _ = decide(master.node())
    assert found == {"pki.cert_expired": "critical", "pki.ca_missing": "critical"}
    assert steps[0].args["names"] == ["etcd-server"]
    assert f"not apiserver: the CA's key {PKI}/ca.key is missing" in steps[0].title


def test_an_expired_ca_is_refused(master: Master) -> None:
    master.days = {"ca": -1, "apiserver": -1}
    found, steps, refused = decide(master.node())
    assert found == {"pki.ca_expired": "critical", "pki.cert_expired": "critical"}
    assert steps == ()
    assert all("never" in r.reason for r in refused)


def test_a_copy_of_another_clusters_admin_is_left_alone(master: Master) -> None:
    master.user_from, master.days = Authority("ca"), {USER: -1}
    assert decide(master.node()) == ({}, (), ())


def test_an_old_served_certificate_settles_first_and_then_restarts(master: Master) -> None:
    master.served_other, master.mtime = True, int(NOW.timestamp()) - 20
    findings, _ = judge(Cluster((master.node(),), NOW), ["pki"])
    assert [(f.code, f.settling, f.repair) for f in findings] == [("pki.served_cert_stale", True, "")]
    findings, _ = judge(Cluster((master.node(),), NOW + dt.timedelta(seconds=60)), ["pki"])
    assert [(f.settling, f.repair) for f in findings] == [(False, "component_restart")]


def test_a_section_that_was_cut_off_is_never_ok(master: Master) -> None:
    node = replace(master.node(), sections={"pki": "timeout"})
    _, outcomes = judge(Cluster((node,), NOW), ["pki"])
    asked = [o for o in outcomes if o.code != "pki.renewal_asked"]  # that nobody asked for it is known
    assert {o.state for o in asked} == {"could_not_tell"}


def said_of(node: Node, code: str) -> tuple[str, str]:
    _, outcomes = judge(Cluster((node,), NOW), ["pki"])
    return next((o.state, o.why) for o in outcomes if o.code == code)


def test_what_nobody_showed_is_not_ok(master: Master) -> None:
    node = master.node()
    assert node.pki is not None
    assert said_of(node, "pki.served_cert_stale")[0] == "ok"
    silent = tuple(replace(s, sha256="", not_after=None) for s in node.pki.served)
    state, why = said_of(replace(node, pki=replace(node.pki, served=silent)), "pki.served_cert_stale")
    assert (state, "kube-apiserver at 10.0.0.1:6443" in why) == ("could_not_tell", True)


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        (f"{CONF}/admin.conf", ("kubeconfig_expired", "cert_near_expiry", "cert_not_yet_valid", "cert_unreadable")),
        (USER, ("admin_kubeconfig_stale",)),
    ],
)
def test_a_kubeconfig_that_stayed_on_the_node_is_neither_ok_nor_broken(
    master: Master, path: str, codes: tuple[str, ...]
) -> None:
    master.states = {path: "withheld"}
    findings, _ = judge(Cluster((master.node(),), NOW), ["pki"])
    assert findings == ()
    assert {said_of(master.node(), f"pki.{code}")[0] for code in codes} == {"could_not_tell"}
    assert said_of(master.node(), "pki.cert_expired")[0] == "ok"


@pytest.mark.parametrize(
    ("named", "told", "state"),
    [("pki/admin.crt", True, "ok"), (f"{CONF}/pki/admin.crt", True, "ok"), ("pki/admin.crt", False, "withheld")],
)
def test_a_certificate_beside_its_kubeconfig(master: Master, named: str, told: bool, state: str) -> None:
    pem = master.cas["ca"].sign("admin").public_bytes(Encoding.PEM).decode()
    text = f"users:\n- name: a\n  user:\n    client-certificate: {named}\n    client-key: {named[:-3]}key\n"
    files = {f"{CONF}/pki/admin.crt": FileFact(f"{CONF}/pki/admin.crt", "ok", content=pem)} if told else {}
    cert = cert_of_kubeconfig("admin.conf", "kubeconfig", FileFact(f"{CONF}/admin.conf", "ok", content=text), files)
    assert (cert.state, cert.common_name, cert.key_path) == (state, "admin" if told else "", f"{CONF}/pki/admin.key")
