"""The repairs of layer pki as sh, on a directory of real certificates, under every shell they must run in."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import signal
import socket
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
        (self.root / "bin").mkdir()
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

    def command(self, name: str, text: str) -> None:
        """A stand-in that comes first in PATH."""
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def no_room_for(self, name: str) -> None:
        """That command fails for the temporary files beside what is written."""
        self.command(name, f'case "$*" in */.kuberevive.*) exit 1 ;; esac\nexec {shutil.which(name)} "$@"')

    def run(self, kind: str, **args: Any) -> subprocess.CompletedProcess[str]:
        return self.say((STEPS / f"{kind}.sh").read_text(), kind, **args)

    def say(self, text: str, kind: str = "try", **args: Any) -> subprocess.CompletedProcess[str]:
        lines = ["KR_RUN=run", f"KR_STEP={kind}@m1"]
        for name, value in args.items():
            flat = "\n".join(value) if isinstance(value, list) else str(value)
            lines.append(f"KR_ARG_{name.upper()}={shlex.quote(flat)}")
        texts = [(STEPS / name).read_text() for name in ("lib.sh", "x509.sh")]
        script = "\n".join([*lines, *texts, text, "echo @done"])
        for place in ("/var/lib/kuberevive", "/run/kuberevive", "/dev/shm/kuberevive"):
            script = script.replace(place, str(self.root / "vault"))
        command = ["busybox", "sh", "-s"] if self.shell == "busybox" else [self.shell, "-s"]
        env = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run(command, input=script, env=env, capture_output=True, text=True, check=False)

    def defaults(self, living: str = "") -> dict[str, Any]:
        now = int(time.time())
        return {"command": "", "names": [], "within": 30, "days": 365, "skew": 30, "now": now, "living": living}

    def renew(self, *rows: str, **args: Any) -> subprocess.CompletedProcess[str]:
        return self.run("certs_renew", rows=list(rows), **{**self.defaults(), **args})

    def renew_living(self, *rows: str, **args: Any) -> subprocess.CompletedProcess[str]:
        """The same where processes are asked before and after; what would be waited for is asked once."""
        at_once = 'kr_wait() { shift 2; "$@" >/dev/null 2>&1; }'
        names = ("api.sh", "certs_living.sh", "certs_renew.sh")
        asked = {"address": "10.0.0.1", "port": 6443, "ca": self.ca, "cert": "c", "key": "k", "shown": []}
        others = {"peers": ["https://10.0.0.2:6443"], "voters": ["https://10.0.0.1:2379", "https://10.0.0.2:2379"]}
        voter = {"voter_ca": self.ca, "voter_cert": "c", "voter_key": "k"}
        text = "\n".join([at_once, *((STEPS / name).read_text() for name in names)])
        return self.say(
            text, "certs_renew", rows=list(rows), **{**self.defaults("yes"), **asked, **others, **voter, **args}
        )

    def answers(self, *silent: str) -> None:
        """curl: every health and every read is well, but for URLs with one of these words."""
        quiet = "".join(f"*{word}*) echo; echo @code=000; exit ;; " for word in silent)
        self.command(
            "curl", f'case "$*" in {quiet}*/readyz* | */v3/kv/range*) echo; echo @code=200 ;; *) exit 64 ;; esac'
        )

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


@pytest.mark.parametrize("room", ["beside", "inside", "none"])
def test_what_a_full_disk_cut_off_is_put_back(host: Host, room: str) -> None:
    (host.pki / "in").mkdir()
    crt, key = host.sign("in/apiserver", "/CN=kube-apiserver")
    before = crt.read_text(), key.read_text()
    host.command("kubeadm", f"rm -r {key.parent}; exit 1" if room == "none" else f": >{key}; exit 1")
    host.no_room_for("chmod")
    if room != "beside":
        host.no_room_for("cp")
    done = host.renew(host.row("apiserver", crt, key), command="kubeadm certs renew", names=["apiserver"])
    assert done.returncode == 4
    if room == "none":
        kept = f"{host.root}/vault/run/files"
        assert f"could not be put back: {crt} (kept as {kept}{crt}) {key} (kept as {kept}{key})" in done.stdout
        assert "were put back" not in done.stdout
        return
    assert "so the old ones were put back: apiserver" in done.stdout
    assert "could not write" in done.stdout
    assert (crt.read_text(), key.read_text()) == before
    assert sorted(p.name for p in key.parent.iterdir()) == ["apiserver.crt", "apiserver.key"]
    assert not (host.root / "vault" / "run" / "work").exists()


def test_a_key_behind_a_link_is_put_back_there(host: Host) -> None:
    crt, real = host.sign("apiserver", "/CN=kube-apiserver")
    key = host.root / "link.key"
    key.symlink_to(real)
    secret = real.read_text()
    host.command("kubeadm", f": >{key}; exit 1")
    host.no_room_for("chmod")
    assert (
        host.renew(host.row("apiserver", crt, key), command="kubeadm certs renew", names=["apiserver"]).returncode == 4
    )
    assert key.readlink() == real
    assert real.read_text() == secret


@pytest.mark.parametrize(("days", "stays"), [("90", True), ("10", False)])
def test_what_kubeadm_makes_for_as_long_as_the_cluster_wants_is_good(host: Host, days: str, stays: bool) -> None:
    crt, key = host.sign("apiserver", "/CN=kube-apiserver")
    made_crt, made_key = host.sign("made", "/CN=kube-apiserver", days=days)
    host.command("kubeadm", f"cat {made_crt} >{crt}; cat {made_key} >{key}")
    done = host.renew(host.row("apiserver", crt, key), command="kubeadm certs renew", names=["apiserver"])
    assert done.stdout.splitlines()[-1] == "@done", done
    assert (crt.read_text() == made_crt.read_text()) is stays
    assert "will not expire" in openssl("x509", "-in", str(crt), "-noout", "-checkend", str(31 * 86400))


def test_keys_in_the_making_go_when_contact_is_lost_or_was(host: Host) -> None:
    for run, pid in (("killed", ""), ("running", str(os.getpid()))):
        (host.root / "vault" / run / "work").mkdir(parents=True)
        (host.root / "vault" / run / "work" / "pid").write_text(pid)
    done = host.say('kr_workplace; echo secret >"$KR_WORK/new.key"; kill -HUP $$')
    assert done.returncode == 143
    assert [p.parent.name for p in (host.root / "vault").glob("*/work")] == ["running"]


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


def test_a_renewal_that_a_killed_run_left_at_work_is_waited_for(host: Host) -> None:
    """Nothing is changed while somebody else is at it."""
    crt, key = host.sign("apiserver", "/CN=kube-apiserver", days="1")
    before = crt.read_bytes()
    place = host.root / "vault"
    place.mkdir()
    held = ["flock", "-o", f"{place}/certs_renew.lock", "sh", "-c", f"touch {place}/held; exec sleep 30"]
    with subprocess.Popen(held, start_new_session=True) as other:
        while not (place / "held").exists():
            time.sleep(0.05)
        text = (STEPS / "certs_renew.sh").read_text().replace("certs_renew 300", "certs_renew 1")
        done = host.say(text, "certs_renew", rows=[host.row("apiserver", crt, key)], **host.defaults())
        os.killpg(other.pid, signal.SIGKILL)
    assert "@refused busy " in done.stdout
    assert crt.read_bytes() == before
    assert "@changed" in host.renew(host.row("apiserver", crt, key)).stdout


def test_a_living_cluster_is_asked_before_and_after(host: Host) -> None:
    host.answers()
    crt, key = host.sign("apiserver", "/O=system:masters/CN=kube-apiserver", days="20")
    done = host.renew_living(host.row("apiserver", crt, key))
    assert done.stdout.splitlines()[-1] == "@done", done
    assert f"{crt}, subject=O = system:masters, CN = kube-apiserver" in done.stdout
    assert host.renew_living(host.row("apiserver", crt, key)).stdout.splitlines() == ["@done"]


@pytest.mark.parametrize(
    ("silent", "words"),
    [
        ("10.0.0.2:6443", "kube-apiserver at https://10.0.0.2:6443 is not ready"),
        ("10.0.0.2:2379", "etcd at https://10.0.0.2:2379 reads nothing with a quorum"),
    ],
)
def test_nothing_is_touched_while_another_master_is_not_well(host: Host, silent: str, words: str) -> None:
    host.answers(silent)
    crt, key = host.sign("apiserver", "/CN=kube-apiserver", days="20")
    before = crt.read_text(), key.read_text()
    done = host.renew_living(host.row("apiserver", crt, key))
    assert f"@refused not_well {words}" in done.stdout
    assert (crt.read_text(), key.read_text()) == before


def test_certificates_that_nobody_takes_up_go_back(host: Host) -> None:
    host.answers()
    crt, key = host.sign("apiserver", "/CN=kube-apiserver", days="20")
    before = crt.read_text(), key.read_text()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["openssl", "s_server", "-accept", address, "-cert", str(crt), "-key", str(key)]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        while "ACCEPT" not in (line := server.stdout.readline()):
            assert line, "openssl s_server ended"
        done = host.renew_living(host.row("apiserver", crt, key), shown=[f"{address}|{crt}"])
        server.kill()
    assert (
        f"@failed the new certificates were not taken up, so the old ones were put back: what listens at {address}"
        in done.stdout
    )
    assert (crt.read_text(), key.read_text()) == before


def test_what_is_served_is_compared_with_the_file(host: Host) -> None:
    """The stand-in for kube-apiserver reads its file for every handshake, as the real one does within a minute."""
    host.answers()
    crt, key = host.sign("apiserver", "/CN=kube-apiserver", days="20")
    show = f'case "$*" in s_client*) exec cat {crt} ;; esac\nexec {shutil.which("openssl")} "$@"'
    host.command("openssl", show)
    done = host.renew_living(host.row("apiserver", crt, key), shown=[f"127.0.0.1:1|{crt}"])
    assert done.stdout.splitlines()[-1] == "@done", done
