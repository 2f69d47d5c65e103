"""From the probe's records of a master's certificates to findings and steps: one healthy master, and one for each damage."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass, field, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import pki as pki_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import cert_of_kubeconfig
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import Controller, ControllersFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.controllers import outdated
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node, Refusal, Step
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.timezone.utc)
PKI = "/etc/kubernetes/pki"
CONF = "/etc/kubernetes"
USER = "/root/.kube/config"
PAIRS = {
    "apiserver": ("ca", f"{PKI}/apiserver", "kube-apiserver"),
    "apiserver-etcd-client": ("etcd-ca", f"{PKI}/apiserver-etcd-client", "kube-apiserver-etcd-client"),
    "front-proxy-client": ("front-proxy-ca", f"{PKI}/front-proxy-client", "front-proxy-client"),
    "etcd-server": ("etcd-ca", f"{PKI}/etcd/server", "m1"),
}
CAS = {"ca": f"{PKI}/ca", "front-proxy-ca": f"{PKI}/front-proxy-ca", "etcd-ca": f"{PKI}/etcd/ca"}
CONFS = {
    "controller-manager.conf": ("system:kube-controller-manager", ""),
    "scheduler.conf": ("system:kube-scheduler", ""),
    "admin.conf": ("kubernetes-admin", "kubeadm:cluster-admins"),
}


@dataclass
class Authority:
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(
        self, cn: str, org: str = "", days: float = 300, age: float = 60, ca: bool = False, host: str = "m1"
    ) -> x509.Certificate:
        key = self.key if ca else ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, org)] if org else []
        names.append(x509.NameAttribute(NameOID.COMMON_NAME, self.name if ca else cn))
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=age))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        )
        if cn in ("kube-apiserver", host):
            address = ipaddress.ip_address(f"10.0.0.{host[1:]}")
            sans = [x509.DNSName(host), x509.DNSName("extra.example"), x509.IPAddress(address)]
            builder = builder.add_extension(x509.SubjectAlternativeName(sans), critical=False)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Master:
    """What the probe would print of one master; damage is done to its fields before it is read."""

    cas: dict[str, Authority]
    host: str = "m1"
    days: dict[str, float] = field(default_factory=dict)  # name -> remaining life, where it is not 300
    age: dict[str, float] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)  # path -> empty, missing …
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # path -> (state, public half in base64)
    served_other: bool = False
    extra: list[str] = field(default_factory=list)
    user_from: Authority | None = None
    kubeadm: str = "1.36.3"
    mtime: int = 1000

    def text(self) -> str:
        lines = [f"val\tdir\t{PKI}", f"val\tconf_dir\t{CONF}", f"val\tapiserver\t10.0.0.{self.host[1:]}:6443"]
        for name, (ca, path, cn) in PAIRS.items():
            common = self.host if cn == "m1" else cn
            lines += self._pair(name, "pair", path, self._cert(name, ca, common))
        for name, path in CAS.items():
            ca_cert = self.cas[name].sign("", ca=True, days=self.days.get(name, 3000))
            lines += self._pair(name, "ca", path, ca_cert)
        for name, (cn, org) in CONFS.items():
            lines += self._conf(name, "kubeconfig", f"{CONF}/{name}", self._cert(name, "ca", cn, org))
        user = (self.user_from or self.cas["ca"]).sign(
            "kubernetes-admin", CONFS["admin.conf"][1], self.days.get(USER, 300)
        )
        lines += self._conf(USER, "user_kubeconfig", USER, user)
        lines += [f"val\tkubeadm\t{self.kubeadm}", *self.extra, "end=0"]
        return "@kuberevive 1\n" + "\n".join(f"pki|{line}" for line in lines) + "\n@end\n"

    def node(self) -> Node:
        section = read_probe(self.text()).sections["pki"]
        facts = pki_facts.parse(section)
        return Node(
            self.host,
            ("masters",),
            pki=facts,
            sections={"pki": section.state},
            clock_skew=0.0,
            kubelet=KubeletFacts(node_name=self.host, kubeconfig_server="https://lb.example:6443"),
        )

    def _cert(self, name: str, ca: str, cn: str, org: str = "") -> x509.Certificate:
        return self.cas[ca].sign(cn, org, self.days.get(name, 300), self.age.get(name, 60), host=self.host)

    def _file(self, path: str, content: str = "") -> str:
        return f"file\t{path}\t{self.states.get(path, 'ok')}\t9\t600\troot:root\t{self.mtime}\t\t{content}"

    def _pair(self, name: str, kind: str, path: str, cert: x509.Certificate) -> list[str]:
        lines = [f"val\tcert\t{name}|{kind}|{path}.crt|{path}.key", self._file(f"{path}.crt")]
        if f"{path}.crt" not in self.states:
            lines.append(f"val\tpem\t{path}.crt|{base64.b64encode(cert.public_bytes(Encoding.DER)).decode()}")
        state, half = self.keys.get(f"{path}.key", ("together", ""))
        if state == "pub":
            lines.append(f"val\tpub\t{path}.key|{half}")
        else:
            lines.append(f"key\t{path}.key\t{state}\t")
        if name == "apiserver":
            shown = self.cas["ca"].sign("kube-apiserver", days=1) if self.served_other else cert
            pem = base64.b64encode(shown.public_bytes(Encoding.PEM) + b"@rc=0").decode()
            lines.append(f"out\tserved|kube-apiserver|10.0.0.1:6443|apiserver\t{pem}")
        return lines

    def _conf(self, name: str, kind: str, path: str, cert: x509.Certificate) -> list[str]:
        data = base64.b64encode(cert.public_bytes(Encoding.PEM)).decode()
        text = (
            "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
            "clusters:\n- cluster: {server: 'https://lb.example:6443'}\n  name: kubernetes\n"
            "contexts:\n- context: {cluster: kubernetes, user: u}\n  name: c\n"
            f"users:\n- name: u\n  user:\n    client-certificate-data: {data}\n    client-key-data: blanked\n"
        )
        content = "" if path in self.states else base64.b64encode(text.encode()).decode()
        return [f"val\tconf\t{name}|{kind}|{path}", self._file(path, content)]


@pytest.fixture
def master() -> Master:
    return Master({name: Authority(name) for name in CAS})


def decide(*nodes: Node, now: dt.datetime = NOW) -> tuple[dict[str, str], tuple[Step, ...], tuple[Refusal, ...]]:
    """(code -> severity), steps, refusals of layer pki."""
    cluster = Cluster(nodes, now)
    findings, outcomes = judge(cluster, ["pki"])
    assert not [o for o in outcomes if o.state == "could_not_tell"]
    return {f.code: f.severity for f in findings}, *plan(cluster, findings)


def after(node: Node, steps: tuple[Step, ...]) -> Node:
    for step in steps:
        node = KINDS[step.kind].effect(node, step.args)
    return node


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


def test_half_of_a_short_life_is_soon_enough(master: Master) -> None:
    """Where a cluster gives its certificates 30 days, they are not renewed for ever."""
    master.age, master.days = {"etcd-server": 10}, {"etcd-server": 20}
    assert decide(master.node())[0] == {}
    master.age, master.days = {"etcd-server": 16}, {"etcd-server": 14}
    found, steps, _ = decide(master.node())
    assert (found, steps[0].args["within"]) == ({"pki.cert_near_expiry": "warning"}, 15)


def test_where_nothing_is_broken_yet_others_are_asked(master: Master) -> None:
    master.days = {"apiserver": 20}
    api = ApiserverFacts(True, address="10.0.0.1", listening=True, readyz=200)
    etcd = EtcdFacts(True, client_urls=("https://10.0.0.1:2379",), ca_file="/ca", cert_file="/crt", key_file="/key")
    node = replace(master.node(), apiserver=api, etcd=etcd)
    other = replace(Master(master.cas, host="m2").node(), apiserver=replace(api, address="fd00::2"), etcd=etcd)
    args = decide(node, other)[1][0].args
    assert (args["living"], args["address"], args["peers"]) == ("yes", "10.0.0.1", ["https://[fd00::2]:6443"])
    assert (args["voters"], args["voter_ca"]) == (["https://10.0.0.1:2379", "https://10.0.0.1:2379"], "/ca")
    assert args["shown"] == [f"10.0.0.1:6443|{PKI}/apiserver.crt"]
    master.days = {"apiserver": 20, "etcd-server": -1}
    broken = replace(master.node(), apiserver=api, etcd=etcd)
    assert decide(broken, other)[1][0].args["living"] == ""
    master.days = {"apiserver": 20}
    assert decide(replace(master.node(), apiserver=replace(api, readyz=500), etcd=etcd))[1][0].args["living"] == ""


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
    assert {o.state for o in outcomes} == {"could_not_tell"}


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


def test_check_foretells_the_restart_of_controllers(master: Master) -> None:
    """A renewed kubeconfig is read by no controller that runs."""
    master.days = {"apiserver": 20, "controller-manager.conf": 20}
    manager = Controller(
        "kube-controller-manager", kubeconfig=f"{CONF}/controller-manager.conf", kubeconfig_state="ok", started=500
    )
    node = replace(master.node(), controllers=ControllersFacts(controllers=(manager,), now=1000))
    _, steps, _ = decide(node)
    then = after(node, steps).controllers
    assert then is not None
    assert outdated(then.controllers[0])
    assert not outdated(manager)
