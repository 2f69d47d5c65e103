"""The scenarios' own files."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from kr_lab.faults import catalogue
from kr_lab.state import check_name
from scenarios.conftest import selected
from scenarios.story import Story, all_stories, read_story

STORIES = all_stories()


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_scenario_can_be_played(story: Story) -> None:
    """Its lab has its name, its faults exist, what it asks on nodes is sh and is asked on nodes that are on."""
    assert check_name(story.name) == story.name
    assert {fault["fault"] for fault in story.breaks} <= {fault.name for fault in catalogue()}
    for at, script in (*story.interrupt, *story.prove):
        assert at in story.on
        done = subprocess.run(["dash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_story_says_where_and_when_it_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yml"
    path.write_text("says: x\nprofile: current\ninterrupt: [{at: m2, when: test -e /there}]\n")
    assert read_story(path).interrupt == (("m2", "test -e /there"),)


def test_an_unknown_word_is_told(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yml"
    path.write_text("says: x\nprofile: current\ninterupt: []\n")
    with pytest.raises(ValueError, match="unknown interupt"):
        read_story(path)


def test_only_tests_that_wait_for_a_lab_start_one() -> None:
    """The tests above have a story as well: none is to be played because of them."""
    reads, plays = (
        SimpleNamespace(callspec=SimpleNamespace(params={"story": story}), fixturenames=fixtures)
        for story, fixtures in ((STORIES[0], ["story"]), (STORIES[1], ["pool", "story"]))
    )
    assert selected([reads, plays, SimpleNamespace()]) == [STORIES[1]]
