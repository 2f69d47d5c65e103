"""The machine the lab runs on: one command runner, progress, locks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

__all__ = [
    "LAB_DIR",
    "RUN",
    "LabError",
    "each",
    "lock",
    "raise_inotify_limit",
    "restore_inotify_limit",
    "run",
    "say",
    "step",
]

RUN = Path("/run/kuberevive-lab")
LAB_DIR = Path(__file__).resolve().parent.parent

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class LabError(Exception):
    """One sentence for the person at the terminal: what, where, what to do."""


def say(text: str) -> None:
    """Progress goes to stderr: stdout belongs to the answer."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Say what is being done and how long it took."""
    began = time.monotonic()
    say(f"  {title} …")
    yield
    say(f"  {title}: {time.monotonic() - began:.1f} s")


def run(
    argv: Sequence[str | Path],
    *,
    stdin: str | None = None,
    timeout: float = 600,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; a failure becomes a :class:`LabError` with its last words."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{words[0]} is not installed here: run lab/setup-host.sh") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"no answer within {timeout:.0f} s from: {' '.join(words)[:300]}") from error
    if check and done.returncode != 0:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise LabError(f"failed (rc {done.returncode}): {' '.join(words)[:300]}\n{last}")
    return done


def each(action: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
    """Do it for all items side by side; the first error is raised after all have ended."""
    things = list(items)
    if not things:
        return []
    with ThreadPoolExecutor(max_workers=len(things)) as pool:
        return [future.result() for future in [pool.submit(action, thing) for thing in things]]


_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_WANTED = 4096


def raise_inotify_limit() -> None:
    """Every systemd, kubelet and runtime of every node takes some of the one kernel's inotify instances."""
    before = int(_INOTIFY.read_text())
    if before < _INOTIFY_WANTED:
        RUN.mkdir(parents=True, exist_ok=True)
        (RUN / "inotify").write_text(str(before))
        _INOTIFY.write_text(str(_INOTIFY_WANTED))


def restore_inotify_limit() -> None:
    """Give the machine its own limit back."""
    kept = RUN / "inotify"
    if kept.exists():
        _INOTIFY.write_text(kept.read_text())
        kept.unlink()


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Only one lab command of this machine is in here at a time."""
    RUN.mkdir(parents=True, exist_ok=True)
    with (RUN / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
