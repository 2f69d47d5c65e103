"""The repairs of layer pki as sh, on a directory of real certificates, under every shell they must run in."""

from __future__ import annotations

import base64
import shlex
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

STEPS = Path(__file__).resolve().parents[3] / "plugins" / "plugin_utils" / "_steps"
SHELLS = [s for s in ("dash", "bash", "busybox") if shutil.which(s)]
SANS = "DNS:m1,DNS:extra.example,IP:10.0.0.1"


def openssl(*words: str, text: str = "") -> str:
    return subprocess.run(["openssl", *words], input=text, check=True, capture_output=True, text=True).stdout


@dataclass
class Host:
    """A master's files below a directory of its own."""

    root: Path
    shell: str

    def __post_init__(self) -> None:
        self.pki = self.root / "pki"
        self.pki.mkdir()
        self.ca = self.pki / "ca.crt"
        words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=kubernetes"]
        openssl("req", "-x509", *words, "-keyout", str(self.pki / "ca.key"), "-out", str(self.ca), "-days", "3000")

    def sign(self, name: str, subject: str, days: str = "-1", sans: str = "") -> tuple[Path, Path]:
        crt, key, ext = (self.pki / f"{name}.{end}" for end in ("crt", "key", "ext"))
        key.write_text(openssl("ecparam", "-genkey", "-name", "prime256v1", "-noout"))
        ext.write_text("extendedKeyUsage=serverAuth\n" + (f"subjectAltName={sans}\n" if sans else ""))
        request = openssl("req", "-new", "-key", str(key), "-subj", subject)
        signing = ["-CA", str(self.ca), "-CAkey", str(self.pki / "ca.key"), "-set_serial", "7", "-extfile", str(ext)]
        crt.write_text(openssl("x509", "-req", *signing, "-days", days, text=request))
        ext.unlink()
        return crt, key

    def kubeconfig(self, path: Path, crt: Path, key: Path, extra: str = "") -> Path:
        data, secret = (base64.b64encode(p.read_bytes()).decode() for p in (crt, key))
        path.write_text(
            f"apiVersion: v1\nkind: Config\nusers:\n{extra}- name: u\n  user:\n"
            f"    client-certificate-data: {data}\n    client-key-data: {secret}\n"
        )
        return path

    def run(self, kind: str, **args: Any) -> subprocess.CompletedProcess[str]:
        lines = ["KR_RUN=run", f"KR_STEP={kind}@m1"]
        for name, value in args.items():
            flat = "\n".join(value) if isinstance(value, list) else str(value)
            lines.append(f"KR_ARG_{name.upper()}={shlex.quote(flat)}")
        texts = [(STEPS / name).read_text() for name in ("lib.sh", "x509.sh", f"{kind}.sh")]
        script = "\n".join([*lines, *texts, "echo @done"])
        for place in ("/var/lib/kuberevive", "/run/kuberevive", "/dev/shm/kuberevive"):
            script = script.replace(place, str(self.root / "vault"))
        command = ["busybox", "sh", "-s"] if self.shell == "busybox" else [self.shell, "-s"]
        return subprocess.run(command, input=script, capture_output=True, text=True, check=False)

    def renew(self, *rows: str, **args: Any) -> subprocess.CompletedProcess[str]:
        defaults = {"command": "", "names": [], "within": 30, "days": 365, "skew": 30, "now": int(time.time())}
        return self.run("certs_renew", rows=list(rows), **{**defaults, **args})

    def row(self, name: str, crt: Path, key: Path, told: str = "|||||") -> str:
        kind = "kubeconfig" if crt == key else "pair"
        return f"{name}|{kind}|{crt}|{key}|{self.ca}|{self.pki / 'ca.key'}|{told}"


@pytest.fixture(params=SHELLS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def test_an_expired_pair_keeps_subject_names_and_usages(host: Host) -> None:
    crt, key = host.sign("apiserver", "/O=system:masters/CN=kube-apiserver", sans=SANS)
    before, secret = crt.read_text(), key.read_text()
    done = host.renew(host.row("apiserver", crt, key))
    assert done.stdout.splitlines()[-1] == "@done", done
    assert "@did apiserver: valid until" in done.stdout
    text = openssl("x509", "-in", str(crt), "-noout", "-text")
    assert "O = system:masters, CN = kube-apiserver" in text
    assert "DNS:m1, DNS:extra.example, IP Address:10.0.0.1" in text.replace(
        "DNS:extra.example, DNS:m1", "DNS:m1, DNS:extra.example"
    )
    assert "TLS Web Server Authentication" in text
    assert key.read_text() != secret
    assert "PRIVATE" not in done.stdout + done.stderr
    kept = host.root / "vault" / "run" / "files"
    assert (kept / str(crt).lstrip("/")).read_text() == before
    assert not (host.root / "vault" / "run" / "work").exists()
    again = host.renew(host.row("apiserver", crt, key))
    assert again.stdout.splitlines() == ["@done"]


def test_a_wrong_clock_refuses_and_changes_nothing(host: Host) -> None:
    crt, key = host.sign("apiserver", "/CN=kube-apiserver")
    before = crt.read_text()
    done = host.renew(host.row("apiserver", crt, key), now=int(time.time()) + 90)
    assert done.returncode == 3
    assert "@refused clock" in done.stdout
    assert crt.read_text() == before


def test_an_empty_kubeconfig_is_built_and_an_expired_one_gets_a_new_identity(host: Host) -> None:
    empty = host.root / "admin.conf"
    empty.touch()
    old = host.kubeconfig(host.root / "scheduler.conf", *host.sign("s", "/CN=system:kube-scheduler"))
    told = "kubernetes-admin|kubeadm:cluster-admins||clientAuth|https://lb.example:6443|kubernetes"
    done = host.renew(host.row("admin.conf", empty, empty, told), host.row("scheduler.conf", old, old))
    assert done.stdout.splitlines()[-1] == "@done", done
    assert "server: https://lb.example:6443" in empty.read_text()
    for path, subject in (
        (empty, "O = kubeadm:cluster-admins, CN = kubernetes-admin"),
        (old, "CN = system:kube-scheduler"),
    ):
        data = path.read_text().partition("client-certificate-data: ")[2].split()[0]
        pem = base64.b64decode(data).decode()
        assert subject in openssl("x509", "-noout", "-subject", text=pem)
        assert "will not expire" in openssl("x509", "-noout", "-checkend", str(300 * 86400), text=pem)


def test_what_cannot_be_proven_is_put_back(host: Host) -> None:
    crt, key = host.sign("apiserver", "/CN=kube-apiserver")
    other, other_key = host.sign("etcd", "/CN=m1")
    before, bad = crt.read_text(), other.read_text()
    row = host.row("etcd", other, other_key).replace(str(host.pki / "ca.key"), str(key))
    done = host.renew(host.row("apiserver", crt, key), row)
    assert done.returncode == 4
    assert "@failed not all new certificates were good, so the old ones were put back: etcd ends" in done.stdout
    assert (crt.read_text(), other.read_text()) == (before, bad)


def test_a_copy_of_admin_conf_is_refreshed_and_nothing_else_in_it(host: Host) -> None:
    stale = host.sign("old", "/O=system:masters/CN=kubernetes-admin")
    foreign = host.kubeconfig(host.root / "x", *host.sign("foreign", "/CN=somebody")).read_text()
    other = foreign.partition("users:\n")[2].replace("name: u", "name: other")
    copy = host.kubeconfig(host.root / "config", *stale, extra=other)
    copy.chmod(0o640)
    admin = host.kubeconfig(
        host.root / "admin.conf", *host.sign("new", "/O=system:masters/CN=kubernetes-admin", days="365")
    )
    lines = copy.read_text().splitlines()
    done = host.run("kubeconfig_refresh", admin=admin, ca=host.ca, copies=[str(copy)])
    assert done.stdout.splitlines()[-1] == "@done", done
    now = copy.read_text().splitlines()
    changed = [n for n, (a, b) in enumerate(zip(lines, now, strict=True)) if a != b]
    assert changed == [len(lines) - 2, len(lines) - 1]
    assert now[-2:] == admin.read_text().splitlines()[-2:]
    assert copy.stat().st_mode & 0o777 == 0o640
    again = host.run("kubeconfig_refresh", admin=admin, ca=host.ca, copies=[str(copy)])
    assert again.stdout.splitlines() == ["@done"]


def test_another_clusters_administrator_is_left_alone(host: Host) -> None:
    (host.root / "b").mkdir()
    elsewhere = Host(host.root / "b", host.shell)
    copy = elsewhere.kubeconfig(host.root / "config", *elsewhere.sign("old", "/CN=kubernetes-admin"))
    admin = host.kubeconfig(host.root / "admin.conf", *host.sign("new", "/CN=kubernetes-admin", days="365"))
    before = copy.read_text()
    done = host.run("kubeconfig_refresh", admin=admin, ca=host.ca, copies=[str(copy)])
    assert done.stdout.splitlines() == ["@done"]
    assert copy.read_text() == before


def test_an_expired_admin_conf_refreshes_nothing(host: Host) -> None:
    old = host.sign("old", "/CN=kubernetes-admin")
    admin, copy = (host.kubeconfig(host.root / name, *old) for name in ("admin.conf", "config"))
    done = host.run("kubeconfig_refresh", admin=admin, ca=host.ca, copies=[str(copy)])
    assert done.returncode == 3
    assert "@refused admin_conf" in done.stdout
