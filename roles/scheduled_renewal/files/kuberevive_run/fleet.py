"""Clusters side by side: a process for each, so many at once, and none that stops another."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from types import FrameType

from kuberevive_run.cluster import Task, in_child
from kuberevive_run.outcome import Result

__all__ = ["Fleet"]


@dataclass
class _Running:
    task: Task
    process: SpawnProcess
    results: connection.Connection
    started: float


class Fleet:
    """Runs tasks; stop() is a signal handler that ends them all."""

    def __init__(self, side_by_side: int) -> None:
        self.side_by_side = side_by_side
        self.stopped_by = ""
        self._running: list[_Running] = []

    def stop(self, number: int, _frame: FrameType | None = None) -> None:
        """End every cluster's run, start no other."""
        self.stopped_by = self.stopped_by or signal.Signals(number).name
        for running in self._running:
            running.process.terminate()

    def run(self, tasks: Iterable[Task], told: Callable[[Result], None]) -> None:
        """Call told() with the result of each task, as they end."""
        waiting = deque(tasks)
        while waiting or self._running:
            if self.stopped_by:
                for task in waiting:
                    told(task.ended("cancelled", f"not started: ended by {self.stopped_by}", time.time()))
                waiting.clear()
            while waiting and len(self._running) < self.side_by_side:
                self._start(waiting.popleft())
            ready = connection.wait([running.results for running in self._running], timeout=0.5)
            for running in [r for r in self._running if r.results in ready]:
                self._running.remove(running)
                told(self._collect(running))

    def _start(self, task: Task) -> None:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=in_child, args=(task, there), name=task.cluster)
        process.start()
        there.close()
        self._running.append(_Running(task, process, here, time.time()))
        if self.stopped_by:  # the signal came between
            process.terminate()

    def _collect(self, running: _Running) -> Result:
        result: Result | None = None
        with suppress(EOFError):
            result = running.results.recv()
        running.results.close()
        running.process.join()
        if result is not None:
            return result
        if self.stopped_by:
            return running.task.ended(
                "cancelled", f"ended by {self.stopped_by} before Ansible started", running.started
            )
        why = f"its process ended without a result (exit code {running.process.exitcode}); the journal may say why"
        return running.task.ended("failed", why, running.started)
