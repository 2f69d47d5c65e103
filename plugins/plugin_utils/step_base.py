"""The base of every repair action: check mode, refusals, lost contact, journal; a repair itself is a piece of sh."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.delegation import aim
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool

__all__ = ["Answer", "StepBase", "StepRefused"]

_STEPS = Path(__file__).parent / "_steps"


class StepRefused(Exception):
    """The step must not be taken now; nothing was changed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Answer:
    """What a repair's sh said on the node."""

    def __init__(self, rc: int, stdout: str, stderr: str) -> None:
        self.rc = rc
        self.lines: list[str] = []
        self.values: dict[str, str] = {}
        self.changed = False
        self.done = False
        self.backup = ""
        self.failure = ""
        self.refused: tuple[str, str] | None = None
        self.rest: list[str] = [line for line in stderr.splitlines() if line.strip()]
        for line in stdout.splitlines():
            self._take(line.rstrip("\r"))

    def _take(self, line: str) -> None:
        word, _, text = line.partition(" ")
        if word == "@changed":
            self.changed = True
        elif word == "@did":
            self.lines.append(text)
        elif word == "@backup":
            self.backup = text
        elif word == "@failed":
            self.failure = text
        elif word == "@refused":
            code, _, reason = text.partition(" ")
            self.refused = (code, reason)
        elif word == "@value":
            key, _, value = text.partition(" ")
            self.values[key] = value
        elif word == "@done":
            self.done = True
        elif line.strip():
            self.rest.append(line)


class StepBase(ActionBase):
    """A repair. A subclass names its KIND, and the SCRIPTS of _steps that do it where that is not <KIND>.sh alone."""

    KIND: ClassVar[str] = ""
    SCRIPTS: ClassVar[str] = ""  # blanks between; empty: <KIND>.sh
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the step (or, in check mode, record its effect). Never raises unreachable: a rescue must see the failure."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        step = dict(self._task.args.get("step") or {})
        host = str(step.get("host") or (task_vars or {}).get("inventory_hostname", ""))
        title = str(step.get("title") or self.KIND)
        self.spool = Spool.of_this_run()
        self.host = host
        kind = str(step.get("kind") or self.KIND)  # a part of a step stands for the step
        report: dict[str, Any] = {"kind": kind, "host": host, "title": title, "codes": step.get("codes", [])}
        try:
            if self._task.check_mode:
                self.spool.add_effect(host, self.KIND, dict(step.get("args") or {}))
                report["state"] = "would"
                outcome: dict[str, Any] = {"changed": True, "msg": f"would {title}"}
            else:
                aim(self._connection, self._task.delegate_to, task_vars or {})
                outcome = self.take(step, task_vars or {})
                report["state"] = "done"
        except AnsibleConnectionFailure as error:
            report["state"] = "failed"
            outcome = {
                "failed": True,
                "lost_contact": True,
                "msg": f"contact with {host} was lost during: {title}: {error}",
            }
        except StepRefused as refusal:
            report["state"] = "refused"
            outcome = {"failed": True, "refused": refusal.code, "msg": f"{title}: refused: {refusal}"}
        if outcome.get("failed"):
            report.setdefault("state", "failed")
            report["state"] = "refused" if outcome.get("refused") else "failed"
        report["lines"] = outcome.get("lines", [])
        report["backup"] = outcome.get("backup", "")
        report["msg"] = outcome.get("msg", "")
        if not self.is_reported(outcome):
            return {**result, **outcome}
        self.spool.add_step(report)
        return {**result, **outcome, "kuberevive": report}

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """Whether this task stands for the step in the report: of a step of several parts only one does, or one that failed."""
        return True

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do it: pipe the kind's sh with the step's args. Override for a step of several parts."""
        return self.outcome(self.pipe(self.SCRIPTS or f"{self.KIND}.sh", dict(step.get("args") or {})), step)

    def pipe(self, script: str, args: dict[str, Any]) -> Answer:
        """Run _steps/<script> (several: blanks between) on this task's node, args as KR_ARG_<NAME>, lists one entry a line."""
        texts = [_read(name) for name in script.split()]
        text = "\n".join([*self._assignments(args), _read("lib.sh"), *texts, "echo @done"])
        answer = self._low_level_execute_command("/bin/sh -s", in_data=text.encode())
        return Answer(int(answer.get("rc", -1)), str(answer.get("stdout", "")), str(answer.get("stderr", "")))

    def outcome(self, answer: Answer, step: dict[str, Any]) -> dict[str, Any]:
        """The action's result from what the sh said."""
        title = str(step.get("title") or self.KIND)
        result: dict[str, Any] = {"changed": answer.changed, "lines": answer.lines, "backup": answer.backup}
        if answer.values:
            result["values"] = answer.values
        if answer.refused:
            raise StepRefused(*answer.refused)
        if answer.failure or not answer.done or answer.rc != 0:
            why = answer.failure or " / ".join((answer.rest or answer.lines)[-3:]) or f"ended with rc {answer.rc}"
            result.update(failed=True, msg=f"{title}: {why}")
            return result
        result["msg"] = "; ".join(answer.lines) or f"{title}: nothing was left to do"
        return result

    def _assignments(self, args: dict[str, Any]) -> list[str]:
        lines = [f"KR_RUN={shlex.quote(self.spool.run_id)}", f"KR_STEP={shlex.quote(f'{self.KIND}@{self.host}')}"]
        for key, value in args.items():
            lines.append(f"KR_ARG_{key.upper()}={shlex.quote(_flat(value))}")
        return lines


def _flat(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "\n".join(str(v) for v in value)
    if isinstance(value, bool):
        return "true" if value else ""
    return "" if value is None else str(value)


def _read(name: str) -> str:
    return (_STEPS / name).read_text(encoding="utf-8")
