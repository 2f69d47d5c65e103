"""The broken cluster, before any repair: what diagnose and --check say of it, and that both leave it as it is."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from scenarios.nodes import ask, digest
from scenarios.runs import Run, play
from scenarios.story import Story


@dataclass(frozen=True)
class Looked:
    """One run that may not change anything, and the nodes after it."""

    run: Run
    after: dict[str, list[str]]


@pytest.fixture(scope="module")
def broken(story: Story) -> dict[str, list[str]]:
    """The nodes as the operator finds them."""
    found: dict[str, list[str]] = json.loads((story.out / "broken.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def diagnosis(story: Story, broken: dict[str, list[str]]) -> Looked:
    """What diagnose says."""
    return Looked(play(story, "diagnose", "diagnose"), digest(story))


@pytest.fixture(scope="module")
def check(story: Story, diagnosis: Looked) -> Looked:
    """What the repair says with --check."""
    return Looked(play(story, story.playbook, "check", "--check"), digest(story))


def test_the_nodes_are_the_labs(story: Story, broken: dict[str, list[str]]) -> None:
    assert sorted(broken) == sorted(story.on)
    assert all(len(lines) > 100 for lines in broken.values())
    assert [ask(story, name, "hostname").strip() for name in story.on] == list(story.on)


def test_diagnosis_finds_the_root_causes_and_no_other(story: Story, diagnosis: Looked) -> None:
    print(diagnosis.run.text)
    findings = story.placed(diagnosis.run.findings)
    assert {f for f in findings if f in story.finds or not story.may_follow(f[0])} == story.finds


def test_every_consequence_names_its_cause(story: Story, diagnosis: Looked) -> None:
    findings = diagnosis.run.report["findings"]
    ids = {f"{f['code']}@{f['host']}" for f in findings}
    roots = story.placed((f["code"], f["host"]) for f in findings if not f["cause"])
    print(diagnosis.run.text)
    assert roots == story.finds
    assert [f for f in findings if f["cause"] and f["cause"] not in ids] == []


@pytest.mark.only.with_args(lambda story: not story.finds)
def test_a_healthy_cluster_has_nothing_unknown(diagnosis: Looked) -> None:
    assert diagnosis.run.report["could_not_tell"] == [], diagnosis.run.text


def test_exit_code_of_the_diagnosis(diagnosis: Looked) -> None:
    critical = [f["code"] for f in diagnosis.run.report["findings"] if f["severity"] == "critical"]
    assert diagnosis.run.rc == (2 if critical else 0), diagnosis.run.text


def test_every_finding_has_evidence(diagnosis: Looked) -> None:
    bare = [f["code"] for f in diagnosis.run.report["findings"] if not f["summary"] or not f["evidence"]]
    assert bare == [], diagnosis.run.text


def test_diagnosis_changes_nothing(story: Story, broken: dict[str, list[str]], diagnosis: Looked) -> None:
    assert diagnosis.run.changed == 0
    for name in story.on:
        assert diagnosis.after[name] == broken[name], name


def test_check_predicts_the_repairs(story: Story, check: Looked) -> None:
    print(check.run.text)
    assert check.run.report
    would = story.placed(check.run.steps("would"))
    assert frozenset(step for step in would if step in story.steps or step[0] not in story.also) == story.steps


def test_exit_code_of_check(story: Story, check: Looked) -> None:
    assert check.run.rc == (2 if story.steps or story.ends != "healthy" else 0), check.run.text


def test_check_writes_nothing(story: Story, diagnosis: Looked, check: Looked) -> None:
    for name in story.on:
        assert check.after[name] == diagnosis.after[name], name
