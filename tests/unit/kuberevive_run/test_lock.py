"""One job at a time on a cluster; who died holds nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from kuberevive_run.lock import Held, hold
from kuberevive_run.outcome import exit_code, worst

HOLDER = """
import signal, sys
from pathlib import Path
from kuberevive_run.lock import hold
with hold(Path(sys.argv[1]), "prod", "renew", 4711, 1.8e9):
    print("held", flush=True)
    signal.pause()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Generator[subprocess.Popen[str], None, None]:
    sources = str(Path(sys.modules[hold.__module__].__file__ or "").parents[1])
    argv = [sys.executable, "-c", HOLDER, str(tmp_path / "locks/prod.lock")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": sources}) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_has_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    path = tmp_path / "locks/prod.lock"
    with pytest.raises(Held) as held, hold(path, "prod", "diagnose", 1, 1.9e9):
        pass
    assert str(held.value) == (
        "cluster prod is left alone: job renew (pid 4711) has had it since 2027-01-15T08:00:00+00:00; "
        f"try again when it has ended ({path})"
    )
    with hold(tmp_path / "locks/other.lock", "other", "diagnose", 1, 1.9e9):
        pass


def test_a_dead_holder_holds_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    path = tmp_path / "locks/prod.lock"
    assert json.loads(path.read_text(encoding="utf-8"))["pid"] == 4711
    with hold(path, "prod", "diagnose", 5, 1.9e9):
        assert json.loads(path.read_text(encoding="utf-8"))["pid"] == 5


def test_it_is_given_back(tmp_path: Path) -> None:
    for pid in (1, 2):
        with hold(tmp_path / "lock", "prod", "renew", pid, 0.0):
            assert json.loads((tmp_path / "lock").read_text(encoding="utf-8"))["pid"] == pid


def test_a_holder_who_has_not_said_who_it_is(tmp_path: Path) -> None:
    with hold(tmp_path / "lock", "prod", "renew", 1, 0.0):
        (tmp_path / "lock").write_text("", encoding="utf-8")
        with (
            pytest.raises(Held, match="another job has just taken it"),
            hold(tmp_path / "lock", "prod", "renew", 2, 0.0),
        ):
            pass


def test_the_exit_code_is_the_worst_clusters() -> None:
    assert exit_code([]) == 0
    assert exit_code(["healthy", "changed"]) == 0
    assert exit_code(["healthy", "locked"]) == 75
    assert exit_code(["locked", "refused"]) == 3
    for state in ("broken", "failed", "timeout", "cancelled"):
        assert exit_code(["healthy", "locked", "refused", state]) == 2
    assert worst(["healthy", "broken", "locked"]) == "broken"
