"""One cluster's run by ansible-runner, in a process of its own: its lock, its limit on time, its end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import ansible_runner

from kuberevive_run import reports
from kuberevive_run.jobs import Job, Settings
from kuberevive_run.lock import Held, hold
from kuberevive_run.outcome import Result, State

__all__ = ["Task", "in_child", "run"]

_POLL = 0.5  # seconds between two looks at whether the run is to end
_GRACE = 20.0  # seconds Ansible has to end by itself once it was asked to
_CONTROL = re.compile(r"\x1b\[[0-9;]*m")
# What Ansible and ssh need of the environment; everything else stays out of the artifacts.
_ENVIRONMENT = ("HOME", "LANG", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Task:
    """What one cluster's process has to do."""

    settings: Settings
    job: Job
    cluster: str
    inventory: Path

    @property
    def directory(self) -> Path:
        """ansible-runner's private data directory."""
        return self.settings.state_dir / "runs" / self.job.name / self.cluster

    @property
    def lock(self) -> Path:
        """Shared by all jobs that know this cluster."""
        return self.settings.state_dir / "locks" / f"{self.cluster}.lock"

    def ended(self, state: State, why: str, started: float) -> Result:
        """The result of a run that did not get as far as Ansible."""
        return Result(self.job.name, self.cluster, state, why, started, time.time())


@dataclass
class _Watch:
    """Sees the run's events, and ends the run when it is asked to or has taken too long."""

    deadline: float
    asked: Callable[[], str]  # why the run is to end; empty: it may go on
    limit: int = 0
    pid: int = 0  # of ansible-playbook, once it has said something
    changed: int = 0
    failed: str = ""  # what the last task that failed said
    state: State | None = None
    why: str = ""
    kill_at: float = 0.0

    def event(self, event: dict[str, Any]) -> bool:
        """ansible-runner's event handler; True: keep the event among the artifacts."""
        self.pid = int(event.get("pid") or self.pid)
        data = event.get("event_data") or {}
        name = event.get("event")
        if name in ("runner_on_failed", "runner_on_unreachable") and not data.get("ignore_errors"):
            result = data.get("res")
            message = result.get("msg") if isinstance(result, dict) else None
            self.failed = f"{data.get('host')}: {message or data.get('task')}"
        elif name == "playbook_on_stats":
            self.changed = sum((data.get("changed") or {}).values())
        return True

    def over(self) -> bool:
        """ansible-runner's cancel callback; True: kill what is left.

        ansible-playbook is asked first: it takes its workers and their ssh along, which have sessions of their own and would
        outlive a kill of its process group.
        """
        now = time.monotonic()
        if self.state is None:
            asked = self.asked()
            if asked:
                self._end("cancelled", asked, now)
            elif now > self.deadline:
                self._end("timeout", f"not ready within the time limit of {self.limit} seconds", now)
        return self.state is not None and now >= self.kill_at

    def _end(self, state: State, why: str, now: float) -> None:
        self.state, self.why = state, why
        self.kill_at = now + (_GRACE if self.pid else 0)
        if self.pid:
            with suppress(OSError):
                os.killpg(self.pid, signal.SIGINT)


def in_child(task: Task, results: Connection) -> None:
    """The process's whole life: run, and hand back the result."""
    parent, signals = os.getppid(), list[int]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: signals.append(number))

    def asked() -> str:
        if signals:
            return f"ended by {signal.Signals(signals[0]).name}"
        return "" if os.getppid() == parent else "kuberevive-run itself was killed"

    kept = _environment()
    os.environ.clear()
    os.environ.update(kept)
    results.send(run(task, parent, asked))
    results.close()


def run(task: Task, pid: int, asked: Callable[[], str]) -> Result:
    """Run the job's playbook on the cluster. pid: who holds the lock, for those who come second."""
    started = time.time()
    try:
        with hold(task.lock, task.cluster, task.job.name, pid, started):
            return _run(task, started, asked)
    except Held as held:
        return task.ended("locked", str(held), started)
    except (OSError, ansible_runner.AnsibleRunnerException) as error:
        return task.ended("failed", f"the run could not be made: {error}", started)


def _run(task: Task, started: float, asked: Callable[[], str]) -> Result:
    ident = datetime.fromtimestamp(started, timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    artifacts = task.directory / "artifacts" / ident
    found = artifacts / "report"
    found.mkdir(mode=0o700, parents=True)
    # ansible-runner keeps what it once wrote there and mixes it into every later run.
    shutil.rmtree(task.directory / "env", ignore_errors=True)
    watch = _Watch(time.monotonic() + task.job.time_limit, asked, task.job.time_limit)
    runner = ansible_runner.run(
        private_data_dir=str(task.directory),
        ident=ident,
        playbook=task.job.playbook,
        inventory=str(task.inventory),
        extravars={**task.job.extra_vars, "kuberevive_report_dir": str(found)},
        envvars=_ansible(task),
        settings={"pexpect_timeout": _POLL},
        rotate_artifacts=task.job.keep,
        quiet=True,
        event_handler=watch.event,
        cancel_callback=watch.over,
    )
    report = reports.read(found, started)
    result = Result(
        *(task.job.name, task.cluster, "healthy", "", started, time.time()),
        rc=runner.rc,
        changed=watch.changed,
        artifacts=str(artifacts),
        report=report,
    )
    return replace(result, **_end(watch, result, artifacts / "stdout"))


def _end(watch: _Watch, result: Result, stdout: Path) -> dict[str, Any]:
    """State and sentence."""
    if watch.state and result.rc != 0:
        return {"state": watch.state, "why": watch.why}
    if result.rc == 0:  # also where it was ready before it could be ended
        why = result.report.verdict if result.report else ""
        return {"state": "changed" if result.changed else "healthy", "why": why}
    if result.report and result.report.critical:
        return {"state": "broken", "why": result.report.summary}
    why = watch.failed or _last_words(stdout)
    return {"state": "failed", "why": f"ansible-playbook ended with rc {result.rc}: {why}"}


def _last_words(stdout: Path) -> str:
    """What Ansible said when no task failed: its error, else its last line."""
    try:
        text = _CONTROL.sub("", stdout.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return "it left no output"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("[ERROR]", "ERROR!"))]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT or k.startswith(("ANSIBLE_", "LC_"))}
    beside = os.path.dirname(sys.executable)
    return {**kept, "PATH": f"{beside}:{kept.get('PATH', os.defpath)}"}


def _ansible(task: Task) -> dict[str, str]:
    """Ansible's own settings for a run that nobody watches."""
    ssh = ["-o StrictHostKeyChecking=yes"]  # never a question
    if task.job.known_hosts:
        ssh.append(f"-o UserKnownHostsFile={task.job.known_hosts}")
    chosen = {
        "ANSIBLE_HOST_KEY_CHECKING": "True",  # ansible-runner would switch it off
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "True",
        "ANSIBLE_NOCOLOR": "True",
        "ANSIBLE_SSH_COMMON_ARGS": " ".join(ssh),
    }
    if task.settings.ansible_config:
        chosen["ANSIBLE_CONFIG"] = str(task.settings.ansible_config)
    if task.job.ssh_key:
        chosen["ANSIBLE_PRIVATE_KEY_FILE"] = str(task.job.ssh_key)
    return chosen
