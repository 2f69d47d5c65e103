"""Starts the scenarios that were selected, when all unit tests before them have passed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from scenarios.client import CLIENT
from scenarios.pool import Pool
from scenarios.story import Story, all_stories


def selected(items: Sequence[Any]) -> list[Story]:
    """The stories of the tests that -k and the like left over; tests that only read stories start no lab."""
    names = {
        item.callspec.params["story"].name
        for item in items
        if hasattr(item, "callspec") and {"pool", "story"} <= set(getattr(item, "fixturenames", ()))
    }
    return [story for story in all_stories() if story.name in names]


@pytest.fixture(scope="session")
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """All selected scenarios, running."""
    if request.session.testsfailed:
        pytest.exit("tests before the lab scenarios have failed: no lab was started", returncode=1)
    # A lab of four nodes keeps one core busy while it starts.
    made = Pool(selected(request.session.items), int(os.environ.get("KUBEREVIVE_LABS", "2")))
    yield made
    made.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What clients of the repaired clusters saw."""
    ran = {report.nodeid for report in terminalreporter.stats.get("passed", [])}
    for story in all_stories():
        path = story.out / CLIENT
        if path.exists() and any(f"[{story.name}]" in node for node in ran):
            for line in path.read_text(encoding="utf-8").splitlines():
                terminalreporter.write_line(f"{story.name}, through the load balancer while it was repaired: {line}")
