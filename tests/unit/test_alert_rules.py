"""extras/prometheus: promtool accepts the rules, real components export what they ask for, the playbooks they name exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from rules.selecting import MADE_ELSEWHERE, ROOT, RULES, groups, labels_of, selectors

CAPTURED = ROOT / "tests" / "rules" / "captured"
_LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)")


def names_in(folder: Path) -> set[str]:
    found = set()
    for path in folder.glob("*.prom"):
        found |= {m[1] for line in path.read_text(encoding="utf-8").splitlines() if (m := _LINE.match(line))}
    return found


def test_promtool_accepts_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "rules").glob("*.test.yml")), ids=lambda path: path.stem)
def test_alerts_fire_and_stay_quiet_as_they_should(path: Path) -> None:
    done = subprocess.run(["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_every_playbook_that_is_named_exists() -> None:
    named = set(re.findall(r"playbooks/([a-z-]+\.yml)", RULES.read_text(encoding="utf-8")))
    assert {"recreate-rbac.yml", "fix-apiserver-probes.yml", "renew-certificates.yml"} <= named
    assert [name for name in sorted(named) if not (ROOT / "playbooks" / name).exists()] == []


def test_real_components_export_what_the_rules_ask_for() -> None:
    asked = {s.name for g in groups() for rule in g["rules"] for s in selectors(rule["expr"])} - MADE_ELSEWHERE
    exported = names_in(CAPTURED / "1.36.3") | names_in(CAPTURED / "1.20.15")
    assert len(asked) > 8
    assert sorted(name for name in asked if name not in exported and not name.startswith("kuberevive:")) == []


@pytest.mark.parametrize("version", ["1.36.3", "1.20.15"])
def test_a_healthy_cluster_was_captured_of_each(version: str) -> None:
    lines = (CAPTURED / version / "healthy.prom").read_text(encoding="utf-8").splitlines()
    leaders = {labels["name"] for name, labels in map(labels_of, lines) if name == "leader_election_master_status"}
    assert leaders == {"kube-controller-manager", "kube-scheduler"}
