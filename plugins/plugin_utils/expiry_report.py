"""The calendar in words: for a terminal, as JSON, as CSV. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import Calendar, Row, Unknown

__all__ = ["SCHEMA", "as_csv", "as_json", "as_text", "counts", "ending"]

SCHEMA = 1  # grows when a field goes away or changes its meaning; a new field leaves it
_STATES = ("expired", "near", "not_yet_valid", "unreadable", "ok")
_HEADS = ("ENDS (UTC)", "DAYS", "STATE", "NODE", "KIND", "FILE", "SUBJECT", "SIGNED BY", "RENEWED BY")
_RIGHT = 1  # the column of numbers
_NAMED = 5  # so many are named in one sentence
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def counts(calendar: Calendar) -> dict[str, int]:
    """How many certificates are in each state."""
    return {state: sum(row.state == state for row in calendar.rows) for state in _STATES}


def ending(calendar: Calendar) -> str:
    """Why the run ends with rc 2, in one sentence; empty: rc 0."""
    bad = [f"{row.node}:{row.path} ({_words(row.state)})" for row in calendar.rows if row.critical]
    dark = list(dict.fromkeys(each.node for each in calendar.unknown if each.critical))
    parts = []
    if bad:
        parts.append(f"certificates that the cluster relies on cannot be used: {_some(bad)}")
    if dark:
        parts.append(f"not everything could be looked at on {_some(dark)}")
    return "; ".join(parts) + ". The table above says what and why." if parts else ""


def as_text(calendar: Calendar) -> str:
    """A table, what could not be looked at, and one line that sums it up."""
    cells = [_HEADS, *(_cells(row) for row in calendar.rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADS))]
    lines = ["", _line(_HEADS, widths)]
    for row, line in zip(calendar.rows, cells[1:], strict=True):
        lines.append(_line(line, widths))
        if row.reason:
            lines.append(f"    {_plain(row.reason)}")
    if calendar.unknown:
        lines += ["", "Could not tell:"]
        lines += [f"  {each.node}  {each.what}: {_plain(each.why)}" for each in calendar.unknown]
    return "\n".join([*lines, "", _verdict(calendar), ""])


def as_json(calendar: Calendar, run_id: str) -> str:
    """See docs/certificate-report.md."""
    data = {
        "schema": SCHEMA,
        "run": run_id,
        "made_at": calendar.now.isoformat(),
        "renew_within_days": calendar.within.total_seconds() / 86400,
        "verdict": _verdict(calendar),
        "counts": counts(calendar),
        "nodes": report.nodes(calendar.nodes),
        "certificates": to_plain(calendar.rows),
        "could_not_tell": to_plain(calendar.unknown),
    }
    return json.dumps(data, indent=2, sort_keys=True) + "\n"


def as_csv(calendar: Calendar) -> str:
    """The rows, then a line for each thing that could not be looked at, with state could_not_tell."""
    names = [field.name for field in fields(Row)]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    lines: list[dict[str, Any]] = [*to_plain(calendar.rows), *map(_untold, calendar.unknown)]
    for line in lines:
        writer.writerow({name: _harmless(value) for name, value in line.items()})
    return text.getvalue()


def _untold(each: Unknown) -> dict[str, Any]:
    reason = f"{each.what}: {each.why}"
    return {"node": each.node, "state": "could_not_tell", "reason": reason, "critical": each.critical}


def _harmless(value: Any) -> Any:
    """Text that a spreadsheet would compute is shown as text. A number of days is a number, also below nought."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _cells(row: Row) -> tuple[str, ...]:
    renewed = f"{row.renewed_by}: {row.because}" if row.because else row.renewed_by
    return (
        f"{row.not_after:%Y-%m-%d %H:%M}" if row.not_after else "?",
        "?" if row.days_left is None else str(row.days_left),
        _words(row.state),
        row.node,
        _words(row.kind),
        _plain(row.path),
        _plain(row.subject),
        _plain(row.signed_by or row.issuer),
        _plain(renewed),
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if i == _RIGHT else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _verdict(calendar: Calendar) -> str:
    number = counts(calendar)
    due = ", ".join(f"{number[state]} {_words(state)}" for state in _STATES if state != "ok" and number[state])
    reached = sum(node.reachable for node in calendar.nodes)
    left_out = {each.node for each in calendar.unknown} - {node.name for node in calendar.nodes}
    said = f"{len(calendar.rows)} certificates on {reached} of {len(calendar.nodes) + len(left_out)} nodes: "
    said += f"{due or 'nothing is due'} (near: within {calendar.within.days} days)."
    coming = next((row for row in calendar.rows if row.not_after and row.not_after > calendar.now), None)
    if coming is not None:
        when = f"{coming.not_after:%Y-%m-%d %H:%M} UTC"
        said += f" The next one to end: {when}, in {coming.days_left} days: {coming.node}:{_plain(coming.path)}."
    return said


def _words(name: str) -> str:
    return {"ca": "CA", "user_copy": "user's copy"}.get(name, name.replace("_", " "))


def _some(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(_plain(name) for name in names[:_NAMED]) + rest


def _plain(text: Iterable[str]) -> str:
    """What a certificate calls itself must not speak to the terminal."""
    return "".join(c if c.isprintable() else "?" for c in text)
