"""The kubelet's repairs as sh, in the shells they meet, against a made-up node directory: no cluster, no systemd."""

from __future__ import annotations

import base64
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[4] / "plugins" / "plugin_utils" / "_steps"
SHELLS = [s for s in ("dash", "bash", "busybox sh") if shutil.which(s.split()[0])]
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
WHO = "CN=system:node:w1,O=system:nodes"

# Stand-ins for what only a real node has. Everything else, openssl above all, is real.
STUBS = {"systemctl": 'echo "$*" >>"$KR_TEST_DIR/systemctl"', "chown": ":", "sync": ":"}


class Machine:
    """A directory that stands for a node's disk, and the way to run a repair in it."""

    def __init__(self, directory: Path, shell: str) -> None:
        self.dir, self.shell = directory, shell
        self.pki = directory / "kubelet" / "pki"
        self.pki.mkdir(parents=True)
        (directory / "bin").mkdir()
        for name, text in STUBS.items():
            self.stub(name, text)
        self.openssl(
            "req",
            "-x509",
            *EC,
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=kubernetes",
        )
        self.args = {
            "node_name": "w1",
            "cert_dir": str(self.pki),
            "kubeconfig": str(directory / "kubelet.conf"),
            "ca_file": str(directory / "ca.crt"),
            "signer_ca": str(directory / "ca.crt"),
            "signer_key": str(directory / "ca.key"),
            "relink": "",
            "admin_paths": "",
            "cert": "",
            "days": "365",
        }

    def stub(self, name: str, text: str) -> None:
        (self.dir / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.dir / "bin" / name).chmod(0o755)

    @property
    def current(self) -> Path:
        return self.pki / "kubelet-client-current.pem"

    def openssl(self, *words: str, text: str = "") -> str:
        run = subprocess.run(["openssl", *words], cwd=self.dir, input=text, capture_output=True, text=True, check=True)
        return run.stdout

    def run(self, script: str, **args: str) -> dict[str, str]:
        """The answer's words: @value keys, and "did", "refused", "failed" where they were said."""
        lines = ["KR_RUN=r1", "KR_STEP=test"]
        lines += [f"KR_ARG_{k.upper()}={shlex.quote(v)}" for k, v in {**self.args, **args}.items()]
        lib = (STEPS / "lib.sh").read_text()
        assert "/var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive" in lib
        lines.append(lib.replace("/var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive", f"{self.dir}/vault"))
        lines += [(STEPS / name).read_text() for name in script.split()]
        env = {**os.environ, "PATH": f"{self.dir}/bin:{os.environ['PATH']}", "KR_TEST_DIR": str(self.dir)}
        text = "\n".join([*lines, "echo @done"])
        run = subprocess.run(
            [*self.shell.split(), "-s"], input=text, env=env, capture_output=True, text=True, check=False
        )
        answer: dict[str, str] = {"rc": str(run.returncode), "out": run.stdout + run.stderr}
        for line in run.stdout.splitlines():
            word, _, rest = line.partition(" ")
            if word == "@value":
                key, _, value = rest.partition(" ")
                answer[key] = value
            elif word in ("@did", "@refused", "@failed"):
                answer[word[1:]] = rest
        return answer

    def request(self) -> dict[str, str]:
        return self.run("kubelet_lib.sh kubelet_credential_request.sh")

    def sign(self, **args: str) -> dict[str, str]:
        return self.run("kubelet_credential_sign.sh", **args)

    def install(self, **args: str) -> dict[str, str]:
        return self.run("kubelet_lib.sh kubelet_credential_install.sh", **args)


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, request.param)


def test_a_new_certificate_from_the_request_to_its_place(node: Machine) -> None:
    (node.pki / "kubelet-client-2020-01-01-00-00-00.pem").write_text("")
    node.current.symlink_to(node.pki / "kubelet-client-2020-01-01-00-00-00.pem")
    (node.dir / "kubelet.conf").write_text(
        "users:\n- name: x\n  user:\n    client-certificate-data: QQ==\n    client-key-data: QQ==\n"
    )
    asked = node.request()
    key = (node.pki / "kuberevive-r1.key").read_text()
    assert (node.pki / "kuberevive-r1.key").stat().st_mode & 0o777 == 0o600
    signed = node.sign(csr=asked["csr"], now=asked["now"])
    done = node.install(cert=signed["cert"])
    assert done["rc"] == "0", done["out"]
    target = node.current.resolve()
    assert target.name.startswith("kubelet-client-2")
    assert os.readlink(node.current) == str(target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert key.strip() in target.read_text()
    told = node.openssl(
        "x509", "-in", str(target), "-noout", "-subject", "-nameopt", "RFC2253", "-ext", "extendedKeyUsage"
    )
    assert WHO in told
    assert "TLS Web Client Authentication" in told
    assert sorted(p.name for p in node.pki.iterdir()) == sorted([target.name, node.current.name])
    conf = (node.dir / "kubelet.conf").read_text()
    assert conf.count(f": {node.current}") == 2
    assert "-data" not in conf
    assert list((node.dir / "vault").rglob("kubelet-client-2020-01-01-00-00-00.pem"))
    secret = key.splitlines()[1]
    assert all(secret not in answer["out"] for answer in (asked, signed, done))
    assert "stop kubelet.service" in (node.dir / "systemctl").read_text()


def test_a_second_time_changes_nothing(node: Machine) -> None:
    asked = node.request()
    node.install(cert=node.sign(csr=asked["csr"], now=asked["now"])["cert"])
    before = sorted(node.pki.iterdir())
    (node.dir / "systemctl").unlink()
    again = node.request()
    assert again["csr"] == ""
    assert "did" not in node.install()
    assert sorted(node.pki.iterdir()) == before
    assert not (node.dir / "systemctl").exists()


def test_an_older_certificate_is_pointed_to(node: Machine) -> None:
    asked = node.request()
    node.install(cert=node.sign(csr=asked["csr"], now=asked["now"])["cert"])
    good = node.current.resolve()
    node.current.unlink()
    node.current.write_text("")
    done = node.install(relink=str(good))
    assert "did" in done, done["out"]
    assert os.readlink(node.current) == str(good)


def test_an_admins_credential_in_the_place_of_the_nodes_own_gives_way_to_it(node: Machine) -> None:
    node.current.write_text("the admin's")
    asked = node.request()
    done = node.install(cert=node.sign(csr=asked["csr"], now=asked["now"])["cert"], admin_paths=str(node.current))
    assert done["rc"] == "0", done["out"]
    assert node.current.is_symlink()
    assert node.current.resolve().is_file()
    assert [p.read_text() for p in (node.dir / "vault").rglob(node.current.name)] == ["the admin's"]


@pytest.mark.parametrize("lacking", ["chown", "cp"])  # no room for the new file, no room for the backup
@pytest.mark.parametrize("part", ["kubelet_config", "kubelet_kubeconfig", "kubelet_credential_install"])
def test_a_kubelet_goes_on_where_nothing_can_be_written(node: Machine, part: str, lacking: str) -> None:
    path = node.dir / "kubelet.conf"
    path.write_text("client-certificate-data: QQ==")
    ca = base64.b64encode((node.dir / "ca.crt").read_bytes()).decode()
    node.stub(lacking, "exit 1")
    answer = node.run(f"kubelet_lib.sh {part}.sh", path=str(path), content="x", ca_data=ca, server="x", pem="x")
    assert answer["rc"] in ("3", "4"), answer["out"]
    assert path.read_text() == "client-certificate-data: QQ=="
    assert not (node.dir / "systemctl").exists()
    assert not list(node.dir.glob(".kuberevive*"))


@pytest.mark.parametrize("lacking", ["", "cp", "ln"])
def test_the_kubelet_is_stopped_only_for_a_link_that_can_be_replaced(node: Machine, lacking: str) -> None:
    node.current.write_text("old")
    asked = node.request()
    if lacking:
        node.stub(lacking, "exit 1")
    node.install(cert=node.sign(csr=asked["csr"], now=asked["now"])["cert"])
    assert (node.dir / "systemctl").exists() is not bool(lacking)
    assert node.current.is_symlink() is not bool(lacking)


@pytest.mark.parametrize("room", [True, False])
def test_a_broken_state_file_is_moved_away_where_there_is_room_to_keep_it(node: Machine, room: bool) -> None:
    state = node.dir / "cpu_manager_state"
    state.write_text("broken")
    if not room:
        node.stub("cp", "exit 1")
    answer = node.run("kubelet_lib.sh kubelet_checkpoint.sh", paths=str(state))
    assert ("did" in answer) is room
    assert state.exists() is not room
    assert (node.dir / "systemctl").exists() is room
    assert [p.read_text() for p in (node.dir / "vault").rglob(state.name)] == ["broken"] * room


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("/O=system:masters/CN=system:node:w1", "request"),
        ("/O=system:nodes/CN=system:node:w2", "request"),
        ("/O=system:nodes/O=system:masters/CN=system:node:w1", "request"),
    ],
)
def test_the_signer_refuses_any_other_subject(node: Machine, subject: str, code: str) -> None:
    node.openssl(
        "req",
        "-new",
        *EC,
        "-nodes",
        "-keyout",
        "x.key",
        "-out",
        "x.der",
        "-outform",
        "DER",
        "-subj",
        subject,
    )
    csr = base64.b64encode((node.dir / "x.der").read_bytes()).decode()
    answer = node.sign(csr=csr, now=node.request()["now"])
    assert answer["refused"].startswith(code)
    assert "cert" not in answer


@pytest.mark.parametrize("apart", [-600, 600])
def test_the_signer_refuses_while_clocks_are_apart(node: Machine, apart: int) -> None:
    asked = node.request()
    answer = node.sign(csr=asked["csr"], now=str(int(asked["now"]) + apart))
    assert answer["refused"].startswith("clock")


def test_the_signer_refuses_a_key_that_is_not_the_cas(node: Machine) -> None:
    asked = node.request()
    answer = node.sign(csr=asked["csr"], now=asked["now"], signer_key=str(node.pki / "kuberevive-r1.key"))
    assert answer["refused"].startswith("ca")


def test_the_node_refuses_a_certificate_for_another_key_and_keeps_what_it_has(node: Machine) -> None:
    asked = node.request()
    signed = node.sign(csr=asked["csr"], now=asked["now"])
    (node.pki / "kuberevive-r1.key").unlink()
    node.request()
    node.current.write_text("old")
    answer = node.install(cert=signed["cert"])
    assert answer["refused"].startswith("certificate")
    assert node.current.read_text() == "old"


def test_a_kubeconfig_is_written_from_public_parts(node: Machine) -> None:
    path = node.dir / "etc" / "kubelet.conf"
    ca = base64.b64encode((node.dir / "ca.crt").read_bytes()).decode()
    args = {"path": str(path), "server": "https://api:6443", "ca_data": ca, "pem": str(node.current)}
    done = node.run("kubelet_lib.sh kubelet_kubeconfig.sh", **args)
    assert "did" in done, done["out"]
    assert "server: https://api:6443" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert "did" not in node.run("kubelet_lib.sh kubelet_kubeconfig.sh", **args)


def test_a_kubeconfig_for_another_clusters_ca_is_refused(node: Machine) -> None:
    ours = (node.dir / "ca.crt").read_bytes()
    node.openssl("req", "-x509", *EC, "-nodes", "-keyout", "b.key", "-out", "b.crt", "-subj", "/CN=kubernetes")
    (node.dir / "ca.crt").write_bytes((node.dir / "b.crt").read_bytes())
    args = {
        "path": str(node.dir / "k.conf"),
        "server": "https://api:6443",
        "ca_data": base64.b64encode(ours).decode(),
        "pem": "/p",
    }
    assert node.run("kubelet_lib.sh kubelet_kubeconfig.sh", **args)["refused"].startswith("ca")
    assert not (node.dir / "k.conf").exists()


def test_a_configuration_is_written_once(node: Machine) -> None:
    path = node.dir / "config.yaml"
    path.write_text("")
    args = {"path": str(path), "content": "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"}
    assert "did" in node.run("kubelet_lib.sh kubelet_config.sh", **args)
    assert "kind: KubeletConfiguration" in path.read_text()
    assert "did" not in node.run("kubelet_lib.sh kubelet_config.sh", **args)


def test_only_admin_credentials_are_moved_away(node: Machine) -> None:
    for name, subject in (("a", "/O=system:masters/CN=kubernetes-admin"), ("b", "/O=system:nodes/CN=system:node:w1")):
        node.openssl(
            "req",
            "-x509",
            *EC,
            "-nodes",
            "-keyout",
            "/dev/null",
            "-out",
            f"{node.pki}/{name}.pem",
            "-subj",
            subject,
        )
    node.run("kubelet_lib.sh kubelet_admin_credential.sh", paths=f"{node.pki}/a.pem\n{node.pki}/b.pem")
    assert [p.name for p in node.pki.iterdir()] == ["b.pem"]
    assert list((node.dir / "vault").rglob("a.pem"))


def test_a_kubelet_that_would_start_an_empty_etcd_is_not_started(node: Machine) -> None:
    manifests = node.dir / "manifests"
    manifests.mkdir()
    flags = f"- --data-dir={node.dir}/etcd\n- --initial-advertise-peer-urls=https://1.2.3.4:2380\n"
    (manifests / "etcd.yaml").write_text(flags)
    args = {"manifests": str(manifests), "healthz": "127.0.0.1:1", "etcd_dead": ""}
    answer = node.run("kubelet_lib.sh kubelet_start.sh", **args)
    assert answer["refused"].startswith("empty_etcd")
    assert " start kubelet.service" not in (node.dir / "systemctl").read_text()
