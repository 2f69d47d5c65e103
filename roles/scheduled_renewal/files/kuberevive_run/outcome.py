"""How a job ended on one cluster, and what that makes of the exit code."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from kuberevive_run.reports import Report

__all__ = [
    "BAD_INPUT",
    "BROKEN",
    "BUSY",
    "STATES",
    "BadInput",
    "Result",
    "State",
    "WrongUser",
    "exit_code",
    "to_plain",
    "worst",
]

State = Literal["healthy", "changed", "locked", "refused", "cancelled", "timeout", "failed", "broken"]
STATES: tuple[State, ...] = get_args(State)  # the worst last

BROKEN = 2  # a cluster is left broken, or could not be told
BAD_INPUT = 3  # the job, or a cluster of it, could not run at all: the sentence says what to put right
BUSY = 75  # EX_TEMPFAIL: nothing was wrong, but another job has the cluster; try again


class BadInput(Exception):
    """What is wrong, where, and what to do: one sentence for the operator."""


class WrongUser(BadInput):
    """Somebody else's job: whatever this process wrote, its owner could not replace."""


@dataclass(frozen=True)
class Result:
    """One cluster's end of one job. Times are seconds since the epoch."""

    job: str
    cluster: str
    state: State
    why: str  # one sentence; empty when there is nothing to say
    started: float
    ended: float
    rc: int | None = None  # of ansible-playbook
    changed: int = 0  # tasks that changed something
    artifacts: str = ""  # directory of this run
    report: Report | None = None  # what the playbook found; of an earlier run when this one did not get so far
    last_success: float = 0.0  # when a run last left the cluster healthy; 0: never
    last_run: float = 0.0  # when a run last got as far as ansible; 0: never

    @property
    def success(self) -> bool:
        """Whether the cluster is well."""
        return self.state in ("healthy", "changed")

    @property
    def ran(self) -> bool:
        """Whether Ansible was started."""
        return bool(self.artifacts)


def exit_code(states: Iterable[State]) -> int:
    """The job's exit code: its worst cluster's."""
    found = set(states)
    if found & {"broken", "failed", "timeout", "cancelled"}:
        return BROKEN
    if "refused" in found:
        return BAD_INPUT
    return BUSY if "locked" in found else 0


def worst(states: Iterable[State]) -> State:
    """The state that names the whole job."""
    return max(states, key=STATES.index, default="refused")


def to_plain(result: Result) -> dict[str, Any]:
    """For JSON."""
    return dataclasses.asdict(result)
