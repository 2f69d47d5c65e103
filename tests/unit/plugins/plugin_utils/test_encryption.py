"""EncryptionConfigurations read without their keys, judged by what an apiserver would make of them, compared by meaning."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import encryption
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])
PROBE = Path(_probe.__file__).parent
KEY = b"0123456789abcdef0123456789abcdef"
B64 = base64.b64encode(KEY).decode()
PRINT = f"sha256-{hashlib.sha256(KEY).hexdigest()}-32"
PATH = "/data/kubernetes/secrets.conf"
GOOD = f"""apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - aescbc:
      keys:
      - name: key1
        secret: {PRINT}
  - identity: {{}}
"""
MANIFEST = """kind: Pod
spec:
  containers:
  - name: kube-apiserver
    livenessProbe: {httpGet: {path: /livez, port: 6443}}
    volumeMounts:
    - mountPath: /etc/kubernetes
      name: conf
    - name: enc
      mountPath: /etc/kubernetes/encryption
      readOnly: true
  volumes:
  - name: conf
    hostPath: {path: /etc/kubernetes}
  - hostPath:
      path: /data/kubernetes
      type: Directory
    name: enc
"""


def sh(shell: list[str], command: str, stdin: str = "") -> str:
    texts = [(PROBE / name).read_text(encoding="utf-8") for name in ("lib.sh", "encryption.sh")]
    script = "\n".join([*texts, command])
    done = subprocess.run([*shell, "-c", script], input=stdin, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/etc/kubernetes/encryption/secrets.conf", "/data/kubernetes/secrets.conf"),
        ("/etc/kubernetes/x.conf", "/etc/kubernetes/x.conf"),
        ("/elsewhere/x.conf", ""),
    ],
)
def test_a_path_in_the_pod_is_found_on_the_node(tmp_path: Path, shell: list[str], path: str, where: str) -> None:
    (tmp_path / "m.yaml").write_text(MANIFEST, encoding="utf-8")
    assert sh(shell, f"kr_mounted {tmp_path}/m.yaml {path}").strip() == where


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_a_key_leaves_the_node_only_as_its_fingerprint(shell: list[str], quote: str) -> None:
    assert sh(shell, "kr_keyless", GOOD.replace(PRINT, f"{quote}{B64}{quote}")) == GOOD


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
@pytest.mark.parametrize(
    "line",
    [
        f"        secret: {B64}-and-more",
        f"      keys: [{{name: key1, secret: {B64}}}]",
        f'{{"secret":"{B64}"}}',
        f"        {B64}",
        f"        - {B64}",
        f"        secret: >-\n          {B64}",
        f"        secret:{B64}",
        f"        comment: {B64}",
    ],
)
def test_what_may_hold_a_key_in_another_form_stays_on_the_node(shell: list[str], line: str) -> None:
    said = sh(shell, "kr_keyless", f"kind: EncryptionConfiguration\n# old: {B64}\n{line}\n")
    assert B64[:20] not in said
    assert "@withheld " in said


def facts(text: str = GOOD, state: str = "ok") -> encryption.EncryptionFacts:
    values = {"encryption_path": "/etc/kubernetes/encryption/secrets.conf", "encryption_file": PATH}
    files = {PATH: FileFact(PATH, state, len(text), "600", "root:root", content=text)}
    read = encryption.parse(Section("apiserver", "ok", values=values, files=files))
    assert read is not None
    return read


def found(*each: encryption.EncryptionFacts | None) -> dict[str, str]:
    now = datetime(2026, 1, 2, tzinfo=timezone.utc)
    nodes = tuple(
        Node(
            f"m{i}",
            ("masters",),
            now,
            sections={"apiserver": "ok"},
            apiserver=ApiserverFacts(
                True, listening=True, asked=True, livez=200, readyz=200, parses=True, encryption=e
            ),
        )
        for i, e in enumerate(each, 1)
    )
    findings, _ = judge(Cluster(nodes, now), ("apiserver",))
    return {f.id: f.summary for f in findings if ".encryption_" in f.code}


def test_the_same_meaning_is_no_difference() -> None:
    other = GOOD.replace("- secrets", "- 'secrets'").replace("identity: {}", "identity:")
    assert found(facts(), facts(other), facts()) == {}
    assert found(None, None, None) == {}


@pytest.mark.parametrize(
    "other",
    [
        GOOD.replace(PRINT, f"sha256-{'0' * 64}-32"),
        GOOD.replace("key1", "key2"),
        GOOD.replace("  - secrets\n", "  - secrets\n  - configmaps\n"),
        GOOD.replace("aescbc", "secretbox"),
    ],
)
def test_another_meaning_is_told_of_the_one_that_stands_alone(other: str) -> None:
    assert list(found(facts(), facts(other), facts())) == ["apiserver.encryption_key_differs@m2"]


def test_one_that_encrypts_nothing_differs() -> None:
    said = found(facts(), facts(), None)
    assert list(said) == ["apiserver.encryption_key_differs@m3"]
    assert "the records in etcd were not looked at" in said["apiserver.encryption_key_differs@m3"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            GOOD.replace("      keys:", "    keys:"),
            "exactly one provider, and holds aescbc, keys: look at the indentation",
        ),
        (GOOD.replace("  - identity: {}", " - identity: {}"), "line 11"),
        (GOOD.replace("-32", "-31"), "key key1 has 31 bytes, aescbc wants 16 or 24 or 32"),
        (GOOD.replace("aescbc", "secretbox").replace("-32", "-16"), "secretbox wants 32"),
        (GOOD.replace("aescbc", "rot13"), "there is no provider 'rot13'"),
        (GOOD.replace("EncryptionConfiguration", "Configuration"), "no EncryptionConfiguration"),
        ("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n", "it has no list 'resources'"),
    ],
)
def test_what_the_apiserver_would_refuse_is_said_with_its_place(text: str, why: str) -> None:
    said = found(facts(), facts(text), facts())
    assert list(said) == ["apiserver.encryption_config_invalid@m2"]
    assert why in said["apiserver.encryption_config_invalid@m2"]


def test_a_provider_that_holds_no_map_is_said_and_breaks_nothing() -> None:
    for kind in ("kms", "identity"):
        said = found(facts(), facts(GOOD.replace("identity: {}", f"{kind}: x")), facts())
        assert "must hold a map" in said["apiserver.encryption_config_invalid@m2"]


@pytest.mark.parametrize(
    ("state", "code"), [("missing", "missing"), ("dangling", "missing"), ("empty", "invalid"), ("nul", "invalid")]
)
def test_a_file_that_is_not_whole(state: str, code: str) -> None:
    assert list(found(facts(), facts("", state), facts())) == [f"apiserver.encryption_config_{code}@m2"]


def test_what_could_not_be_read_is_neither_good_nor_bad() -> None:
    withheld = facts("kind: EncryptionConfiguration\n@withheld 2\n")
    assert "line 2 of" in withheld.withheld
    assert found(facts(), withheld, facts()) == {}
    assert found(facts(), replace(facts(), file=None, rules=()), facts()) == {}


@pytest.mark.parametrize("shell", SHELLS, ids=lambda s: s[0])
def test_a_key_that_lost_its_padding_is_no_key(shell: list[str]) -> None:
    text = sh(shell, "kr_keyless", GOOD.replace(PRINT, B64.rstrip("=")))
    assert "secret: no-base64" in text
    assert "the secret is base64" in facts(text).problem
