"""From the probe's records of a kubelet to findings and steps: one healthy node, and one for each damage."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from dataclasses import dataclass, field, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import kubelet as kubelet_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import Cert, PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import KINDS
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = dt.datetime(2026, 11, 20, 22, 0, tzinfo=dt.timezone.utc)
PKI = "/var/lib/kubelet/pki"
CURRENT = f"{PKI}/kubelet-client-current.pem"
DATED = f"{PKI}/kubelet-client-2026-01-01-00-00-00.pem"
BOOTSTRAP = (
    'E1120 22:00:00.0 1 run.go:72] "command failed" err="failed to run Kubelet: unable to load bootstrap kubeconfig: '
    'stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"'
)


def public_sha256(key: ec.EllipticCurvePrivateKey) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


@dataclass
class Authority:
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def sign(self, cn: str, org: str = "", days: float = 300, age: float = 60, ca: bool = False) -> tuple[str, str]:
        """(PEM, sha256 of the public half of its key)."""
        key = self.key if ca else ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, cn)]
        if org:
            names.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, org))
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(names))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=age))
            .not_valid_after(NOW + dt.timedelta(days=days))
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(Encoding.PEM).decode(), public_sha256(key)


CA = Authority()
CA_PEM, CA_PUBLIC = CA.sign("kubernetes", days=3000, ca=True)
KUBECONFIG = f"""
apiVersion: v1
kind: Config
clusters:
- cluster: {{certificate-authority-data: {base64.b64encode(CA_PEM.encode()).decode()}, server: "https://api.lab:6443"}}
  name: kubernetes
contexts:
- context: {{cluster: kubernetes, user: default-auth}}
  name: default
current-context: default
users:
- name: default-auth
  user:
    client-certificate: {CURRENT}
    client-key: {CURRENT}
"""
CONFIG = "kind: KubeletConfiguration\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n"
MANIFEST = "kind: Pod\nmetadata: {name: %s, namespace: kube-system}\nspec: {containers: [{name: x}]}\n"


class Records:
    """What the probe prints of a healthy node; a test changes what it is about."""

    def __init__(self, name: str) -> None:
        pem, public = CA.sign(f"system:node:{name}", "system:nodes")
        self.values = {
            "hostname": name,
            "cert_dir": PKI,
            "config_path": "/var/lib/kubelet/config.yaml",
            "kubeconfig_path": "/etc/kubernetes/kubelet.conf",
            "client_path": CURRENT,
            "ca_path": "/etc/kubernetes/pki/ca.crt",
            "pid": "103",
            "healthz": "ok",
            "healthz_at": "127.0.0.1:10248",
        }
        self.lists: list[tuple[str, str]] = []
        self.files: dict[str, tuple[str, str, str]] = {}  # path -> state, link, content
        self.keys: dict[str, str] = {}
        self.outputs = {
            "unit": "LoadState=loaded\nActiveState=active\nUnitFileState=enabled\n",
            "version": "Kubernetes v1.36.3\n",
        }
        self.file("/var/lib/kubelet/config.yaml", CONFIG)
        self.file("/etc/kubernetes/kubelet.conf", KUBECONFIG)
        self.file("/etc/kubernetes/pki/ca.crt", CA_PEM)
        self.file(DATED, pem)
        self.file(CURRENT, pem, link=DATED)
        self.keys = {CURRENT: f"ok\t{public}", DATED: f"ok\t{public}"}

    def file(self, path: str, content: str = "", state: str = "ok", link: str = "") -> None:
        self.files[path] = (state, link, content)

    def pem(self, path: str, pem: str, public: str, link: str = "") -> None:
        self.file(path, pem, link=link)
        self.keys[path] = f"ok\t{public}"

    def down(self, *words: str) -> None:
        self.values.update(pid="", healthz="")
        self.outputs["unit"] = "LoadState=loaded\nActiveState=activating\nUnitFileState=enabled\n"
        self.outputs["journal"] = "\n".join(words) + "\n"

    def text(self) -> str:
        lines = [f"val\t{k}\t{v}" for k, v in [*self.values.items(), *self.lists]]
        for path, (state, link, content) in self.files.items():
            body = base64.b64encode(content.encode()).decode()
            lines.append(f"file\t{path}\t{state}\t{len(content)}\t600\troot:root\t1\t{link}\t{body}")
        lines += [f"key\t{path}\t{value}" for path, value in self.keys.items()]
        for name, said in self.outputs.items():
            lines.append(f"out\t{name}\t{base64.b64encode((said + '@rc=0').encode()).decode()}")
        return "\n".join(["@kuberevive 1", *(f"kubelet|{line}" for line in [*lines, "end=0"]), "@end"])


def node_of(records: Records, master: bool = False) -> Node:
    section = read_probe(records.text()).sections["kubelet"]
    name = records.values["hostname"].partition(".")[0]
    node = Node(
        name, ("masters",) if master else ("workers",), NOW, clock_skew=0.0, kubelet=kubelet_facts.parse(section)
    )
    if master:
        ca = Cert(
            "ca", "/etc/kubernetes/pki/ca.crt", "ca", "ok", "/etc/kubernetes/pki/ca.key", "ok", public_sha256=CA_PUBLIC
        )
        node = replace(
            node, pki=PkiFacts("/etc/kubernetes/pki", (replace(ca, not_after=NOW + dt.timedelta(days=3000)),))
        )
    return from_plain(Node, to_plain(node))  # as it comes back from the spool


def cluster_of(worker: Records, *, masters: tuple[Node, ...] | None = None) -> Cluster:
    if masters is None:
        masters = (node_of(Records("m1"), master=True),)
    return Cluster((*masters, node_of(worker)), NOW)


def found(cluster: Cluster) -> dict[str, str]:
    """code -> cause of the worker's findings."""
    findings, outcomes = judge(cluster, ("kubelet",))
    assert not [o for o in outcomes if "check itself failed" in o.why]
    assert not [f for f in findings if f.host != cluster.nodes[-1].name]
    return {f.code: f.cause.partition("@")[0] for f in findings}


def steps(cluster: Cluster) -> tuple[list[str], list[str]]:
    findings, _ = judge(cluster, ("kubelet",))
    planned, refused = plan(cluster, findings)
    return [s.kind for s in planned], [r.reason for r in refused]


def test_a_healthy_node_has_no_findings() -> None:
    worker = Records("w1")
    assert found(cluster_of(worker)) == {}
    kubelet = node_of(worker).kubelet
    assert kubelet is not None
    assert (kubelet.node_name, kubelet.version, kubelet.rotates) == ("w1", "v1.36.3", True)
    assert kubelet.client is not None
    assert kubelet.client.signed_by == "ca"


def test_an_expired_certificate_explains_why_the_kubelet_is_down() -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=-1), link=DATED)
    worker.pem(DATED, *CA.sign("system:node:w1", "system:nodes", days=-1))
    worker.down(
        "E1120 22:00:00.0 1 bootstrap.go:267] part of the existing bootstrap client certificate is expired", BOOTSTRAP
    )
    cluster = cluster_of(worker)
    assert found(cluster) == {
        "kubelet.client_cert_expired": "",
        "kubelet.bootstrap_kubeconfig_missing": "kubelet.client_cert_expired",
        "kubelet.down": "kubelet.client_cert_expired",
    }
    assert steps(cluster) == (["kubelet_credential", "kubelet_start"], [])


def test_a_kubelet_that_still_runs_on_an_expired_certificate_is_started_again() -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=-1), link=DATED)
    cluster = cluster_of(worker)
    assert found(cluster)["kubelet.restart_needed"] == "kubelet.client_cert_expired"
    assert steps(cluster)[0] == ["kubelet_credential", "kubelet_start"]


def test_a_kubelet_that_runs_is_not_stopped_where_it_could_not_start_again() -> None:
    worker = Records("w1")
    worker.file("/var/lib/kubelet/config.yaml", state="empty")
    peer = node_of(Records("m1"), master=True)
    assert steps(cluster_of(worker, masters=(peer,)))[0] == ["kubelet_config", "kubelet_start"]
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=-1), link=DATED)
    assert steps(cluster_of(worker, masters=(peer,)))[0] == ["kubelet_config", "kubelet_credential", "kubelet_start"]
    planned, refused = steps(cluster_of(worker, masters=(replace(peer, pki=None),)))  # nobody can sign
    assert planned == []
    assert any("stopped for this it could not start again" in reason for reason in refused)


@pytest.mark.parametrize("state", ["empty", "nul", "dangling", "missing"])
def test_an_unusable_pem(state: str) -> None:
    worker = Records("w1")
    del worker.files[DATED]
    worker.file(CURRENT, state=state, link=DATED)
    worker.keys = {CURRENT: f"{state}\t"}
    worker.down(BOOTSTRAP)
    assert found(cluster_of(worker))["kubelet.down"] == "kubelet.client_cert_empty"
    assert steps(cluster_of(worker))[0] == ["kubelet_credential", "kubelet_start"]


@pytest.mark.parametrize("key", ["unparsable\t", "missing\t", "ok\tabc"])
def test_a_pem_cut_off_before_its_key_or_with_another_key(key: str) -> None:
    worker = Records("w1")
    worker.keys[CURRENT] = key
    assert "kubelet.client_cert_empty" in found(cluster_of(worker))


def test_an_older_certificate_that_still_holds_is_used() -> None:
    worker = Records("w1")
    older = f"{PKI}/kubelet-client-2025-12-01-00-00-00.pem"
    worker.pem(older, *CA.sign("system:node:w1", "system:nodes", days=30))
    worker.file(CURRENT, state="empty", link=DATED)
    worker.file(DATED, state="empty")
    worker.keys.update({CURRENT: "empty\t", DATED: "empty\t"})
    cluster = cluster_of(worker)
    findings, _ = judge(cluster, ("kubelet",))
    planned, _ = plan(cluster, findings)
    assert planned[0].args["relink"] == older


def test_a_certificate_of_another_ca() -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *Authority().sign("system:node:w1", "system:nodes"), link=DATED)
    assert "kubelet.client_cert_untrusted" in found(cluster_of(worker))


@pytest.mark.parametrize(
    ("days", "age", "expected"), [(10, 355, True), (20, 345, True), (40, 325, False), (0.5, 0.5, False)]
)
def test_near_expiry_only_where_rotation_did_not_happen(days: float, age: float, expected: bool) -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=days, age=age), link=DATED)
    assert ("kubelet.client_cert_near_expiry" in found(cluster_of(worker))) is expected


@pytest.mark.parametrize(
    ("days", "age", "expected"), [(61, 300, False), (59, 300, True), (11, 9, False), (9, 11, True)]
)
def test_without_rotation_it_is_near_as_all_others_are(days: float, age: float, expected: bool) -> None:
    worker = Records("w1")
    worker.file("/var/lib/kubelet/config.yaml", CONFIG.replace("rotateCertificates: true", "rotateCertificates: false"))
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=days, age=age), link=DATED)
    assert ("kubelet.client_cert_near_expiry" in found(cluster_of(worker))) is expected


@pytest.mark.parametrize(
    ("state", "content"), [("missing", ""), ("empty", ""), ("nul", ""), ("ok", "x"), ("ok", "kind: Config\n")]
)
def test_a_lost_kubeconfig_is_written_again_from_a_peer(state: str, content: str) -> None:
    worker = Records("w1")
    worker.file("/etc/kubernetes/kubelet.conf", content, state)
    worker.down(BOOTSTRAP)
    cluster = cluster_of(worker)
    assert found(cluster)["kubelet.down"] == "kubelet.kubeconfig_missing"
    findings, _ = judge(cluster, ("kubelet",))
    planned, _ = plan(cluster, findings)
    assert [s.kind for s in planned] == ["kubelet_kubeconfig", "kubelet_start"]
    assert planned[0].args["server"] == "https://api.lab:6443"
    assert base64.b64decode(planned[0].args["ca_data"]).decode() == CA_PEM


@pytest.mark.parametrize(("state", "content"), [("missing", ""), ("empty", ""), ("ok", "kind: Pod\n"), ("ok", "{[")])
def test_a_lost_configuration_is_written_again_from_a_peer(state: str, content: str) -> None:
    worker = Records("w1")
    worker.file("/var/lib/kubelet/config.yaml", content, state)
    worker.down('E1120 22:00:00.0 1 run.go:72] "command failed" err="failed to load kubelet config file"')
    cluster = cluster_of(worker)
    assert found(cluster) == {"kubelet.config_missing": "", "kubelet.down": "kubelet.config_missing"}
    assert steps(cluster)[0] == ["kubelet_config", "kubelet_start"]


def test_an_admins_credential_beside_the_nodes_own_is_moved_away() -> None:
    worker = Records("w1")
    worker.pem(f"{PKI}/kubelet-client-2024-02-23-08-13-25.pem", *CA.sign("kubernetes-admin", "system:masters"))
    assert found(cluster_of(worker)) == {"kubelet.embedded_admin_credential": ""}
    assert steps(cluster_of(worker))[0] == ["kubelet_admin_credential"]


def test_an_admins_credential_that_the_kubelet_uses_is_replaced() -> None:
    worker = Records("w1")
    pem, public = CA.sign("kubernetes-admin", "kubeadm:cluster-admins")
    text = KUBECONFIG.replace(
        f"client-certificate: {CURRENT}", f"client-certificate-data: {base64.b64encode(pem.encode()).decode()}"
    )
    worker.file("/etc/kubernetes/kubelet.conf", text)
    del worker.values["client_path"]
    worker.keys["/etc/kubernetes/kubelet.conf"] = f"ok\t{public}"
    cluster = cluster_of(worker)
    assert "kubelet.embedded_admin_credential" in found(cluster)
    assert steps(cluster)[0] == ["kubelet_credential", "kubelet_start"]


def test_static_pods_that_cannot_be_read_and_strays() -> None:
    worker = Records("w1")
    for name, content, state in (
        ("etcd.yaml", MANIFEST % "etcd", "ok"),
        ("etcd.yaml.bak", MANIFEST % "etcd", "ok"),
        ("kube-apiserver.yaml", "", "empty"),
        ("kube-scheduler.yaml", "kind: Pod\n  x: [", "ok"),
    ):
        path = f"/etc/kubernetes/manifests/{name}"
        worker.lists.append(("static_pod", path))
        worker.file(path, content, state)
    findings, _ = judge(cluster_of(worker), ("kubelet",))
    told = sorted((f.severity, f.evidence[0].partition(":")[0].rpartition("/")[2]) for f in findings)
    assert told == [
        ("critical", "kube-apiserver.yaml"),
        ("critical", "kube-scheduler.yaml"),
        ("warning", "etcd.yaml.bak"),
    ]


def test_a_broken_state_file_is_moved_away_unless_claims_are_in_it() -> None:
    worker = Records("w1")
    worker.lists.append(("checkpoint", "/var/lib/kubelet/cpu_manager_state"))
    worker.file("/var/lib/kubelet/cpu_manager_state", state="nul")
    assert "kubelet.restart_needed" in found(cluster_of(worker))
    assert steps(cluster_of(worker))[0] == [
        "kubelet_checkpoint",
        "kubelet_start",
    ]  # one that runs well is started again
    worker.down()
    assert steps(cluster_of(worker))[0] == ["kubelet_checkpoint", "kubelet_start"]
    worker.lists.append(("checkpoint", "/var/lib/kubelet/dra_manager_state"))
    worker.file("/var/lib/kubelet/dra_manager_state", state="nul")
    planned, refused = steps(cluster_of(worker))
    assert planned == []
    assert len(refused) == 2


def test_nothing_is_signed_when_it_is_not_certain_who_the_node_is() -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *CA.sign("system:node:w9", "system:nodes", days=-1), link=DATED)
    worker.down(BOOTSTRAP)
    planned, refused = steps(cluster_of(worker))
    assert planned == []
    assert all("not certain what this node is called" in reason for reason in refused)


def test_nothing_is_signed_without_a_ca_that_fits() -> None:
    worker = Records("w1")
    worker.pem(CURRENT, *CA.sign("system:node:w1", "system:nodes", days=-1), link=DATED)
    worker.down(BOOTSTRAP)
    master = node_of(Records("m1"), master=True)
    assert master.pki is not None
    without = replace(master, pki=replace(master.pki, certs=(replace(master.pki.certs[0], key_state="missing"),)))
    planned, refused = steps(cluster_of(worker, masters=(without,)))
    assert planned == []
    assert "the CA's key is missing there" in refused[0]


def test_the_effects_of_all_steps_leave_nothing_to_do() -> None:
    worker = Records("w1")
    worker.file("/var/lib/kubelet/config.yaml", state="empty")
    worker.file("/etc/kubernetes/kubelet.conf", state="empty")
    worker.file(CURRENT, state="empty", link=DATED)
    worker.pem(f"{PKI}/kubelet-client-2024-02-23-08-13-25.pem", *CA.sign("kubernetes-admin", "system:masters"))
    worker.down(BOOTSTRAP)
    cluster = cluster_of(worker)
    findings, _ = judge(cluster, ("kubelet",))
    planned, refused = plan(cluster, findings)
    assert refused == ()
    node = cluster.nodes[-1]
    for step in planned:
        node = KINDS[step.kind].effect(node, step.args)
    assert found(replace(cluster, nodes=(*cluster.nodes[:-1], node))) == {}
