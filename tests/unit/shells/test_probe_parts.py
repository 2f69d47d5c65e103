"""Single words of the probe under every shell: what leaves the node of a file with a key, and what is asked how."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from builders.probe_words import SHELLS, say

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact

SECRET = "MIIEsecret"


@pytest.fixture(params=list(SHELLS.values()), ids=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def tool(folder: Path, name: str, body: str) -> Path:
    """A program of that name before all others in PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    return folder


CLUSTERS = """\
apiVersion: v1
kind: Config
clusters:
- cluster:
    certificate-authority-data: Q0E=
    server: https://10.0.0.1:6443
    extensions:
    - extension:
        note: MIIEsecret
      name: info
  name: kubernetes
contexts:
- context: {cluster: kubernetes, user: admin}
  name: admin@kubernetes
current-context: admin@kubernetes
""".replace("{cluster: kubernetes, user: admin}", "\n    cluster: kubernetes\n    user: admin")
KUBECTL = (
    f"{CLUSTERS}users:\n- name: admin\n  user:\n    client-certificate-data: Q1JU\n    client-key-data: {SECRET}\n"
)
OTHER_WAYS = f"""\
{CLUSTERS}users:
  # {SECRET}
  - name: "admin"
    user:
      token: {SECRET}
      username: {SECRET}
      password: >-
        {SECRET}
        name: {SECRET}
      client-key-data: |
        {SECRET}
      client-certificate: 'pki/admin.crt'   # {SECRET}
      auth-provider:
        config:
          client-secret: {SECRET}
        name: {SECRET}
      exec:
        env:
        - name: TOKEN
          value: {SECRET}
"""


def sent(shell: list[str], path: Path, text: str, word: str = "kr_kubeconfig") -> FileFact:
    path.write_text(text, newline="")
    fact = say(shell, f"{word} '{path}'").file(str(path))
    assert SECRET not in fact.content
    return fact


def test_of_a_kubeconfig_in_blocks_everything_but_its_secrets_is_sent(shell: list[str], tmp_path: Path) -> None:
    for text in (KUBECTL, KUBECTL.replace("\n", "\r\n"), OTHER_WAYS):
        fact = sent(shell, tmp_path / "conf", text)
        assert fact.state == "ok"
        data = yaml.safe_load(fact.content)
        assert data["current-context"] == "admin@kubernetes"
        assert data["contexts"][0]["context"] == {"cluster": "kubernetes", "user": "admin"}
        assert data["clusters"][0]["name"] == "kubernetes"
        assert data["clusters"][0]["cluster"]["server"] == "https://10.0.0.1:6443"
        assert data["users"][0]["name"] == "admin"
    assert set(data["users"][0]["user"]) >= {"token", "username", "auth-provider", "exec"}
    assert data["users"][0]["user"]["client-certificate"] == "pki/admin.crt"


@pytest.mark.parametrize(
    "users",
    [
        f'{{"users": [{{"user": {{"client-key-data": "{SECRET}"}}}}]}}',
        f'users:\n- user:\n    "client-key-data": {SECRET}\n',
        f"users:\n- user: {{client-key-data: {SECRET}}}\n",
        f"users:\n- {{user: {{token: {SECRET}}}}}\n",
        f"users:\n- user:\n    client-certificate-data: >-\n      {SECRET}\n",
        f"users:\n- user:\n    client-certificate-data:\n      {SECRET}\n",
        f"users:\n- user:\n\tclient-key-data: {SECRET}\n",
        f"users:\n- user:\n    ? client-key-data\n    : {SECRET}\n",
        f'users:\n- name: "a\n{SECRET}"\n',
        f"users:\n-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_kubeconfig_of_another_form_stays_on_the_node(shell: list[str], tmp_path: Path, users: str) -> None:
    fact = sent(shell, tmp_path / "conf", users)
    assert (fact.state, fact.content, fact.size) == ("withheld", "", len(users))


@pytest.mark.parametrize("text", [f"{SECRET}\nhello\n", CLUSTERS[:60], KUBECTL.replace("Q1JU", "Q1\0\0")])
def test_what_is_no_kubeconfig_at_all_is_told_as_such(shell: list[str], tmp_path: Path, text: str) -> None:
    assert sent(shell, tmp_path / "conf", text).state == "ok"


def test_of_a_torn_certificate_the_key_behind_it_is_not_sent(shell: list[str], tmp_path: Path) -> None:
    key = f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----\n"
    torn = f"-----BEGIN CERTIFICATE-----\nAAAA\n{key}"
    assert sent(shell, tmp_path / "x.pem", torn, "kr_pem").state == "ok"
    whole = f"{torn}-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n"
    (tmp_path / "x.pem").write_text(whole)
    told = say(shell, f"KR_PEMS='{tmp_path}/x.pem'; kr_pki_pems")
    assert told.all("pem") == (f"{tmp_path}/x.pem|BBBB",)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (f"kind: Pod\n# -----BEGIN PRIVATE KEY-----{SECRET}\n", "withheld"),
        (f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n", "ok"),
        (KUBECTL, "ok"),
    ],
    ids=["pod", "key", "kubeconfig"],
)
def test_a_key_among_the_manifests_is_not_sent(shell: list[str], tmp_path: Path, text: str, state: str) -> None:
    (tmp_path / "stray").write_text(text)
    (tmp_path / "etcd.yaml").write_text("kind: Pod\n")
    words = f"KR_MANIFESTS='{tmp_path}' KR_HELD='{tmp_path}/held'; kr_pod_files; kr_file '{tmp_path}'/"
    fact = say(shell, f"{words}stray").file(f"{tmp_path}/stray")
    assert (fact.state, fact.content) == (state, "")
    assert say(shell, f"{words}etcd.yaml").file(f"{tmp_path}/etcd.yaml").content == "kind: Pod\n"


def test_a_key_counts_as_looked_at_only_if_it_is_whole_and_signs_nothing(shell: list[str], tmp_path: Path) -> None:
    key = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    for name, text in (("whole", key), ("torn", key[:40]), ("ca", key)):
        (tmp_path / f"{name}.crt").write_text("x")
        (tmp_path / f"{name}.key").write_text(text)
    pairs = "\n".join(
        f"{'ca' if name == 'ca' else 'pair'}|{tmp_path}/{name}.crt|{tmp_path}/{name}.key"
        for name in ("whole", "torn", "ca")
    )
    told = say(shell, f"KR_PAIRS='\n{pairs}'; kr_pki_keys")
    assert [told.keys[f"{tmp_path}/{n}.key"][0] for n in ("whole", "torn", "ca")] == [
        "together",
        "unparsable",
        "unparsable",
    ]


def test_certificates_beside_a_kubeconfig_are_found(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "admin.conf").write_text(
        "users:\n- user:\n    client-certificate: pki/a.crt\n    client-key: 'pki/a.key'\n"
    )
    script = f"kr_pki_conf admin.conf kubeconfig '{tmp_path}/admin.conf'; kr_val at \"$(echo $KR_PEMS $KR_PAIRS)\""
    assert say(shell, script).value("at") == f"{tmp_path}/pki/a.crt pair|{tmp_path}/pki/a.crt|{tmp_path}/pki/a.key"
    curl = tool(tmp_path / "bin", "curl", 'printf "val\\tcurl\\t%s\\n" "$*"')
    asked = say(shell, f"kr_as '{tmp_path}/admin.conf' ca 3 url", curl).value("curl")
    assert f"--cert {tmp_path}/pki/a.crt --key {tmp_path}/pki/a.key" in asked


@pytest.mark.parametrize(
    ("flags", "config", "url"),
    [
        ("", "", "http://127.0.0.1:10248/healthz"),
        ("", "healthzBindAddress: 10.0.0.5\nhealthzPort: 1234\n", "http://10.0.0.5:1234/healthz"),
        ("", 'healthzBindAddress: "::"\n', "http://[::1]:10248/healthz"),
        (
            "--healthz-bind-address=0.0.0.0 --healthz-port=99",
            "healthzBindAddress: 10.0.0.5\n",
            "http://127.0.0.1:99/healthz",
        ),
    ],
)
def test_the_kubelet_is_asked_where_it_listens_and_without_a_proxy(
    shell: list[str], tmp_path: Path, flags: str, config: str, url: str
) -> None:
    (tmp_path / "config.yaml").write_text(config)
    script = (
        f"KUBELET_TEXT='{flags}' KUBELET_CONFIG='{tmp_path}/config.yaml'\n"
        'kr_have() { case $1 in "$KR_ONLY") ;; *) false ;; esac; }\n'
        "grep() { echo /proc/self/comm; }; kr_kubelet_state"
    )
    folder = tmp_path / "bin"
    tool(folder, "curl", 'echo "$*"')
    tool(folder, "wget", 'echo "$* proxy=$http_proxy no=$no_proxy"')
    for only in ("curl", "wget"):
        told = say(shell, script, folder, KR_ONLY=only, http_proxy="http://proxy:3128").value("healthz")
        assert url in told
        assert "--noproxy *" in told if only == "curl" else " proxy= no=" in told


@pytest.mark.parametrize(("text", "address"), [("--secure-port=7443", "127.0.0.1:7443"), ("", None)])
def test_an_apiserver_without_an_address_is_asked_on_loopback(shell: list[str], text: str, address: str | None) -> None:
    told = say(
        shell,
        f"APISERVER_TEXT='{text}' ETCD_TEXT= kr_etcd_crt= kr_etcd_key=; kr_s_client() {{ :; }}; kr_pki_handshakes",
    )
    assert [label.split("|")[2] for label in told.outputs] == ([address] if address else [])
    assert told.value("apiserver").startswith(":"), "what it is told is nobody's address"


def test_a_mount_point_behind_a_link_is_mounted(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    words = f"grep() {{ [ \"$1 $2\" = '-qF  {tmp_path}/real ' ]; }}\n"  # as if it stood in /proc/mounts
    places = [str(tmp_path / "link"), str(tmp_path / "real"), "/nowhere"]
    told = say(shell, words + "".join(f"kr_host_elsewhere '{p}' && kr_val mounted '{p}'\n" for p in places))
    assert told.all("mounted") == (places[0],)


def test_lines_of_fstab_come_through(shell: list[str], tmp_path: Path) -> None:
    fstab = tmp_path / "fstab"
    fstab.write_text(
        "/dev/sdx /nowhere/a ext4 defaults 0 2\n/dev/sdy /nowhere/b ext4 ro,nofail 0 2\n/swapfile none swap sw 0 0\n"
    )
    text = (
        (Path(_probe.__file__).parent / "host.sh").read_text(encoding="utf-8").replace("/etc/fstab 2>", f"{fstab} 2>")
    )
    told = say(shell, f'{text}\nkr_host_elsewhere() {{ [ "$1" = /nowhere/a ]; }}\nkr_host_mounts')
    assert told.all("fstab_missing") == ("/nowhere/b /dev/sdy ext4 nofail",)
    assert (told.all("fstab_ro"), told.all("fstab_swap")) == (("/nowhere/b",), ("/swapfile",))
