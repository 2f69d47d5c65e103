"""Runs scenarios two at a time, each on a lab of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread

from scenarios.story import ROOT, Story

__all__ = ["Pool", "Result"]

_LIMIT = 5400  # seconds for one scenario; the first one of a profile on a fresh machine also builds its binaries


@dataclass(frozen=True)
class Result:
    """How Molecule ended."""

    rc: int
    seconds: float
    log: Path

    def tail(self, lines: int = 150) -> str:
        """The end of what it said."""
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-lines:])


class Pool:
    """Starts at once; result() waits for one scenario."""

    def __init__(self, stories: Sequence[Story], width: int) -> None:
        self._futures: dict[str, Future[Result]] = {story.name: Future() for story in stories}
        self._waiting = list(reversed(stories))
        self._lock = Lock()
        for _ in range(width):
            Thread(target=self._work, daemon=True).start()

    def result(self, name: str) -> Result:
        """The end of that scenario."""
        return self._futures[name].result()

    def stop(self) -> None:
        """Start no further one."""
        with self._lock:
            self._waiting.clear()

    def _work(self) -> None:
        while (story := self._next()) is not None:
            future = self._futures[story.name]
            try:
                future.set_result(_molecule(story))
            except Exception as error:  # the test that waits for it shall raise it
                future.set_exception(error)

    def _next(self) -> Story | None:
        with self._lock:
            return self._waiting.pop() if self._waiting else None


def _molecule(story: Story) -> Result:
    began = time.monotonic()
    log = story.out.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    _say(f"scenario {story.name}: started; follow it in {log.relative_to(ROOT)}")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_", "PYTEST_"))}
    env.update(NO_COLOR="1", COLUMNS="160", PATH=f"{ROOT / '.venv/bin'}:{os.environ['PATH']}")
    try:
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(
                ["molecule", "test", "-s", story.name],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT,
                check=False,
            )
    finally:
        for name in story.labs:
            subprocess.run([ROOT / "lab/lab", "down", "--name", name], capture_output=True, check=False)
    result = Result(done.returncode, time.monotonic() - began, log)
    _say(
        f"scenario {story.name}: {'ok' if (result.rc == 0) != story.must_fail else 'FAILED'} in {result.seconds:.0f} s"
    )
    return result


def _say(text: str) -> None:
    """Beside pytest's own output: a run of an hour must show that it lives."""
    print(f"\n{time.strftime('%H:%M:%S')} {text}", file=sys.__stderr__, flush=True)
