"""What kuberevive-run itself exports: written by its own code, of the certificates that real nodes had."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from builders.captured import captured

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import expiry_report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import calendar
from kuberevive_run import metrics, reports
from kuberevive_run.outcome import BAD_INPUT, BROKEN, BUSY, STATES, Result, State
from rules.selecting import Series, labels_of

__all__ = ["KUBEREVIVE_RUN", "written"]

KUBEREVIVE_RUN = "kuberevive-run"
SCRAPED_AS = "node-exporter"  # its job; the rules ask for none


@cache
def written() -> list[Series]:
    """Every series of a job's text files, however the job ended, with the job that scrapes them as a label."""
    lines = [line for text in _texts() for line in text.decode().splitlines() if not line.startswith("#")]
    return [(name, {**labels, "job": SCRAPED_AS}) for name, labels in map(labels_of, lines)]


def _texts() -> Iterator[bytes]:
    for code in (0, BROKEN, BAD_INPUT, BUSY):
        yield metrics.of_job("renew", code, 130.5)
    seen = _report()
    for state in STATES:
        yield metrics.of_cluster(_result(state, seen))
    yield metrics.of_cluster(_result("refused", None))


def _result(state: State, report: reports.Report | None) -> Result:
    return Result("renew", "prod", state, "", 100.0, 130.5, report=report, last_run=130.5)


def _report() -> reports.Report:
    """As a playbook leaves it and kuberevive-run reads it."""
    with tempfile.TemporaryDirectory() as name:
        text = expiry_report.as_json(calendar(captured("current", "power-loss"), ()), "run")
        (Path(name) / reports.CERTIFICATES_FILE).write_text(text, encoding="utf-8")
        found = reports.read(Path(name), 100.0)
    assert found
    assert found.certificates
    return found
