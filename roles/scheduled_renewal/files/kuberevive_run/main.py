"""The command: read, check, run, and say how it ended: on the terminal, in metrics, to the notify command."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kuberevive_run import inputs, jobs, metrics, notify, reports
from kuberevive_run.cluster import Task
from kuberevive_run.fleet import Fleet
from kuberevive_run.jobs import Job, Settings
from kuberevive_run.outcome import BAD_INPUT, STATES, BadInput, Result, WrongUser, exit_code, to_plain, worst

__all__ = ["main"]

JOBS_FILE = "/etc/kuberevive/jobs.yml"
_CODES = """exit codes: 0 every cluster is healthy; 2 a cluster is left broken, or could not be told; 3 the job, or a cluster
of it, could not run: the sentence says what to put right; 75 another job has a cluster, which was left alone"""


@dataclass
class _Run:
    """What becomes known of the job on the way."""

    job: str
    now: float
    metrics_dir: Path | None = None
    settings: Settings | None = None
    wanted: Job | None = None
    clusters: tuple[inputs.Cluster, ...] = ()
    results: list[Result] = field(default_factory=list)
    problem: str = ""  # why the job could not run at all

    @property
    def rc(self) -> int:
        return BAD_INPUT if self.problem else exit_code(r.state for r in self.results)

    def read(self, path: Path) -> None:
        """Everything that must be right before a cluster is touched; raises BadInput."""
        data = jobs.read(path)
        self.metrics_dir = jobs.metrics_dir(data, path)
        self.settings, self.wanted = jobs.parse(data, path, self.job)
        self.clusters = inputs.clusters(self.wanted)
        inputs.check(self.settings, self.wanted, self.now)

    def told(self, result: Result) -> None:
        """A cluster has ended: say so at once, and keep it."""
        result = self._with_memory(result)
        self.results.append(result)
        print(notify.line(result), flush=True)
        for sentence in result.report.unreadable if result.ran and result.report else ():
            _complain(f"{result.cluster}: {sentence}")
        self._metrics(result.cluster, metrics.of_cluster(result))
        self._save(result.cluster, to_plain(result))

    def end(self) -> None:
        """Leave the job's own result, metrics and notification."""
        self.results.sort(key=lambda r: (-STATES.index(r.state), r.cluster))
        self._metrics("", metrics.of_job(self.job, self.rc, time.time()))
        clusters = [to_plain(result) for result in self.results]
        path = self._save("", {"job": self.job, "exit_code": self.rc, "problem": self.problem, "clusters": clusters})
        told = self.wanted.notify if self.wanted else None
        states = {r.state for r in self.results} or {worst(())}
        if told and states & set(told.outcomes):
            wrong = notify.send(told, self.job, self.results, self.problem, path)
            if wrong:
                _complain(wrong)

    def _with_memory(self, result: Result) -> Result:
        """What earlier runs knew and this one did not come to: metrics must not lose a certificate while a job is locked out."""
        before: dict[str, Any] = _load(self._file(result.cluster)) if self.settings else {}
        older = reports.from_plain(before.get("report"))
        return replace(
            result,
            report=result.report.remembering(older) if result.report else older,
            last_success=result.ended if result.success else _number(before.get("last_success")),
            last_run=result.ended if result.ran else _number(before.get("last_run")),
        )

    def _metrics(self, cluster: str, text: bytes) -> None:
        if not self.metrics_dir:
            return
        try:
            metrics.write(self.metrics_dir, re.sub(r"[^A-Za-z0-9._-]", "_", self.job), cluster, text)
            if not cluster and not self.problem:
                metrics.forget(self.metrics_dir, self.job, [c.name for c in self.clusters])
        except OSError as error:
            _complain(f"metrics cannot be written to {self.metrics_dir}: {error.strerror}; correct its owner or mode")

    def _save(self, cluster: str, data: dict[str, Any]) -> Path | None:
        if not self.settings:
            return None
        path = self._file(cluster)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            _complain(f"the result cannot be kept in {path}: {error.strerror}")
            return None
        return path

    def _file(self, cluster: str) -> Path:
        assert self.settings
        return self.settings.state_dir / "results" / (f"{self.job}@{cluster}.json" if cluster else f"{self.job}.json")


def main(argv: list[str] | None = None) -> int:
    """Run one job; returns the exit code."""
    parser = argparse.ArgumentParser(prog="kuberevive-run", description=__doc__, epilog=_CODES)
    parser.add_argument("job", help="a job of the jobs file")
    parser.add_argument("--jobs-file", type=Path, default=Path(JOBS_FILE), metavar="FILE", help=f"default: {JOBS_FILE}")
    parser.add_argument("--validate", action="store_true", help="only say whether the job could run")
    args = parser.parse_args(argv)
    os.umask(0o077)
    run = _Run(args.job, time.time())
    try:
        run.read(args.jobs_file)
    except WrongUser as wrong:
        _complain(str(wrong))
        return BAD_INPUT
    except BadInput as bad:
        run.problem = str(bad)
    if args.validate:
        return _validate(run)
    if run.problem:
        _complain(run.problem)
    _clusters(run)
    run.end()
    return run.rc


def _clusters(run: _Run) -> None:
    """Every cluster of the job, those first that cannot run at all."""
    tasks = []
    for cluster in run.clusters:
        assert run.settings
        assert run.wanted
        task = Task(run.settings, run.wanted, cluster.name, cluster.inventory)
        if run.problem or cluster.wrong:
            run.told(task.ended("refused", run.problem or cluster.wrong, run.now))
        else:
            tasks.append(task)
    if not run.wanted:
        return
    fleet = Fleet(run.wanted.side_by_side)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, fleet.stop)
    fleet.run(tasks, run.told)


def _validate(run: _Run) -> int:
    problems = [run.problem] if run.problem else [cluster.wrong for cluster in run.clusters if cluster.wrong]
    for problem in problems:
        _complain(problem)
    if not problems:
        print(f"job {run.job} can run on {', '.join(cluster.name for cluster in run.clusters)}")
    return BAD_INPUT if problems else 0


def _complain(sentence: str) -> None:
    print(f"kuberevive-run: {sentence}", file=sys.stderr, flush=True)


def _load(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
