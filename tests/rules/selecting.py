"""Reads the alert rules: which series and labels they ask for, and which lines of a component's /metrics these are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

__all__ = [
    "CAPTURED",
    "MADE_ELSEWHERE",
    "ROOT",
    "RULES",
    "SCRAPED",
    "Selector",
    "Series",
    "exported",
    "groups",
    "labels_of",
    "labels_used",
    "matchers",
    "selectors",
]

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "extras" / "prometheus" / "kuberevive.rules.yml"
CAPTURED = ROOT / "tests" / "rules" / "captured"

# Labels that Prometheus gives to what it scrapes.
SCRAPED = {"job", "instance", "metrics_path"}

# Prometheus itself, the blackbox exporter, node_exporter: neither a component nor kuberevive-run exports these.
MADE_ELSEWHERE = {"up", "probe_ssl_earliest_cert_expiry", "node_textfile_scrape_error"}

Series = tuple[str, dict[str, str]]

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAMED = re.compile(rf"\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|up)\b(?:\{{((?:[^}}\"]|{_QUOTED})*)\}})?(?!\s*[(:])")
_MATCHER = re.compile(rf"([a-z_]+)\s*(=~|!~|!=|=)\s*({_QUOTED})")
_LABEL = re.compile(rf"([a-zA-Z_]+)=({_QUOTED})")
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_REPLACED = re.compile(rf"{_QUOTED},\s*{_QUOTED},\s*({_QUOTED}),\s*{_QUOTED}\s*\)")


@dataclass(frozen=True)
class Selector:
    """A metric's name and what its labels must be."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    def takes(self, name: str, labels: dict[str, str]) -> bool:
        """Whether it selects that series."""
        return name == self.name and all(_fits(op, value, labels.get(label, "")) for label, op, value in self.matchers)


def _fits(operator: str, wanted: str, value: str) -> bool:
    same = bool(re.fullmatch(wanted, value)) if "~" in operator else wanted == value
    return same != operator.startswith("!")


@cache
def groups() -> list[dict[str, Any]]:
    """The groups of the rules file."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return found


def selectors(expression: str) -> Iterator[Selector]:
    """Every series that an expression asks for, recorded ones left out."""
    # Words in parentheses behind by, on, without and the like are labels.
    bare = _GROUPED.sub("", expression)
    bare = re.sub(r"\bkuberevive:\S+?:[a-z]+\b(\{[^}]*\})?", "", bare)
    for name, inside in _NAMED.findall(bare):
        yield Selector(name, matchers(inside))


def matchers(inside: str) -> tuple[tuple[str, str, str], ...]:
    """What stands between the braces of a selector."""
    return tuple((label, op, value[1:-1]) for label, op, value in _MATCHER.findall(inside))


def labels_used(expression: str) -> set[str]:
    """The labels that an expression groups by, or makes others of."""
    grouped = {label for inside in _GROUPED.findall(expression) for label in re.findall(r"\w+", inside)}
    return grouped | {source[1:-1] for source in _REPLACED.findall(expression)} - {""}


def labels_of(line: str) -> Series:
    """A line of /metrics: the series' name and labels."""
    name, _, rest = line.rpartition(" ")[0].partition("{")
    return name, {label: value[1:-1] for label, value in _LABEL.findall(rest)}


@cache
def exported(version: str) -> list[Series]:
    """All that was captured of a version, each with its job as a label."""
    found = []
    for path in sorted((CAPTURED / version).glob("*.prom")):
        job = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("# job "):
                job = line.split()[2].rstrip(":")
            elif not line.startswith("#"):
                name, labels = labels_of(line)
                found.append((name, {**labels, "job": job}))
    return found
