"""One job at a time on a cluster. The kernel holds the lock, so a dead process cannot leave one behind."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

__all__ = ["Held", "hold"]


class Held(Exception):
    """Another process has it: one sentence that says who."""


@contextmanager
def hold(path: Path, cluster: str, job: str, pid: int, now: float) -> Iterator[None]:
    """Hold the cluster's lock; raises Held at once where another job has it. pid is named to those who come second."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"cluster {cluster} is left alone: {_holder(file.read())} ({path})") from None
        since = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="seconds")
        file.seek(0)
        file.truncate()
        json.dump({"pid": pid, "job": job, "since": since}, file)
        file.flush()
        yield


def _holder(text: str) -> str:
    try:
        who = json.loads(text)
        return f"job {who['job']} (pid {who['pid']}) has had it since {who['since']}; try again when it has ended"
    except (ValueError, KeyError, TypeError):
        return "another job has just taken it; try again when it has ended"
