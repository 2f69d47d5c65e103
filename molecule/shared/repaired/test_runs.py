"""What the repair said: the steps it was to take, nothing left, nothing the second time, nothing secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from scenarios.leaks import disguises, encryption_keys, left_on_nodes
from scenarios.nodes import digest, key_material
from scenarios.story import Story


def _report(story: Story, run: str) -> dict[str, list[dict[str, str]]]:
    report: dict[str, list[dict[str, str]]] = json.loads((story.out / run / "report.json").read_text(encoding="utf-8"))
    return report


def test_the_steps_are_those_that_were_predicted(story: Story) -> None:
    done = _report(story, "converge-1")["done"]
    taken = story.placed((s["kind"], s["host"]) for s in done)
    assert story.steps - taken == set()
    assert {(kind, host) for kind, host in taken - story.steps if kind not in story.also} == set()
    failed = [s for s in done if s["state"] not in ("done", "refused")]
    assert {(s["kind"], s["host"]) for s in failed} == story.fails, failed


@pytest.mark.only.with_args(lambda story: story.fails)
def test_where_it_failed_and_after_it_all_is_as_it_was(story: Story) -> None:
    done = _report(story, "converge-1")["done"]
    untouched = {s["host"] for s in done if s["state"] in ("failed", "refused")}
    assert untouched >= {host for _, host in story.fails}
    broken = json.loads((story.out / "broken.json").read_text(encoding="utf-8"))
    now = digest(story)
    for name in untouched:
        was, still = (
            [line for line in lines if " /etc/" in line or line.startswith("/etc/")]
            for lines in (broken[name], now[name])
        )
        assert len(was) > 50
        assert still == was, name


def test_the_second_run_had_nothing_to_do(story: Story) -> None:
    done = _report(story, "converge-2")["done"]
    wanted = [s for s in done if s["state"] != "refused" and (s["kind"], s["host"]) not in story.fails]
    assert wanted == []


@pytest.mark.only.with_args(lambda story: story.ends_well)
def test_nothing_is_left(story: Story) -> None:
    assert {(f["code"], f["host"]) for f in _report(story, "converge-2")["findings"]} == story.leaves
    assert _report(story, "converge-2")["could_not_tell"] == []


@pytest.mark.only.with_args(lambda story: story.off)
def test_the_report_names_the_node_that_was_not_reached(story: Story) -> None:
    missing = {f["host"] for f in _report(story, "converge-1")["findings"] if f["code"] == "host.unreachable"}
    assert missing == set(story.off)


@pytest.mark.only.with_args(lambda story: story.refuses)
def test_the_refusal_says_why(story: Story) -> None:
    refused = _report(story, "converge-1")["refused"]
    for code, words in story.refuses.items():
        reasons = [r["reason"] for r in refused if code in r["codes"]]
        assert any(words in reason for reason in reasons), (code, reasons)


@pytest.mark.only.with_args(lambda story: story.ends == "refused")
def test_refused_means_nothing_changed(story: Story) -> None:
    broken = json.loads((story.out / "broken.json").read_text(encoding="utf-8"))
    now = digest(story)
    for name in story.on:
        assert now[name] == broken[name], name


def _keys(story: Story) -> set[str]:
    return set((story.out / "keys.txt").read_text(encoding="utf-8").split())


def _grep(path: Path, how: str, patterns: set[str]) -> list[str]:
    """What of the patterns is in the file: a thousand of them in a hundred megabytes."""
    argv = ["grep", "-ao", how, "-f", "-", str(path)]
    done = subprocess.run(
        argv, input="\n".join(patterns), capture_output=True, text=True, errors="replace", check=False
    )
    assert done.returncode in (0, 1), done.stderr
    return done.stdout.splitlines()


@pytest.mark.only.with_args(lambda story: story.debug)
def test_no_key_in_anything_the_runs_wrote(story: Story) -> None:
    keys = _keys(story) | key_material(story) | disguises(encryption_keys(story))
    assert len(keys) > 100
    for path in story.out.rglob("*"):
        if path.name in ("output.txt", "report.json"):
            assert [line[:12] for line in _grep(path, "-F", keys)] == [], path
            assert _grep(path, "-E", {"-----BEGIN [A-Z ]*PRIVATE KEY-----"}) == [], path


@pytest.mark.only.with_args(lambda story: story.debug and story.encryption)
def test_no_encryption_key_lies_anywhere_else(story: Story) -> None:
    keys = encryption_keys(story)
    assert keys
    assert left_on_nodes(story, disguises(keys)) == {}
