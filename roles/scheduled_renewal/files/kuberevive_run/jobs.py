"""The jobs file: what runs where, and within which limits. Unknown words are refused, not ignored."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from kuberevive_run.outcome import STATES, BadInput, State

__all__ = ["NAME", "Job", "Notify", "Settings", "metrics_dir", "parse", "read"]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Told about unless the jobs file says otherwise: what changed a cluster, and what did not end well.
TOLD: tuple[State, ...] = ("changed", "refused", "cancelled", "timeout", "failed", "broken")
_TOP = ("state_dir", "metrics_dir", "min_free_mb", "ansible_config", "defaults", "jobs")
_JOB = (
    *("playbook", "clusters_dir", "inventories", "extra_vars", "side_by_side", "time_limit", "keep"),
    *("ssh_key", "known_hosts", "notify"),
)
_NOTIFY = ("command", "outcomes", "time_limit")
T = TypeVar("T")


@dataclass(frozen=True)
class Notify:
    """A command that is told how a job ended."""

    command: tuple[str, ...]
    outcomes: tuple[State, ...] = TOLD
    time_limit: int = 60  # seconds


@dataclass(frozen=True)
class Job:
    """One job. Of clusters_dir and inventories exactly one is given."""

    name: str
    playbook: str  # a path, or a name like kuberevive.cluster.diagnose
    clusters_dir: Path | None  # one inventory directory per cluster
    inventories: tuple[Path, ...]
    extra_vars: dict[str, Any] = field(default_factory=dict)
    side_by_side: int = 4  # clusters at once
    time_limit: int = 7200  # seconds for one cluster
    keep: int = 20  # runs whose artifacts are kept, for each cluster
    ssh_key: Path | None = None
    known_hosts: Path | None = None
    notify: Notify | None = None


@dataclass(frozen=True)
class Settings:
    """What all jobs of the file share."""

    state_dir: Path
    metrics_dir: Path | None
    min_free_mb: int
    ansible_config: Path | None


class _Words:
    """A mapping of the jobs file, with the words for what is wrong in it."""

    def __init__(self, data: Any, where: str, known: Collection[str]) -> None:
        if not isinstance(data, Mapping):
            raise BadInput(f"{where} must be a mapping, not {_short(data)}: see docs/scheduled.md")
        self.data = data
        self.where = where
        for word in data:
            if word not in known:
                raise BadInput(f"{where} has the unknown key {word!r}: remove it, or use one of {', '.join(known)}")

    def take(self, word: str, kind: type[T], default: T) -> T:
        value = self.data.get(word)
        if value is None:
            return default
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadInput(f"{self.where}: {word} must be {_KIND[kind]}, not {_short(value)}")
        return value

    def number(self, word: str, default: int, least: int) -> int:
        value = self.take(word, int, default)
        if value < least:
            raise BadInput(f"{self.where}: {word} is {value}, and must be at least {least}")
        return value

    def path(self, word: str, base: Path) -> Path | None:
        value = self.take(word, str, "")
        return base / Path(value).expanduser() if value else None

    def words(self, word: str) -> tuple[str, ...]:
        value = self.take(word, list, [])
        if not all(isinstance(item, str) and item for item in value):
            raise BadInput(f"{self.where}: {word} must be a list of words, not {_short(value)}")
        return tuple(value)


_KIND: dict[type, str] = {int: "a whole number", str: "a text", list: "a list", dict: "a mapping"}


def read(path: Path) -> Any:
    """The file's YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            f"there is no jobs file {path}: write one (docs/scheduled.md), or name it by --jobs-file"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"the jobs file {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise BadInput(f"the jobs file {path} is no YAML: {' '.join(str(error).split())}") from None


def metrics_dir(data: Any, path: Path) -> Path | None:
    """Where metrics go, as far as a file that may be wrong elsewhere says it."""
    value = data.get("metrics_dir") if isinstance(data, Mapping) else None
    return path.parent / value if isinstance(value, str) and value else None


def parse(data: Any, path: Path, name: str) -> tuple[Settings, Job]:
    """The settings and one job; raises BadInput. path is the file's own: what is relative is relative to it."""
    base = path.absolute().parent
    top = _Words(data, str(path), _TOP)
    jobs = top.take("jobs", dict, {})
    if name not in jobs:
        known = ", ".join(sorted(str(job) for job in jobs)) or "none"
        raise BadInput(f"{path} has no job {name!r}: its jobs are {known}")
    if not NAME.fullmatch(name):
        raise BadInput(f"{path}: the job name {name!r} may hold letters, digits, dots, hyphens and underscores only")
    beside = base / "ansible.cfg"
    settings = Settings(
        state_dir=top.path("state_dir", base) or Path("/var/lib/kuberevive-run"),
        metrics_dir=top.path("metrics_dir", base),
        min_free_mb=top.number("min_free_mb", 500, 0),
        ansible_config=top.path("ansible_config", base) or (beside if beside.exists() else None),
    )
    defaults = _Words(top.take("defaults", dict, {}), f"{path}: defaults", _JOB).data
    own = _Words(jobs[name], f"{path}: job {name}", _JOB)
    where = own.data.keys() & {"clusters_dir", "inventories"}
    shared = {k: v for k, v in defaults.items() if not (where and k in ("clusters_dir", "inventories"))}
    own.data = {**shared, **own.data}
    return settings, _job(name, own, base)


def _job(name: str, words: _Words, base: Path) -> Job:
    playbook = words.take("playbook", str, "")
    if not playbook:
        raise BadInput(f"{words.where} names no playbook: playbook: kuberevive.cluster.renew_certificates")
    clusters, inventories = words.path("clusters_dir", base), words.words("inventories")
    if bool(clusters) == bool(inventories):
        raise BadInput(f"{words.where} must have either clusters_dir or inventories, so that its clusters are known")
    if playbook.endswith((".yml", ".yaml")):
        playbook = str(base / Path(playbook).expanduser())
    return Job(
        name=name,
        playbook=playbook,
        clusters_dir=clusters,
        inventories=tuple(base / Path(item).expanduser() for item in inventories),
        extra_vars=dict(words.take("extra_vars", dict, {})),
        side_by_side=words.number("side_by_side", 4, 1),
        time_limit=words.number("time_limit", 7200, 1),
        keep=words.number("keep", 20, 1),
        ssh_key=words.path("ssh_key", base),
        known_hosts=words.path("known_hosts", base),
        notify=_notify(words),
    )


def _notify(words: _Words) -> Notify | None:
    if words.data.get("notify") is None:
        return None
    own = _Words(words.data["notify"], f"{words.where}: notify", _NOTIFY)
    command = own.words("command")
    if not command:
        raise BadInput(f"{own.where} names no command: command: [program, argument]")
    wanted = own.words("outcomes") or TOLD
    for word in wanted:
        if word not in STATES:
            raise BadInput(f"{own.where}: {word!r} is no outcome; outcomes are {', '.join(STATES)}")
    outcomes = tuple(state for state in STATES if state in wanted)
    return Notify(command, outcomes, own.number("time_limit", 60, 1))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
