"""Fixtures of the lab scenarios; a test that a scenario has no use for is not collected for it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from scenarios.nodes import journals
from scenarios.story import Story, of_this_process


def pytest_configure(config: pytest.Config) -> None:
    """The marker that says for which scenarios a test is."""
    config.addinivalue_line("markers", "only(condition): for scenarios of which condition(story) is true")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what is for this scenario."""
    story = of_this_process()
    wanted = [i for i in items if all(mark.args[0](story) for mark in i.iter_markers("only"))]
    items[:] = wanted


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """A failed test shows what kubelet said on every node."""
    report = yield
    if report.when == "call" and report.failed:
        report.sections.append(("kubelet on the nodes", journals(of_this_process())))
    return report


@pytest.fixture(scope="session")
def story() -> Story:
    """The scenario Molecule runs just now."""
    return of_this_process()
