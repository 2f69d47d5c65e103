"""Small repairs as sh, in the three shells: what may be freed, a runtime's config, a fresh snapshot, the limit of settling."""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_steps"
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"])


@pytest.fixture(params=SHELLS, ids=[" ".join(s) for s in SHELLS])
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def run(shell: list[str], place: Path, scripts: str, said: str = "", **args: str) -> subprocess.CompletedProcess[str]:
    """The scripts, with said between the first of them and the others; the vault is below place."""
    lines = ["KR_RUN=run1", "KR_STEP=try", *(f"KR_ARG_{k.upper()}={shlex.quote(v)}" for k, v in args.items())]
    first, *others = [(STEPS / name).read_text(encoding="utf-8") for name in scripts.split()]
    text = "\n".join([*lines, first, said, *others, "echo @done"])
    for root in ("/var/lib/kuberevive", "/run/kuberevive", "/dev/shm/kuberevive"):
        text = text.replace(root, f"{place}/vault")
    return subprocess.run([*shell, "-s"], input=text, capture_output=True, text=True, check=False, timeout=60)


def test_audit_logs_are_never_freed_wherever_they_lie(shell: list[str], tmp_path: Path) -> None:
    names = (
        "audit/audit.log.1",
        "kubernetes/kube-apiserver-audit.log",
        "kube-audit.log",
        "k8s-audit.log.1",
        "apiserver/Audit-2026.log.gz",
        "syslog.1",
        "huge.log",
    )
    found = "\n".join(f"900000 0 /var/log/{name}" for name in names)
    stand_ins = f"kr_ladder_roots() {{ echo /var/log; }}\nkr_limit() {{ echo '{found}'; }}\nkr_ladder / 1"
    done = run(shell, tmp_path, "ladder.sh", stand_ins)
    freed = [line.split("\t")[3] for line in done.stdout.splitlines() if "\t" in line]
    assert freed == ["/var/log/syslog.1", "/var/log/huge.log"]


@pytest.mark.parametrize("room", [True, False])
def test_a_linked_runtime_config_is_there_until_its_successor_is(shell: list[str], tmp_path: Path, room: bool) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "config.toml"
    real.write_text("")
    link.symlink_to(real)
    stand_ins = f"systemctl() {{ echo active; }}\njournalctl() {{ :; }}\nchown() {{ {'true' if room else 'false'}; }}"
    args = {"unit": "crio", "path": str(link), "content": "good", "mode": "644", "socket": "", "peer": "m2"}
    done = run(shell, tmp_path, "lib.sh runtime_lib.sh runtime_config.sh", stand_ins, **args)
    assert ("@done" in done.stdout) is room, done
    assert link.is_symlink() is not room
    assert link.read_text() == ("good" if room else "")
    assert real.read_text() == ""


@pytest.mark.parametrize(("age", "fresh"), [(60, True), (3600, False), (-3600, False)])
def test_only_a_snapshot_of_the_last_ten_minutes_is_used(
    shell: list[str], tmp_path: Path, age: int, fresh: bool
) -> None:
    snapshot = tmp_path / "vault" / "run0" / "etcd-snapshot.db"
    snapshot.parent.mkdir(parents=True)
    data = b"etcd" * 5120
    snapshot.write_bytes(data + hashlib.sha256(data).digest())
    written = time.time() - age
    os.utime(snapshot, (written, written))
    peer = {f"peer_{word}": "x" for word in ("endpoint", "ca", "cert", "key", "data_dir")}
    done = run(shell, tmp_path, "lib.sh etcd_snapshot.sh", "curl() { return 7; }", **peer)
    assert (f"@value snapshot {snapshot}" in done.stdout) is fresh, done


def test_settling_does_not_mind_a_clock_that_is_set(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "clock").write_text("0")
    stand_ins = f"""date() {{ echo $(($(cat {tmp_path}/clock) + 1000)) >{tmp_path}/clock; cat {tmp_path}/clock; }}
    sleep() {{ :; }}
    kr_host() {{ :; }}
    kr_get() {{ if [ -e {tmp_path}/asked ]; then echo @code=200; else : >{tmp_path}/asked; fi; }}"""
    args = {"seconds": "60", "healthz": "127.0.0.1:10248", "address": "", "port": "", "canary": "", "leaders": ""}
    done = run(shell, tmp_path, "lib.sh settle.sh", stand_ins, **args)
    assert "@done" in done.stdout, done
    assert "@value waits" not in done.stdout


@pytest.mark.parametrize("on_this_mount", [True, False])
def test_stopped_containers_go_last_and_never_the_control_planes(
    shell: list[str], tmp_path: Path, on_this_mount: bool
) -> None:
    mount = "/" if on_this_mount else "/data"
    stand_ins = f"""df() {{ echo head; if [ -e {tmp_path}/pruned ]; then kr_k=999999; else kr_k=150000; fi
      case $* in *docker) echo "dev 9 9 9 9% {mount}" ;; *) echo "dev 9 9 $kr_k 9% /" ;; esac; }}
    docker() {{ echo "$*" >>{tmp_path}/asked; [ "$2" != prune ] || {{ : >{tmp_path}/pruned
      printf 'Deleted Containers:\\nabc\\n\\nTotal reclaimed space: 12MB\\n'; }}; }}
    kr_limit() {{ shift; [ "$1" != docker ] || "$@"; }}"""
    done = run(shell, tmp_path, "lib.sh ladder.sh disk_space.sh", stand_ins, wants="500000000 0 /")
    assert "@done" in done.stdout, done
    assert ("@did removed stopped containers older than a day: 12MB" in done.stdout) is on_this_mount
    if on_this_mount:
        pruned = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()[-1]
        assert pruned.startswith("container prune -f --filter until=24h")
        assert "label!=io.kubernetes.pod.namespace=kube-system" in pruned
    else:
        assert not (tmp_path / "pruned").exists()
