"""What the probe finds of certificates outside the standard set, under every shell, and what its parsers make of that."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest
from builders.captured import FIXTURES
from builders.probe_words import SHELLS, say

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import kubelet as kubelet_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import pki as pki_facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import calendar
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

NOW = datetime(2026, 11, 21, 18, 0, tzinfo=timezone.utc)
SECRET = "MIIEsecret"
KEY = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
_SENT = read_probe((FIXTURES / "current" / "healthy" / "w1.txt").read_text(encoding="utf-8")).sections["kubelet"]
CA = _SENT.file("/etc/kubernetes/pki/ca.crt").content
CLIENT = _SENT.file("/var/lib/kubelet/pki/kubelet-client-current.pem").content
SERVING = _SENT.file("/var/lib/kubelet/pki/kubelet.crt").content
# Nothing of this machine: no component, no home, no openssl handshake.
NOBODY = "APISERVER_TEXT= ETCD_TEXT= KCM_TEXT= SCHEDULER_TEXT= KUBELET_TEXT= KR_PICK=\nkr_pki_users() { :; }\n"


@pytest.fixture(params=list(SHELLS.values()), ids=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def kubeconfig(user: str) -> str:
    return (
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://hook\n  name: hook\n"
        "contexts:\n- context:\n    cluster: hook\n    user: hook\n  name: hook\ncurrent-context: hook\n"
        f"users:\n- name: hook\n  user:\n    {user}\n"
    )


def test_what_flags_name_beside_the_standard_set_is_found(shell: list[str], tmp_path: Path) -> None:
    for name, text in (("oidc.crt", CA + CLIENT), ("sni.crt", SERVING), ("torn.crt", CA[:200] + KEY), ("ca.crt", CA)):
        (tmp_path / name).write_text(text)
    (tmp_path / "hook.conf").write_text(kubeconfig("client-certificate: sni.crt"))
    (tmp_path / "token.conf").write_text(kubeconfig(f"token: {SECRET}"))
    flags = [
        f"--client-ca-file={tmp_path}/ca.crt",
        f"--oidc-ca-file={tmp_path}/oidc.crt",
        f"--tls-sni-cert-key={tmp_path}/sni.crt,{tmp_path}/sni.key:*.example.com,example.com",
        f"--tls-sni-cert-key {tmp_path}/torn.crt,{tmp_path}/torn.key",
        f"--kubelet-certificate-authority={tmp_path}/gone.crt",
        f"--audit-webhook-config-file={tmp_path}/hook.conf",
        f"--authentication-token-webhook-config-file={tmp_path}/token.conf",
        f"--tls-private-key-file={tmp_path}/sni.key",
        "--client-cert-auth=true",
        "--runtime-config=api/all=true",
        f"--peer-ca-file={tmp_path}/oidc.crt",
    ]
    words = "\n".join(f'"{flag}"' for flag in flags)
    section = say(
        shell,
        f"{NOBODY}kr_pki_cert ca ca '{tmp_path}/ca.crt' ''\n"
        f"kr_pki_others kube-apiserver \"$(printf '%s\\n' '{words}' | kr_words)\" ''\nkr_pki_pems",
    )
    assert [entry.rpartition("/")[2] for entry in section.all("other")] == [
        "oidc.crt",
        "sni.crt",
        "torn.crt",
        "gone.crt",
        "hook.conf",
        "token.conf",
    ]
    assert SECRET not in str(section)
    facts = pki_facts.parse(section)
    assert [c.name for c in facts.certs] == ["ca"], "they are never renewed by us"
    assert [(c.name, c.kind, c.state, bool(c.not_after)) for c in facts.others] == [
        ("kube-apiserver --oidc-ca-file", "ca", "ok", True),
        ("kube-apiserver --tls-sni-cert-key", "pair", "ok", True),
        ("kube-apiserver --tls-sni-cert-key", "pair", "unparsable", False),
        ("kube-apiserver --kubelet-certificate-authority", "ca", "missing", False),
        ("kube-apiserver --audit-webhook-config-file", "kubeconfig", "ok", True),
        ("kube-apiserver --authentication-token-webhook-config-file", "kubeconfig", "ok", False),
    ]
    made = calendar(Cluster((Node("m1", ("masters",), sections={"pki": "ok"}, pki=facts),), NOW), ["m1"])
    assert sorted((row.path.rpartition("/")[2], row.kind) for row in made.rows if row.renewed_by == "operator") == [
        ("ca.crt", "ca"),
        ("gone.crt", "ca"),
        ("hook.conf", "kubeconfig"),
        ("oidc.crt", "ca"),
        ("oidc.crt", "ca"),
        ("sni.crt", "ca"),
        ("sni.crt", "serving"),
        ("torn.crt", "serving"),
    ]
    assert len(made.rows) == 8, "each of them is the operator's, and who logs in by token has no certificate"
    beside = [c for c in facts.bundled if c.path.endswith("oidc.crt")]
    assert [c.subject for c in beside] == ["CN=system:node:w1,O=system:nodes"]


MANIFEST = """\
spec:
  containers:
  - command: [kube-apiserver]
    volumeMounts:
    - mountPath: /etc/oidc
      name: oidc
    - mountPath: /etc/kubernetes/pki
      name: k8s-certs
  volumes:
  - hostPath:
      path: @/elsewhere
    name: oidc
  - name: k8s-certs
    hostPath: {path: @, type: Directory}
"""


def test_a_static_pod_may_see_a_file_under_another_path(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("elsewhere/ca.crt", "own-ca.crt"):
        (tmp_path / name).write_text(CA)
    (tmp_path / "pod.yaml").write_text(MANIFEST.replace("@", str(tmp_path)))
    flags = (
        "--oidc-ca-file=/etc/oidc/ca.crt --peer-ca-file=/etc/kubernetes/pki/own-ca.crt --tls-cert-file=/etc/ssl/own.crt"
    )
    words = f"kr_pki_others kube-apiserver '{flags}' '{tmp_path}/pod.yaml'\nkr_pki_pems"
    facts = pki_facts.parse(say(shell, NOBODY + words))
    assert [(c.path.removeprefix(str(tmp_path)), c.state) for c in facts.others] == [
        ("/elsewhere/ca.crt", "ok"),
        ("/own-ca.crt", "ok"),
        ("/etc/ssl/own.crt", "in_image"),
    ]
    made = calendar(Cluster((Node("m1", ("masters",), sections={"pki": "ok"}, pki=facts),), NOW), ["m1"])
    assert [(row.state, row.critical) for row in made.rows if "image" in row.reason] == [("unreadable", False)]


@pytest.mark.parametrize("profile", ["current", "legacy"])
def test_kubeadms_own_manifests_name_nothing_beside_the_standard_set(
    shell: list[str], tmp_path: Path, profile: str
) -> None:
    text = (FIXTURES / profile / "healthy" / "m1.txt").read_text(encoding="utf-8")
    sent = read_probe(text).sections["kubelet"]
    words = [NOBODY]
    names = {
        "kube-apiserver": "APISERVER",
        "etcd": "ETCD",
        "kube-controller-manager": "KCM",
        "kube-scheduler": "SCHEDULER",
    }
    for component, short in names.items():
        path = tmp_path / f"{component}.yaml"
        path.write_text(sent.file(f"/etc/kubernetes/manifests/{component}.yaml").content)
        words.append(f"{short}_MANIFEST='{path}' {short}_TEXT=$(kr_words <'{path}')")
    words.append(f"KR_CONF_DIR='{tmp_path}' KR_PKI=/etc/kubernetes/pki\nkr_pki_handshakes() {{ :; }}\nkr_section_pki")
    section = say(shell, "\n".join(words))
    assert len(section.all("cert")) == 9, "all but etcd's healthcheck-client, which no flag names"
    assert section.all("other") == ()


def test_a_worker_tells_of_the_kubeconfigs_in_its_homes(shell: list[str], tmp_path: Path) -> None:
    home = tmp_path / "config"
    home.write_text(kubeconfig(f"client-key-data: {SECRET}"))
    words = f"{NOBODY}KR_CONF_DIR='{tmp_path}' KR_PKI='{tmp_path}'\n"
    words += f"kr_pki_users() {{ kr_pki_conf '{home}' user_kubeconfig '{home}'; }}\n"
    section = say(shell, f"{words}kr_section_pki")
    assert section.all("conf") == (f"{home}|user_kubeconfig|{home}",)
    assert section.all("cert") == ()
    assert SECRET not in section.file(str(home)).content


@pytest.mark.parametrize("key", ["unknown", "missing"])
def test_without_openssl_dates_are_told_and_whether_a_key_is_there(shell: list[str], tmp_path: Path, key: str) -> None:
    for name in ("ca.crt", "apiserver.crt"):
        (tmp_path / name).write_text(CA)
    if key == "unknown":
        (tmp_path / "ca.key").write_text(KEY)
    section = say(
        shell,
        f"{NOBODY}KR_CONF_DIR='{tmp_path}' KR_PKI='{tmp_path}' KCM_TEXT=. APISERVER_MANIFEST=\n"
        'kr_have() { [ "$1" != openssl ] && [ "$1" != kubeadm ] && command -v "$1" >/dev/null; }\nkr_section_pki',
    )
    facts = pki_facts.parse(section)
    assert not facts.openssl
    assert SECRET not in str(section)
    told = {c.name: (c.state, c.key_state) for c in facts.certs if c.not_after}
    assert told == {"ca": ("ok", key), "apiserver": ("ok", "unknown")}


def kubelet(shell: list[str], folder: Path, flags: str, config: str) -> kubelet_facts.KubeletFacts:
    """A kubelet's facts as far as its credentials go."""
    (folder / "config.yaml").write_text(f"kind: KubeletConfiguration\n{config}")
    (folder / "kubelet.conf").write_text(kubeconfig("client-certificate: /nowhere.pem"))
    section = say(
        shell,
        f"KUBELET_TEXT=$(printf '%s' '{flags}' | kr_words) KUBELET_CONFIG='{folder}/config.yaml' KUBELET_PKI='{folder}/pki'\n"
        f"KUBELET_KUBECONFIG='{folder}/kubelet.conf' KR_PKI='{folder}'\n"
        'kr_val cert_dir "$KUBELET_PKI"; kr_val config_path "$KUBELET_CONFIG"\n'
        'kr_val kubeconfig_path "$KUBELET_KUBECONFIG"\n'
        'kr_file "$KUBELET_CONFIG"; kr_kubelet_credentials; kr_kubelet_serving\n'
        # what the parser asks for beside credentials
        'kr_stat ""; kr_val pid ""',
    )
    assert SECRET not in str(section)
    return kubelet_facts.parse(section)


@pytest.mark.parametrize(
    ("flags", "config", "name", "by", "state"),
    [
        ("", "", "pki/kubelet.crt", "itself", "ok"),
        ("", "serverTLSBootstrap: true\n", "pki/kubelet-server-current.pem", "rotation", "ok"),
        ("--rotate-server-certificates", "", "pki/kubelet-server-current.pem", "rotation", "ok"),
        ("--rotate-server-certificates=false", "serverTLSBootstrap: true\n", "pki/kubelet.crt", "itself", "ok"),
        ("", "tlsCertFile: '@/own.crt' # of ours\n", "own.crt", "told", "ok"),
        ("", 'tlsCertFile: "@/gone.crt"\n', "gone.crt", "told", "missing"),
        ("--tls-cert-file=@/own.crt", "tlsCertFile: @/gone.crt\n", "own.crt", "told", "ok"),
        ("--tls-cert-file @/pki/kubelet.crt", "", "pki/kubelet.crt", "told", "ok"),
        ("--tls-cert-file=@/pki/gone.crt", "", "pki/gone.crt", "told", "missing"),
        ("--tls-cert-file=@/torn.crt", "", "torn.crt", "told", "unparsable"),
    ],
)
def test_what_a_kubelet_serves_is_found(
    shell: list[str], tmp_path: Path, flags: str, config: str, name: str, by: str, state: str
) -> None:
    (tmp_path / "pki").mkdir()
    for path in ("own.crt", "pki/kubelet.crt", "pki/kubelet-server-current.pem"):
        (tmp_path / path).write_text(SERVING + KEY)
    (tmp_path / "torn.crt").write_text(SERVING[:300] + KEY)
    (tmp_path / "ca.crt").write_text(CA + CLIENT)
    facts = kubelet(shell, tmp_path, flags.replace("@", str(tmp_path)), config.replace("@", str(tmp_path)))
    assert facts.serving is not None
    assert (facts.serving.path, facts.serving_by, facts.serving.state) == (str(tmp_path / name), by, state)
    assert ("serverAuth" in facts.serving.usages) == (state == "ok")
    assert [c.subject for c in facts.ca_others] == ["CN=system:node:w1,O=system:nodes"]


def test_what_somebody_put_where_the_kubelets_own_would_lie_is_told_apart(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/kubelet.crt").write_text(CLIENT)
    (tmp_path / "pki/kubelet.key").write_text("")
    facts = kubelet(shell, tmp_path, "", "port: 10350 # of ours\naddress: '192.0.2.1'\n")
    assert facts.serving is not None
    assert (facts.serving_by, facts.serving.key_state, facts.serving_at) == ("placed", "empty", "192.0.2.1:10350")
    (tmp_path / "pki/kubelet.crt").unlink()
    (tmp_path / "pki/kubelet.key").write_text(KEY)
    half = kubelet(shell, tmp_path, "--port=10250 --address=::", "port: 10350\n")
    assert half.serving is not None
    assert (half.serving_by, half.serving.state, half.serving_at) == ("itself", "missing", "[::1]:10250")


def test_a_kubelet_that_made_nothing_yet_serves_nothing(shell: list[str], tmp_path: Path) -> None:
    assert kubelet(shell, tmp_path, "", "").serving is None
    requested = kubelet(shell, tmp_path, "", "serverTLSBootstrap: true\n").serving
    assert requested is not None
    assert requested.state == "missing", "nobody approved its request"


@pytest.mark.parametrize(
    ("flags", "config", "rotates"),
    [
        ("", "", False),
        ("", "rotateCertificates: true\n", True),
        ("--rotate-certificates --v=2", "", True),
        ("--rotate-certificates=false", "rotateCertificates: true\n", False),
        ("--v=2 --rotate-certificates=true", "", True),
    ],
)
def test_a_flag_of_rotation_counts_more_than_the_configuration(
    shell: list[str], tmp_path: Path, flags: str, config: str, rotates: bool
) -> None:
    assert kubelet(shell, tmp_path, flags, config).rotates is rotates
