"""The sh of an etcd member that systemd runs, in the three shells, with a systemctl that only pretends."""

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
FULL = "m1=https://10.77.0.11:2380,m2=https://10.77.0.12:2380,m3=https://10.77.0.13:2380"
UNIT = """[Service]
# --initial-cluster=old
ExecStart=/usr/local/bin/etcd \\
  --name=m2 \\
  --initial-cluster=m1=https://10.77.0.11:2380,m2=https://10.77.0.12:2380 \\
  --initial-cluster-state=new \\
  --data-dir=/var/lib/etcd
"""
# It runs a unit while its drop-in does not forbid it, as systemd would.
SYSTEMCTL = """#!/bin/bash
echo "$*" >>{home}/systemctl.log
for unit; do :; done
unit=${{unit%.service}}
case "$*" in
  "show --no-pager -p MainPID "*)
    pid=$(cat {home}/$unit.pid 2>/dev/null)
    kill -0 "$pid" 2>/dev/null || pid=0
    echo "MainPID=$pid" ;;
  daemon-reload) ls {home}/units/*.d/90-kuberevive-hold.conf >{home}/forbidden 2>/dev/null ;;
  "start --no-block "*)
    grep -q "/$unit.service.d/" {home}/forbidden && exit 0
    sleep 60 >/dev/null 2>&1 &
    echo $! >{home}/$unit.pid ;;
esac
exit 0
"""


@dataclass
class Node:
    """A master's directories below one place."""

    home: Path

    def run(self, shell: str, do: str, **more: str) -> subprocess.CompletedProcess[str]:
        values = {
            "DO": do,
            "DATA_DIR": f"{self.home}/etcd",
            "MANIFEST": "",
            "APISERVER_MANIFEST": "",
            "UNIT": "etcd",
            "APISERVER_UNIT": "kube-apiserver",
            "TOLD": f"{self.home}/units/etcd.service",
            "HELD_DIR": f"{self.home}/kuberevive-held",
            "MEMBER_ID": "42",
            "INITIAL_CLUSTER": FULL,
            "WAL_FILES": "0",
            **more,
        }
        head = ["KR_RUN=try", "KR_STEP=etcd_hold@m2", *(f"KR_ARG_{k}={shlex.quote(v)}" for k, v in values.items())]
        parts = [(STEPS / name).read_text(encoding="utf-8") for name in ("lib.sh", "unit_hold.sh", "etcd_member.sh")]
        text = "\n".join([*head, *parts, "echo @done"]).replace("/var/lib/kuberevive", f"{self.home}/vault")
        text = text.replace("/etc/systemd/system", f"{self.home}/units")
        environment = {**os.environ, "PATH": f"{self.home}/bin:{os.environ['PATH']}"}
        words = [*shell.split(), "-s"]
        return subprocess.run(
            words, input=text, capture_output=True, text=True, env=environment, timeout=120, check=False
        )

    def holds(self) -> list[str]:
        return sorted(path.parent.name for path in (self.home / "units").glob("*.d/90-kuberevive-hold.conf"))

    def runs(self, unit: str) -> bool:
        pid = self.home / f"{unit}.pid"
        return pid.exists() and Path(f"/proc/{pid.read_text().strip()}").exists()

    def told(self) -> str:
        return (self.home / "units/etcd.service").read_text(encoding="utf-8")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    for name in ("bin", "units", "etcd/member/snap"):
        (tmp_path / name).mkdir(parents=True)
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(SYSTEMCTL.format(home=tmp_path), encoding="utf-8")
    systemctl.chmod(0o755)
    (tmp_path / "forbidden").touch()
    (tmp_path / "etcd/member/snap/db").write_text("old", encoding="utf-8")
    (tmp_path / "units/etcd.service").write_text(UNIT, encoding="utf-8")
    for unit in ("etcd", "kube-apiserver"):  # nobody's children, so that they are gone when they are ended
        begin = f"sleep 60 >/dev/null 2>&1 & echo $! >{tmp_path}/{unit}.pid"
        subprocess.run(["sh", "-c", begin], check=True)
    yield Node(tmp_path)
    subprocess.run(["sh", "-c", f"kill $(cat {tmp_path}/*.pid)"], check=False, capture_output=True)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_held_units_are_ended_and_stay_so_until_they_are_released(node: Node, shell: str) -> None:
    first = node.run(shell, "hold")
    assert (first.returncode, "@done" in first.stdout) == (0, True), first.stdout + first.stderr
    assert node.holds() == ["etcd.service.d", "kube-apiserver.service.d"]
    again = node.run(shell, "hold")
    assert (again.returncode, "@changed" in again.stdout) == (0, False), again.stdout
    released = node.run(shell, "release")
    assert released.returncode == 0, released.stdout
    assert node.holds() == []
    assert sorted(path.name for path in (node.home / "units").iterdir()) == ["etcd.service"]
    assert (node.runs("etcd"), node.runs("kube-apiserver")) == (True, True)
    assert node.told() == UNIT


def test_the_new_member_starts_by_its_unit_and_the_api_server_after_it(node: Node, shell: str) -> None:
    answer = node.run(shell, "start")
    assert (answer.returncode, "@done" in answer.stdout) == (0, True), answer.stdout + answer.stderr
    assert not (node.home / "etcd/member").exists()
    told = node.told()
    assert f"  --initial-cluster={FULL} \\\n  --initial-cluster-state=existing \\\n" in told
    assert [x for x in told.splitlines() if "initial" not in x] == [x for x in UNIT.splitlines() if "initial" not in x]
    assert node.holds() == ["kube-apiserver.service.d"]
    assert node.runs("etcd")
    (node.home / "etcd/member").mkdir()  # the new member's own
    again = node.run(shell, "start")
    assert (again.returncode, "@changed" in again.stdout) == (0, False), again.stdout
    assert (node.home / "etcd/member").exists()
    assert node.run(shell, "finish").returncode == 0
    assert (node.holds(), node.runs("kube-apiserver")) == ([], True)
    assert not (node.home / "kuberevive-held").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            'ARGS="--a --initial-cluster=x=1 --b"',
            f'ARGS="--a --initial-cluster={FULL} --initial-cluster-state=existing --b"',
        ),
        (
            "ETCD_INITIAL_CLUSTER=x=1\n#ETCD_INITIAL_CLUSTER_STATE=new",
            f"ETCD_INITIAL_CLUSTER={FULL}\nETCD_INITIAL_CLUSTER_STATE=existing\n#ETCD_INITIAL_CLUSTER_STATE=new",
        ),
        (
            'ETCD_INITIAL_CLUSTER="x=1"\nETCD_INITIAL_CLUSTER_STATE="new"',
            f'ETCD_INITIAL_CLUSTER="{FULL}"\nETCD_INITIAL_CLUSTER_STATE="existing"',
        ),
        (
            'Environment="ETCD_INITIAL_CLUSTER=x=1"',
            f'Environment="ETCD_INITIAL_CLUSTER={FULL}"\nEnvironment=ETCD_INITIAL_CLUSTER_STATE=existing',
        ),
        (
            "ExecStart=/bin/etcd --initial-cluster x=1 --name=a",
            f"ExecStart=/bin/etcd --initial-cluster={FULL} --initial-cluster-state=existing --name=a",
        ),
    ],
)
def test_only_how_it_joins_is_changed_wherever_it_stands(node: Node, before: str, after: str) -> None:
    (node.home / "units/etcd.service").write_text(before + "\n", encoding="utf-8")
    for shell in SHELLS:  # the later ones find it done
        answer = node.run(shell, "start")
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert node.told() == after + "\n"


def test_a_flag_in_quotes_of_its_own_is_refused_before_anything_is_stopped(node: Node, shell: str) -> None:
    (node.home / "units/etcd.service").write_text("ExecStart=/bin/etcd '--initial-cluster=x=1'\n", encoding="utf-8")
    answer = node.run(shell, "start")
    assert (answer.returncode, "@refused unit" in answer.stdout) == (3, True), answer.stdout
    assert (node.holds(), node.runs("etcd")) == ([], True)
    assert (node.home / "etcd/member/snap/db").exists()
