"""The calendar in words: the table, the shape of the JSON, and a CSV that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from builders.captured import captured

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import expiry_report, report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import (
    Calendar,
    Row,
    Unknown,
    calendar,
)

ROOT = Path(__file__).parents[4]
DARK = Unknown("w2", "all of it", "Connection refused", True)


@pytest.fixture(scope="module")
def made() -> Calendar:
    whole = calendar(captured("current", "power-loss"), ("m1", "m2", "m3", "w1"))
    return replace(whole, unknown=(DARK,))


def first(made: Calendar, **words: str) -> Calendar:
    """The same with other words in its first row."""
    return replace(made, rows=(replace(made.rows[0], **words), *made.rows[1:]))  # type: ignore[arg-type]  # fields by name


def lines(made: Calendar) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(expiry_report.as_csv(made))))


def test_the_table_has_a_line_for_each_and_names_what_is_missing(made: Calendar) -> None:
    text = expiry_report.as_text(made)
    table = text.partition("Could not tell:")[0].strip().splitlines()
    assert len(table) == 1 + len(made.rows)
    row = made.rows[0]
    assert table[0].split("  ")[0] == "ENDS (UTC)"
    assert table[1].split()[:5] == [f"{row.not_after:%Y-%m-%d}", f"{row.not_after:%H:%M}", "-1", "expired", row.node]
    assert "  w2  all of it: Connection refused" in text
    over = expiry_report.counts(made)["expired"]
    assert f"{len(made.rows)} certificates on 4 of 5 nodes: {over} expired (near: within 60 days)." in text
    coming = next(row for row in made.rows if row.state == "ok")
    assert f"in {coming.days_left} days: {coming.node}:{coming.path}." in text


def test_the_reason_stands_below_its_row(made: Calendar) -> None:
    text = expiry_report.as_text(first(made, reason="its key is gone", path="/x/y.crt"))
    shown = text.splitlines()
    assert shown[next(i for i, line in enumerate(shown) if "/x/y.crt" in line) + 1] == "    its key is gone"


def test_a_certificate_does_not_speak_to_the_terminal(made: Calendar) -> None:
    text = expiry_report.as_text(first(made, subject="CN=\x1b[2Jx\nm9", reason="\x07", because="\r"))
    assert "CN=?[2Jx?m9" in text
    assert all(c.isprintable() or c == "\n" for c in text)


def test_an_empty_fleet_has_a_table_too(made: Calendar) -> None:
    empty = replace(made, rows=(), unknown=(), nodes=())
    assert "0 certificates on 0 of 0 nodes: nothing is due" in expiry_report.as_text(empty)
    assert lines(empty) == []
    assert json.loads(expiry_report.as_json(empty, "run"))["certificates"] == []


def test_the_json_has_the_shape_that_is_documented(made: Calendar) -> None:
    data = json.loads(expiry_report.as_json(made, "20261121T000000Z-0"))
    documented = (ROOT / "docs" / "certificate-report.md").read_text(encoding="utf-8")
    assert data["schema"] == expiry_report.SCHEMA
    assert (data["run"], data["made_at"]) == ("20261121T000000Z-0", made.now.isoformat())
    assert data["could_not_tell"] == [
        {"node": "w2", "what": "all of it", "why": "Connection refused", "critical": True}
    ]
    assert sum(data["counts"].values()) == len(data["certificates"]) == len(made.rows)
    assert [node["name"] for node in data["nodes"]] == ["m1", "m2", "m3", "w1"]
    assert set(data["certificates"][0]) == {field.name for field in fields(Row)}
    for name in {*data, *data["certificates"][0], *data["nodes"][0], *data["counts"]}:
        assert f"`{name}`" in documented, name
    ends = [row["not_after"] for row in data["certificates"]]
    assert ends == sorted(ends)


def test_the_csv_has_every_row_and_what_could_not_be_looked_at(made: Calendar) -> None:
    read = lines(made)
    assert list(read[0]) == [field.name for field in fields(Row)]
    assert [row["path"] for row in read] == [*(row.path for row in made.rows), ""]
    assert (read[0]["subject"], read[0]["days_left"]) == (made.rows[0].subject, "-1")
    assert (read[0]["critical"], read[-2]["critical"]) == ("true", "false")
    assert (read[-1]["node"], read[-1]["state"], read[-1]["reason"]) == (
        "w2",
        "could_not_tell",
        "all of it: Connection refused",
    )


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_computes_nothing(made: Calendar, value: str) -> None:
    assert lines(first(made, subject=value))[0]["subject"] == f"'{value}"
    assert lines(replace(made, unknown=(replace(DARK, node=value),)))[-1]["node"] == f"'{value}"


@pytest.mark.parametrize("value", ['a,b"c', "two\nlines", "CN=x;y", ""])
def test_other_text_comes_back_as_it_was(made: Calendar, value: str) -> None:
    assert lines(first(made, subject=value))[0]["subject"] == value


def test_files_are_written_whole_and_over_older_ones(tmp_path: Path, made: Calendar) -> None:
    folder = tmp_path / "new" / "folder"
    for text in ("old", expiry_report.as_csv(made)):
        path = report.put(folder, "certificates.csv", text)
    assert Path(path).read_bytes().decode() == expiry_report.as_csv(made)
    assert [each.name for each in folder.iterdir()] == ["certificates.csv"]
