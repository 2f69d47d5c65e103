"""Reports of a playbook, also those that are half written or of another shape."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from kuberevive_run import reports
from kuberevive_run.reports import Certificate, Finding


def write(directory: Path, name: str, data: Any) -> None:
    text = data if isinstance(data, str) else json.dumps(data)
    (directory / name).write_text(text, encoding="utf-8")


def test_no_report(tmp_path: Path) -> None:
    assert reports.read(tmp_path, 5.0) is None


def test_findings(tmp_path: Path) -> None:
    findings = [{"code": "a.b", "severity": "critical", "host": "m1"}, {"code": "c.d", "severity": "info"}]
    write(
        tmp_path, "report.json", {"verdict": "Verdict: 1 critical.", "findings": findings, "could_not_tell": [{}, {}]}
    )
    report = reports.read(tmp_path, 5.0)
    assert report
    assert report.findings == (Finding("a.b", "critical"), Finding("c.d", "info"))
    assert (report.critical, report.could_not_tell, report.seen_at) == (1, 2, 5.0)
    assert report.summary == "Verdict: 1 critical. Critical: a.b."
    assert report.unreadable == ()


@pytest.mark.parametrize("wrapped", [False, True])
def test_certificates(tmp_path: Path, wrapped: bool) -> None:
    rows: list[Any] = [
        {"node": "m1", "path": "/p/a.crt", "not_after": "2027-01-02T03:04:05+00:00", "subject": "CN=a"},
        {"node": "m1", "path": "/p/bundle.crt", "not_after": "2028-01-01T00:00:00Z"},
        {"node": "m1", "path": "/p/bundle.crt", "not_after": "2026-01-01T00:00:00"},
        {"node": "m2", "path": "/p/a.crt", "not_after": 1.9e9},
        {"node": "m2", "path": "/p/b.crt", "not_after": "soon"},
        {"node": "m2", "path": "/p/c.crt", "not_after": None},
        {"node": "m2", "not_after": 1},
        "no row",
    ]
    write(tmp_path, "certificates.json", {"certificates": rows} if wrapped else rows)
    report = reports.read(tmp_path, 5.0)
    assert report
    assert report.certificates == (
        Certificate("m1", "/p/a.crt", 1798859045.0),
        Certificate("m1", "/p/bundle.crt", 1767225600.0),
        Certificate("m2", "/p/a.crt", 1.9e9),
    )
    assert [sentence.partition(": ")[2] for sentence in report.unreadable] == [
        "2 rows lack node, path or a date in not_after"
    ]


def test_what_nothing_needs_hides_no_other_end_in_its_file(tmp_path: Path) -> None:
    row = {"node": "m1", "path": "/p/ca.crt", "kind": "ca"}
    rows = [
        {**row, "not_after": 9, "relied_on": True},
        {**row, "not_after": 8, "relied_on": True},
        {**row, "not_after": 1, "relied_on": False},
    ]
    write(tmp_path, "certificates.json", rows)
    report = reports.read(tmp_path, 5.0)
    assert report
    assert report.certificates == (
        Certificate("m1", "/p/ca.crt", 1.0, "ca", "false"),
        Certificate("m1", "/p/ca.crt", 8.0, "ca", "true"),
    )


@pytest.mark.parametrize(
    "text", ["", "{", "5", '"x"', "null", '{"findings": 3}', '{"findings": [3], "could_not_tell": {}}']
)
def test_nothing_that_a_report_holds_can_stop_a_job(tmp_path: Path, text: str) -> None:
    for name in ("report.json", "certificates.json"):
        write(tmp_path, name, text)
    report = reports.read(tmp_path, 5.0)
    if report is not None:
        assert (report.findings, report.certificates) == ((), ())
        assert len(report.unreadable) == (2 if text in ("", "{") else 0)


def test_what_is_remembered_comes_back(tmp_path: Path) -> None:
    write(tmp_path, "report.json", {"findings": [{"code": "a.b", "severity": "warning"}]})
    write(tmp_path, "certificates.json", [{"node": "n", "path": "/p", "not_after": 7}])
    report = reports.read(tmp_path, 5.0)
    assert report
    assert reports.from_plain(json.loads(json.dumps(dataclasses.asdict(report)))) == report


def test_certificates_of_a_node_that_is_not_reached_are_remembered(tmp_path: Path) -> None:
    """One that left the inventory is forgotten."""
    a, b, gone = (Certificate(node, "/p", 7.0) for node in ("a", "b", "gone"))
    older = reports.Report(1.0, certificates=(a, b, gone))
    nodes = [{"name": "a", "reachable": True}, {"name": "b", "reachable": False}]
    row = {"node": "a", "path": "/p", "not_after": 9}
    write(tmp_path, "certificates.json", {"nodes": nodes, "certificates": [row]})
    now = reports.read(tmp_path, 5.0)
    assert now
    assert now.remembering(older).certificates == (Certificate("a", "/p", 9.0), b)
    assert now.remembering(None) == now
    assert reports.Report(5.0).remembering(older).certificates == older.certificates


@pytest.mark.parametrize(
    "data", [None, {}, [], {"seen_at": "x"}, {"seen_at": 1, "verdict": "", "findings": [{"x": 1}]}]
)
def test_what_another_version_remembered_is_let_go(data: Any) -> None:
    assert reports.from_plain(data) is None
