"""Tells a command of the operator's choice how a job ended. That it fails is said, and changes nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from kuberevive_run.jobs import Notify
from kuberevive_run.outcome import Result, worst

__all__ = ["send", "text"]


def text(job: str, results: Sequence[Result], problem: str) -> str:
    """A few lines: the job, then each cluster, the worst first. problem: why the job did not run at all."""
    if problem:
        return f"kuberevive job {job} could not run: {problem}\n"
    counts = {state: sum(r.state == state for r in results) for state in dict.fromkeys(r.state for r in results)}
    lines = [f"kuberevive job {job}: " + ", ".join(f"{count} {state}" for state, count in counts.items())]
    for result in results:
        lines.append(line(result))
        if result.artifacts:
            lines.append(f"  artifacts: {result.artifacts}")
    return "\n".join(lines) + "\n"


def line(result: Result) -> str:
    """One cluster in one line."""
    took = f" in {result.ended - result.started:.0f} s" if result.ran else ""
    did = f", {result.changed} tasks changed something" if result.changed else ""
    return f"{result.cluster}: {result.state}{took}{did}" + (f": {result.why}" if result.why else "")


def send(notify: Notify, job: str, results: Sequence[Result], problem: str, path: Path | None) -> str:
    """Call the command; returns what went wrong with it, or nothing. path: the job's result as JSON."""
    outcome = worst(r.state for r in results)
    env = {
        **os.environ,
        "KUBEREVIVE_JOB": job,
        "KUBEREVIVE_OUTCOME": outcome,
        "KUBEREVIVE_RESULT": str(path or ""),
    }
    name = notify.command[0]
    try:
        process = subprocess.Popen(
            list(notify.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        return f"the notify command {name} could not be started: {error.strerror}"
    try:
        _, said = process.communicate(text(job, results, problem).encode(), timeout=notify.time_limit)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"the notify command {name} was killed after {notify.time_limit} seconds"
    if process.returncode:
        words = said.decode(errors="replace").strip().splitlines()[-1:]
        return f"the notify command {name} ended with {process.returncode}: {' '.join(words)}"
    return ""
