"""Reads the alert rules: which series they ask for, and which lines of a component's /metrics these are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["MADE_ELSEWHERE", "ROOT", "RULES", "Selector", "groups", "labels_of", "selectors"]

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "extras" / "prometheus" / "kuberevive.rules.yml"

# Prometheus itself, and the blackbox exporter: no component exports these.
MADE_ELSEWHERE = {"up", "probe_ssl_earliest_cert_expiry"}

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAMED = re.compile(rf"\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|up)\b(?:\{{((?:[^}}\"]|{_QUOTED})*)\}})?(?!\s*[(:])")
_MATCHER = re.compile(rf"([a-z_]+)\s*(=~|!~|!=|=)\s*({_QUOTED})")
_LABEL = re.compile(rf"([a-zA-Z_]+)=({_QUOTED})")


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


def groups() -> list[dict[str, Any]]:
    """The groups of the rules file."""
    found: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return found


def selectors(expression: str) -> Iterator[Selector]:
    """Every series that an expression asks for, recorded ones left out."""
    # Words in parentheses behind by, on, without and the like are labels.
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", "", expression)
    bare = re.sub(r"\bkuberevive:\S+?:[a-z]+\b(\{[^}]*\})?", "", bare)
    for name, inside in _NAMED.findall(bare):
        yield Selector(name, tuple((label, op, value[1:-1]) for label, op, value in _MATCHER.findall(inside)))


def labels_of(line: str) -> tuple[str, dict[str, str]]:
    """A line of /metrics: the series' name and labels."""
    name, _, rest = line.rpartition(" ")[0].partition("{")
    return name, {label: value[1:-1] for label, value in _LABEL.findall(rest)}
