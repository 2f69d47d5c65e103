"""Every scenario of molecule/, by Molecule: create, break, diagnose, --check, repair, repair again, verify, destroy.

One of them: pytest tests/scenarios -k compound-current. What it said: tests/output/<scenario>*.
"""

from __future__ import annotations

import os

import pytest

from scenarios.pool import Pool
from scenarios.story import Story, all_stories

_TODAY = [s for s in all_stories() if s.everyday or os.environ.get("KUBEREVIVE_SCENARIOS") == "all"]


@pytest.mark.parametrize("story", [s for s in _TODAY if not s.must_fail], ids=lambda story: story.name)
def test_scenario(pool: Pool, story: Story) -> None:
    result = pool.result(story.name)
    assert result.rc == 0, f"{story.says}\nmolecule test -s {story.name}, the end of it:\n{result.tail()}"


@pytest.mark.parametrize("story", [s for s in _TODAY if s.must_fail], ids=lambda story: story.name)
def test_scenario_that_must_fail(pool: Pool, story: Story) -> None:
    """If a scenario could not fail, the others would prove nothing."""
    result = pool.result(story.name)
    assert result.rc != 0
    assert "FAILED" in result.tail(), result.tail()
    assert "test_diagnosis_finds_the_root_causes_and_no_other" in result.tail(400), result.tail()
