"""A run is killed at its moment, with everything it started and nothing else; a moment that never comes is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.interrupts import Missed, cut_off

# As ansible-playbook does it: a worker that leads a session of its own, and a child of that one.
RUN = r"""
import os, subprocess, sys, time
place = sys.argv[1]
def note(name):
    with open(f"{place}/{name}", "w") as file:
        file.write(str(os.getpid()))
print("began", flush=True)
note("run")
if os.fork() == 0:
    os.setsid()
    note("worker")
    subprocess.run(["sh", "-c", f"echo $$ >{place}/child; exec sleep 300"], start_new_session=True)
time.sleep(300)
"""
NAMES = ("run", "worker", "child")


def pids(place: Path) -> list[int]:
    """Of those that have said that they run."""
    return [int(text) for name in NAMES if (place / name).exists() and (text := (place / name).read_text().strip())]


def alive(pid: int) -> bool:
    """Whether it runs; one that ended and was not yet asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def at_work(place: Path) -> Callable[[], bool]:
    """True once all of them run."""
    return lambda: len(pids(place)) == len(NAMES) and all(map(alive, pids(place)))


def test_all_that_it_started_ends_with_it_and_nothing_else(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "300"]) as bystander:
        cut_off([sys.executable, "-c", RUN, str(tmp_path)], os.environ, tmp_path / "output.txt", at_work(tmp_path))
        assert len(pids(tmp_path)) == len(NAMES)
        assert not any(map(alive, pids(tmp_path)))
        assert (tmp_path / "output.txt").read_text() == "began\n"
        assert alive(bystander.pid)
        bystander.kill()


def test_a_run_that_ends_before_its_moment_is_told(tmp_path: Path) -> None:
    with pytest.raises(Missed, match="ended with rc 7 before it was time to kill it"):
        cut_off(["sh", "-c", "exit 7"], os.environ, tmp_path / "output.txt", lambda: False)


def test_a_run_that_ends_at_its_moment_was_not_killed(tmp_path: Path) -> None:
    def late() -> bool:
        time.sleep(1)
        return True

    with pytest.raises(Missed, match="ended with rc 0 just when"):
        cut_off(["true"], os.environ, tmp_path / "output.txt", late)


@pytest.mark.parametrize("what", ["the limit", "the question"])
def test_nothing_is_left_when_it_was_never_time(tmp_path: Path, what: str) -> None:
    there = at_work(tmp_path)

    def never() -> bool:
        while not there():
            time.sleep(0.05)
        if what == "the question":
            raise RuntimeError("the node does not answer")
        return False

    with pytest.raises((Missed, RuntimeError), match=r"still not time to kill it|does not answer"):
        cut_off([sys.executable, "-c", RUN, str(tmp_path)], os.environ, tmp_path / "output.txt", never, limit=0)
    assert len(pids(tmp_path)) == len(NAMES)
    assert not any(map(alive, pids(tmp_path)))
