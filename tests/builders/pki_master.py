"""A master with certificates of its own making, as the probe tells of it, and what is judged and planned of it."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import pki as pki_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS
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
