"""extras/prometheus: promtool accepts the rules and what they do, real components and kuberevive-run export what they ask for, the
playbooks they name exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rules.cases import FILES, alerts, asked_by, cases
from rules.jobs import KUBEREVIVE_RUN, written
from rules.selecting import (
    CAPTURED,
    MADE_ELSEWHERE,
    ROOT,
    RULES,
    SCRAPED,
    Selector,
    Series,
    exported,
    groups,
    labels_of,
    labels_used,
    selectors,
)

VERSIONS = ("1.20.15", "1.36.3")
OURS = "kuberevive_"  # how every name begins that kuberevive-run exports, and no other

# One count has had three names. A rule that asks for one of them asks for all, and each version has its own.
NAMES_OF_ONE_VERSION = {
    "etcd_object_counts": "1.20.15",
    "apiserver_storage_objects": "1.36.3",
    "apiserver_resource_objects": "1.36.3",
}


def rule_name(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def series_of(source: str) -> list[Series]:
    """All that a version's components export, or kuberevive-run."""
    return written() if source == KUBEREVIVE_RUN else exported(source)


def asked_of(source: str, rule: dict[str, Any]) -> list[Selector]:
    """What a rule asks of one that exports: of a version's components, or of kuberevive-run."""
    asked = [s for s in selectors(rule["expr"]) if s.name not in MADE_ELSEWHERE]
    return [s for s in asked if s.name.startswith(OURS) == (source == KUBEREVIVE_RUN)]


def claims() -> list[Any]:
    """Every rule that asks components for something, with each version: all are said to work with both; and kuberevive-run's."""
    found = []
    for source in (*VERSIONS, KUBEREVIVE_RUN):
        for rule in (rule for group in groups() for rule in group["rules"] if asked_of(source, rule)):
            found.append(pytest.param(source, rule, id=f"{source}-{rule_name(rule)}"))
    return found


def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_quiet_as_they_should(path: Path) -> None:
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.parametrize("alert", alerts(), ids=rule_name)
def test_every_alert_is_seen_firing_and_is_seen_quiet(alert: dict[str, Any]) -> None:
    found = [case for path in FILES for case in cases(path)]
    assert [case.name for case in found if alert["alert"] in case.firing] != []
    assert [case.name for case in found if case.sees_quiet(alert)] != []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_tests_are_of_alerts_and_series_that_exist(path: Path) -> None:
    known = {
        (name, label)
        for source in (*VERSIONS, KUBEREVIVE_RUN)
        for name, labels in series_of(source)
        for label in labels
    }
    known |= {(name, label) for name, _ in known | {(name, "") for name in MADE_ELSEWHERE} for label in SCRAPED}
    for case in cases(path):
        assert case.asked != {}, case.name
        assert set(case.asked) | case.firing <= {rule["alert"] for rule in alerts()}, case.name
        assert {(name, label) for name, labels in case.series for label in labels} - known == set(), case.name


def test_every_playbook_that_is_named_exists() -> None:
    named = set(re.findall(r"playbooks/([a-z-]+\.yml)", RULES.read_text(encoding="utf-8")))
    assert {"recreate-rbac.yml", "fix-apiserver-probes.yml", "renew-certificates.yml"} <= named
    assert [name for name in sorted(named) if not (ROOT / "playbooks" / name).exists()] == []


def test_the_jobs_of_the_readme_are_those_that_the_rules_know() -> None:
    documented = re.findall(
        r"^\| `([a-z-]+)` \|", (RULES.parent / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    wanted = {
        m for rule in alerts() for s in asked_by(rule["expr"]) for m in s.matchers if m[0] == "job" and m[1] == "=~"
    }
    takes = {(m, job) for m in wanted for job in documented if Selector("up", (m,)).takes("up", {"job": job})}
    assert {m for m, _ in takes} == wanted
    assert {job for _, job in takes} == set(documented)


@pytest.mark.parametrize(("source", "rule"), claims())
def test_what_the_rule_asks_for_is_exported(source: str, rule: dict[str, Any]) -> None:
    """By name, by labels and their values, by what it groups by: what selects nothing is an alert that never fires."""
    asked = [s for s in asked_of(source, rule) if NAMES_OF_ONE_VERSION.get(s.name, source) == source]
    assert asked != [], "every name it asks for is said to be of the other version"
    assert [s for s in asked if not any(s.takes(*series) for series in series_of(source))] == []
    taken = [series for series in series_of(source) if any(s.takes(*series) for s in asked)]
    used = labels_used(rule["expr"]) - SCRAPED
    assert {(name, label) for name, labels in taken for label in used - set(labels)} == set()


def test_ours_are_told_from_the_components_by_their_names() -> None:
    assert {name for name, _ in written() if not name.startswith(OURS)} == set()
    assert {name for version in VERSIONS for name, _ in exported(version) if name.startswith(OURS)} == set()


@pytest.mark.parametrize(("name", "version"), NAMES_OF_ONE_VERSION.items())
def test_a_name_of_one_version_is_exported_by_that_one_alone(name: str, version: str) -> None:
    assert {v for v in VERSIONS if any(series == name for series, _ in exported(v))} == {version}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_healthy_cluster_was_captured_of_each(version: str) -> None:
    lines = (CAPTURED / version / "healthy.prom").read_text(encoding="utf-8").splitlines()
    leaders = {labels["name"] for name, labels in map(labels_of, lines) if name == "leader_election_master_status"}
    assert leaders == {"kube-controller-manager", "kube-scheduler"}
