"""The sh of an etcd member's own node, in the three shells, with a systemctl and an etcd that only pretend."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_steps"
SHELLS = ("dash", "bash --posix", "busybox sh")
MANIFEST = """apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - etcd
    - --name=m2
    - --initial-cluster=m1=https://10.77.0.11:2380,m2=https://10.77.0.12:2380
    - --initial-cluster-state=existing
    - --listen-client-urls=https://127.0.0.1:2379
    image: etcd
"""
FIRST = MANIFEST.replace(",m2=https://10.77.0.12:2380", "").replace("    - --initial-cluster-state=existing\n", "")
FULL = "m1=https://10.77.0.11:2380,m2=https://10.77.0.12:2380,m3=https://10.77.0.13:2380"
# Started by systemctl, it runs an "etcd" while the manifest is there, as a kubelet would.
SYSTEMCTL = """#!/bin/bash
echo "$*" >>{home}/systemctl.log
case $1 in
  is-active) cat {home}/kubelet ;;
  stop) echo inactive >{home}/kubelet ;;
  start | restart)
    echo active >{home}/kubelet
    [ -e {home}/manifests/etcd.yaml ] || exit 0
    (exec -a etcd bash -c 'sleep 20; :' --data-dir={home}/etcd) >/dev/null 2>&1 &
    echo $! >{home}/pid ;;
esac
"""


@dataclass
class Node:
    """A master's directories below one place."""

    home: Path

    def run(self, shell: str, do: str, **more: str) -> subprocess.CompletedProcess[str]:
        values = {
            "DO": do,
            "DATA_DIR": f"{self.home}/etcd",
            "MANIFEST": f"{self.home}/manifests/etcd.yaml",
            "APISERVER_MANIFEST": f"{self.home}/manifests/kube-apiserver.yaml",
            "HELD_DIR": f"{self.home}/kuberevive-held",
            "MEMBER_ID": "42",
            "INITIAL_CLUSTER": FULL,
            "WAL_FILES": "0",
            **more,
        }
        head = ["KR_RUN=try", "KR_STEP=etcd_hold@m2", *(f"KR_ARG_{k}={shlex.quote(v)}" for k, v in values.items())]
        parts = [(STEPS / name).read_text(encoding="utf-8") for name in ("lib.sh", "unit_hold.sh", "etcd_member.sh")]
        text = "\n".join([*head, *parts, "echo @done"]).replace("/var/lib/kuberevive", f"{self.home}/vault")
        assert "--etcd-servers=" in text
        text = text.replace("--etcd-servers=", "--nobody=")  # no API server of the machine that runs the tests
        environment = {**os.environ, "PATH": f"{self.home}/bin:{os.environ['PATH']}"}
        return subprocess.run(
            [*shell.split(), "-s"],
            input=text,
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
            check=False,
        )

    def read(self, path: str) -> str:
        return (self.home / path).read_text(encoding="utf-8")


@pytest.fixture(params=[MANIFEST, FIRST], ids=["joined", "first"])
def node(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Node]:
    for name in ("bin", "manifests", "etcd/member/snap"):
        (tmp_path / name).mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(home=tmp_path), encoding="utf-8")
    systemctl.chmod(0o755)
    (tmp_path / "kubelet").write_text("active\n", encoding="utf-8")
    (tmp_path / "etcd/member/snap/db").write_text("old", encoding="utf-8")
    (tmp_path / "manifests/etcd.yaml").write_text(request.param, encoding="utf-8")
    (tmp_path / "manifests/etcd.yaml").chmod(0o600)
    (tmp_path / "manifests/kube-apiserver.yaml").write_text("kind: Pod\n", encoding="utf-8")
    yield Node(tmp_path)
    pid = tmp_path / "pid"
    if pid.exists():
        subprocess.run(["kill", pid.read_text(encoding="utf-8").strip()], check=False, capture_output=True)


@pytest.mark.parametrize("shell", SHELLS)
def test_hold_and_release_leave_everything_as_it_was(node: Node, shell: str) -> None:
    before = node.read("manifests/etcd.yaml")
    first = node.run(shell, "hold")
    assert first.returncode == 0, first.stdout + first.stderr
    assert sorted(p.name for p in (node.home / "kuberevive-held").iterdir()) == ["etcd.yaml", "kube-apiserver.yaml"]
    assert list((node.home / "manifests").iterdir()) == []
    assert node.read("kubelet") == "active\n"  # one that ran runs again
    again = node.run(shell, "hold")
    assert "@changed" not in again.stdout
    assert node.run(shell, "release").returncode == 0
    assert node.read("manifests/etcd.yaml") == before
    assert not (node.home / "kuberevive-held").exists()
    assert node.read("etcd/member/snap/db") == "old"


@pytest.mark.parametrize("shell", SHELLS)
def test_start_moves_the_old_data_away_once_and_changes_two_arguments(node: Node, shell: str) -> None:
    before = node.read("manifests/etcd.yaml")
    answer = node.run(shell, "start")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "@done" in answer.stdout
    assert not (node.home / "etcd/member").exists()
    assert node.read(f"vault/try/files{node.home}/etcd/member/snap/db") == "old"
    assert node.read(f"vault/try/files{node.home}/manifests/etcd.yaml") == before
    after = node.read("manifests/etcd.yaml").splitlines()
    assert f"    - --initial-cluster={FULL}" in after
    assert after.count("    - --initial-cluster-state=existing") == 1
    others = [line for line in after if "--initial-cluster" not in line]
    assert others == [line for line in before.splitlines() if "--initial-cluster" not in line]
    assert (node.home / "manifests/etcd.yaml").stat().st_mode & 0o777 == 0o600
    assert node.read("kuberevive-held/etcd-readd") == "42\n"
    assert (node.home / "kuberevive-held/kube-apiserver.yaml").exists()
    # The new member has written its own data by now: a rerun must not touch it.
    (node.home / "etcd/member").mkdir()
    (node.home / "etcd/member/mine").write_text("new", encoding="utf-8")
    again = node.run(shell, "start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "@changed" not in again.stdout
    assert node.read("etcd/member/mine") == "new"
    assert node.run(shell, "finish").returncode == 0
    assert (node.home / "manifests/kube-apiserver.yaml").exists()
    assert not (node.home / "kuberevive-held").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_start_refuses_when_data_came_since_it_was_judged(node: Node, shell: str) -> None:
    (node.home / "etcd/member/wal").mkdir()
    (node.home / "etcd/member/wal/0.wal").write_text("x", encoding="utf-8")
    answer = node.run(shell, "start")
    assert answer.returncode == 3
    assert "@refused changed" in answer.stdout
    assert "@changed" not in answer.stdout
    assert node.read("etcd/member/snap/db") == "old"
    assert not (node.home / "systemctl.log").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_hold_notes_what_the_member_was_judged_to_be_until_it_is_over(node: Node, shell: str) -> None:
    assert node.run(shell, "hold", WHY="unusable panic: page 7 already freed").returncode == 0
    words = node.read("kuberevive-held/etcd-why").split(" ", 4)
    assert (words[:3], words[4]) == (["unusable", "0", "3"], "panic: page 7 already freed\n")
    assert int(words[3]) >= int((node.home / "etcd/member/snap/db").stat().st_mtime)
    assert node.run(shell, "hold", WHY="good nothing").returncode == 0
    assert node.read("kuberevive-held/etcd-why").startswith("unusable ")
    assert node.run(shell, "release").returncode == 0
    assert not (node.home / "kuberevive-held").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_second_manifest_that_kubelet_would_start_is_refused(node: Node, shell: str) -> None:
    (node.home / "manifests/etcd.yaml.bak").write_text("    - --initial-advertise-peer-urls=x\n", encoding="utf-8")
    answer = node.run(shell, "hold")
    assert (answer.returncode, "@refused two_manifests" in answer.stdout) == (3, True), answer.stdout
    assert "@changed" not in answer.stdout
    assert (node.home / "manifests/etcd.yaml").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_manifest_that_cannot_be_rewritten_is_refused_before_the_data_is_moved(node: Node, shell: str) -> None:
    text = node.read("manifests/etcd.yaml").replace("    - --initial-cluster=", "    - --name=x --initial-cluster=")
    (node.home / "manifests/etcd.yaml").write_text(text, encoding="utf-8")
    answer = node.run(shell, "start")
    assert (answer.returncode, "@refused manifest" in answer.stdout) == (3, True), answer.stdout
    assert node.read("etcd/member/snap/db") == "old"


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("shell", SHELLS)
def test_quoted_arguments_stay_quoted(node: Node, shell: str, quote: str) -> None:
    lines = node.read("manifests/etcd.yaml").splitlines()
    text = "".join(
        line.replace("- --i", f"- {quote}--i") + (quote if "--initial" in line else "") + "\n" for line in lines
    )
    (node.home / "manifests/etcd.yaml").write_text(text, encoding="utf-8")
    assert node.run(shell, "start").returncode == 0
    after = node.read("manifests/etcd.yaml").splitlines()
    assert f"    - {quote}--initial-cluster={FULL}{quote}" in after
    assert f"    - {quote}--initial-cluster-state=existing{quote}" in after


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_started_where_the_mark_or_the_manifest_cannot_be_written(node: Node, shell: str) -> None:
    chown = node.home / "bin" / "chown"
    chown.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    chown.chmod(0o755)
    answer = node.run(shell, "start")
    assert (answer.returncode, "@done" in answer.stdout) == (4, False), answer.stdout
    assert list((node.home / "manifests").iterdir()) == []
    assert not (node.home / "pid").exists()
