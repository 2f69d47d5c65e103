"""What a playbook left in its report directory, read with care: a job must not fail because of a report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

__all__ = ["Certificate", "Finding", "Report", "from_plain", "read"]

FINDINGS_FILE = "report.json"
CERTIFICATES_FILE = "certificates.json"  # a list of rows, or such a list below "certificates"


@dataclass(frozen=True)
class Finding:
    """One line of report.json's findings."""

    code: str
    severity: str


@dataclass(frozen=True)
class Certificate:
    """When a file's first certificate of a kind ends: seconds since the epoch."""

    node: str
    path: str
    not_after: float
    kind: str = ""  # as certificates.json has them; empty: it does not say
    relied_on: str = ""  # true | false


@dataclass(frozen=True)
class Report:
    """All that one run found."""

    seen_at: float
    verdict: str = ""
    findings: tuple[Finding, ...] = ()
    could_not_tell: int = 0
    certificates: tuple[Certificate, ...] = ()
    unreadable: tuple[str, ...] = ()  # one sentence for each file that could not be read
    unseen: tuple[str, ...] = ()  # nodes that could not be reached

    def remembering(self, older: Report | None) -> Report:
        """The same, with what an older one knew of certificates that nobody came to see this time."""
        if older is None:
            return self
        if not self.certificates:
            return replace(self, certificates=older.certificates)
        kept = tuple(c for c in older.certificates if c.node in self.unseen)
        return replace(self, certificates=tuple(sorted((*self.certificates, *kept), key=lambda c: (c.node, c.path))))

    @property
    def critical(self) -> int:
        """How many findings are critical."""
        return sum(f.severity == "critical" for f in self.findings)

    @property
    def summary(self) -> str:
        """The verdict, and the codes of what is critical."""
        codes = dict.fromkeys(f.code for f in self.findings if f.severity == "critical")
        return f"{self.verdict} Critical: {', '.join(codes)}."


def read(directory: Path, seen_at: float) -> Report | None:
    """The reports in that directory; None where the playbook wrote none."""
    unreadable: list[str] = []
    found = _load(directory / FINDINGS_FILE, unreadable)
    rows = _load(directory / CERTIFICATES_FILE, unreadable)
    if found is None and rows is None and not unreadable:
        return None
    found = found if isinstance(found, dict) else {}
    certificates, strange = _certificates(rows)
    if strange:
        unreadable.append(f"{directory / CERTIFICATES_FILE}: {strange} rows lack node, path or a date in not_after")
    return Report(
        seen_at=seen_at,
        verdict=str(found.get("verdict", "")),
        findings=tuple(
            Finding(str(row.get("code", "?")), str(row.get("severity", "?"))) for row in _rows(found.get("findings"))
        ),
        could_not_tell=sum(1 for _ in _rows(found.get("could_not_tell"))),
        certificates=certificates,
        unreadable=tuple(unreadable),
        unseen=tuple(str(row.get("name")) for row in _rows(_field(rows, "nodes")) if row.get("reachable") is False),
    )


def from_plain(data: Any) -> Report | None:
    """A report as an earlier run wrote it; None where it is of another shape."""
    try:
        return Report(
            seen_at=float(data["seen_at"]),
            verdict=str(data["verdict"]),
            findings=tuple(Finding(**row) for row in data["findings"]),
            could_not_tell=int(data["could_not_tell"]),
            certificates=tuple(Certificate(**row) for row in data["certificates"]),
            unreadable=tuple(data["unreadable"]),
            unseen=tuple(data.get("unseen", ())),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _load(path: Path, unreadable: list[str]) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        unreadable.append(f"{path} cannot be read: {error}")
        return None


def _field(data: Any, name: str) -> Any:
    return data.get(name) if isinstance(data, dict) else None


def _rows(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        yield from (row for row in value if isinstance(row, dict))


def _certificates(data: Any) -> tuple[tuple[Certificate, ...], int]:
    """The first end of each file and kind, and how many rows could not be read."""
    rows = list(_rows(_field(data, "certificates") if isinstance(data, dict) else data))
    first: dict[tuple[str, str, str, str], float] = {}
    strange = 0
    for row in rows:
        node, path, end = row.get("node"), row.get("path"), _moment(row.get("not_after"))
        if node and path and end is None and row.get("not_after", "") is None:
            continue  # as the calendar says that nobody can tell
        if not node or not path or end is None:
            strange += 1
            continue
        # A CA that lies beside another one, and that nothing needs, is not to hide when that one ends.
        key = (str(node), str(path), str(row.get("kind", "")), str(row.get("relied_on", "")).lower())
        first[key] = min(end, first.get(key, end))
    found = sorted(first.items())
    return tuple(Certificate(node, path, end, kind, relied) for (node, path, kind, relied), end in found), strange


def _moment(value: Any) -> float | None:
    """Seconds since the epoch, of a number or of ISO 8601; without a zone it is UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
