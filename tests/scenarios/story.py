"""One scenario's own file, molecule/<name>/scenario.yml: what is broken, what must be found, done and true at the end."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ENDS", "ROOT", "Story", "all_stories", "of_this_process", "read_story"]

ROOT = Path(__file__).resolve().parents[2]
ENDS = ("healthy", "refused", "partly")  # all repaired | nothing changed | what can be reached is repaired


@dataclass(frozen=True)
class Story:
    """What one scenario says. Pairs are (finding code or step kind, host); host "one": any, but only one."""

    name: str
    says: str
    profile: str
    encryption: str = ""  # the provider that encrypts secrets at rest
    control_plane: str = "pods"  # or units: what runs its components
    topology: str = "3+1"  # masters and workers
    user: str = "root"  # whom the operator logs in as: root, ops or opspw
    breaks: tuple[dict[str, Any], ...] = ()
    off: tuple[str, ...] = ()  # nodes that lose their power at the end and stay off
    settle: int = 15  # seconds the broken cluster gets before it is looked at
    playbook: str = "recover-power-loss"
    allow: tuple[str, ...] = ()
    finds: frozenset[tuple[str, str]] = frozenset()  # root causes: exactly these
    follows: tuple[str, ...] = ()  # patterns of codes that may be there too, each explained by a cause
    steps: frozenset[tuple[str, str]] = frozenset()
    also: tuple[
        str, ...
    ] = ()  # kinds that may come in addition: whether they are needed only living services could tell
    fails: frozenset[tuple[str, str]] = frozenset()  # steps that are begun, and end with all as it was before
    leaves: frozenset[tuple[str, str]] = frozenset()  # findings that are there at the end as well: a person's turn
    refuses: dict[str, str] = field(default_factory=dict)  # finding code -> words of the reason
    ends: str = "healthy"
    prove: tuple[tuple[str, str], ...] = ()  # (host, sh that must succeed at the end)
    interrupt: tuple[
        tuple[str, str], ...
    ] = ()  # (host, sh that succeeds once it is time): the repair is killed then, and begun anew
    kills: int = 0  # before the repair, so many others are killed at a moment nobody chose
    debug: bool = False  # the repair runs with every switch that makes Ansible talkative
    served: bool = False  # a client asks through the load balancer all the while, and none of its requests may fail
    unattended: bool = False  # the repair is a job on a machine beside the cluster, started by its timer
    beside: tuple[
        dict[str, Any], ...
    ] = ()  # labs whose clusters the same job has: name, profile, fault; cut: its power is
    logins: bool = False  # wrong logins are tried as well
    must_fail: bool = False  # a scenario that claims something untrue
    everyday: bool = True  # false: only in make test-all

    @property
    def nodes(self) -> tuple[str, ...]:
        """The lab's machines."""
        masters, workers = (int(word) for word in self.topology.split("+"))
        return (*(f"m{n + 1}" for n in range(masters)), *(f"w{n + 1}" for n in range(workers)))

    @property
    def masters(self) -> tuple[str, ...]:
        """Its control plane."""
        return tuple(n for n in self.nodes if n.startswith("m"))

    @property
    def on(self) -> tuple[str, ...]:
        """The machines that can be reached."""
        return tuple(n for n in self.nodes if n not in self.off)

    @property
    def out(self) -> Path:
        """Everything the scenario leaves for a reader."""
        return ROOT / "tests" / "output" / self.name

    @property
    def labs(self) -> tuple[str, ...]:
        """Names of all its labs, its own first."""
        return (self.name, *(str(lab["name"]) for lab in self.beside))

    @property
    def inventory(self) -> Path:
        """The lab as the operator's inventory."""
        return self.out / "inventory.yml"

    @property
    def renews(self) -> bool:
        """Whether certificates of a living cluster are renewed, which no node and no member of etcd may notice."""
        return self.playbook == "renew-certificates" or self.kills > 0

    @property
    def ends_well(self) -> bool:
        """Whether the repair's exit code is 0."""
        return self.ends == "healthy" and not self.fails

    @property
    def codes(self) -> frozenset[str]:
        """The codes of the root causes."""
        return frozenset(code for code, _ in self.finds)

    def placed(self, pairs: Iterable[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        """The same pairs, the host "one" where the story says so and there is just one: which of them, only leaders decide."""
        seen = frozenset(pairs)
        loose = {word for word, host in self.finds | self.steps if host == "one"}
        alone = {word for word in loose if sum(each == word for each, _ in seen) == 1}
        return frozenset((word, "one" if word in alone else host) for word, host in seen)

    def may_follow(self, code: str) -> bool:
        """Whether a finding of this code may be there as a consequence."""
        return any(fnmatchcase(code, pattern) for pattern in self.follows)


def read_story(path: Path) -> Story:
    """The story in that file; a word it does not know is an error."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    known = set(Story.__dataclass_fields__) - {"name"}
    if unknown := set(raw) - known:
        raise ValueError(f"{path}: unknown {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}")
    for pairs in ("finds", "steps", "fails", "leaves"):
        raw[pairs] = frozenset((word, host) for word, hosts in raw.get(pairs, {}).items() for host in hosts)
    for words in ("breaks", "off", "allow", "follows", "also", "beside"):
        raw[words] = tuple(raw.get(words, ()))
    raw["prove"] = tuple((str(p["at"]), str(p["sh"])) for p in raw.get("prove", ()))
    raw["interrupt"] = tuple((str(p["at"]), str(p["when"])) for p in raw.get("interrupt", ()))
    story = Story(name=path.parent.name, **raw)
    if story.ends not in ENDS:
        raise ValueError(f"{path}: ends is one of {', '.join(ENDS)}, not {story.ends!r}")
    return story


def all_stories() -> list[Story]:
    """Every scenario of the repository."""
    return [read_story(path) for path in sorted((ROOT / "molecule").glob("*/scenario.yml"))]


def of_this_process() -> Story:
    """The scenario Molecule runs just now."""
    return read_story(ROOT / "molecule" / os.environ["MOLECULE_SCENARIO_NAME"] / "scenario.yml")
