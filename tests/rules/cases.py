"""Reads tests/rules/*.test.yml: which alerts each test expects to fire, which it sees stay quiet, and of which series it says so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from rules.selecting import ROOT, Selector, Series, groups, labels_of, matchers, selectors

__all__ = ["FILES", "Case", "alerts", "asked_by", "cases", "seconds"]

FILES = sorted((ROOT / "tests" / "rules").glob("*.test.yml"))
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Case:
    """One test of promtool: its series, the alerts that fire in it, and of all it asks for until when it asked."""

    name: str
    series: tuple[Series, ...]
    firing: frozenset[str]
    asked: dict[str, int]

    def sees_quiet(self, alert: dict[str, Any]) -> bool:
        """Whether it never fires here though it had the time to, and a series that it asks for is here."""
        name = str(alert["alert"])
        waited = self.asked.get(name, -1) >= seconds(alert.get("for", "0s"))
        wanted = asked_by(alert["expr"])
        return waited and name not in self.firing and any(s.takes(*series) for s in wanted for series in self.series)


def seconds(duration: str) -> int:
    """A duration as Prometheus writes it."""
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", str(duration)))


def alerts() -> list[dict[str, Any]]:
    """Every alert of the rules file."""
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


def asked_by(expression: str) -> set[Selector]:
    """What an expression asks for, by way of recorded series as well."""
    recorded = {rule["record"]: rule["expr"] for group in groups() for rule in group["rules"] if "record" in rule}
    found = set(selectors(expression))
    for name in (name for name in recorded if name in expression):
        found |= asked_by(recorded[name])
    return found


@cache
def cases(path: Path) -> list[Case]:
    """The tests of one file."""
    found = []
    for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
        asked: dict[str, int] = {}
        firing: set[str] = set()
        for at, names, expected in _expectations(test):
            asked.update({name: max(at, asked.get(name, 0)) for name in names})
            firing |= set(expected)
        series = tuple(labels_of(entry["series"] + " 0") for entry in test["input_series"])
        found.append(Case(test["name"], series, frozenset(firing), asked))
    return found


def _expectations(test: dict[str, Any]) -> Iterator[tuple[int, list[str], list[str]]]:
    """When it asks, for which alerts, and which of them it expects."""
    for entry in test.get("alert_rule_test", []):
        yield seconds(entry["eval_time"]), [entry["alertname"]], [entry["alertname"]] * bool(entry["exp_alerts"])
    for entry in test.get("promql_expr_test", []):
        samples: Iterable[Series] = (labels_of(sample["labels"] + " 1") for sample in entry["exp_samples"])
        asked = Selector("ALERTS", tuple(m for m in matchers(entry["expr"]) if m[0] == "alertname"))
        names = [rule["alert"] for rule in alerts() if asked.takes("ALERTS", {"alertname": rule["alert"]})]
        yield seconds(entry["eval_time"]), names, [labels["alertname"] for _, labels in samples]
