"""Lines of logs: of containers as kubelet keeps them (CRI format, or Docker's JSON lines), of units as journalctl shows them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import unit_of

__all__ = ["LastWords", "Line", "last_words", "lines", "moment"]

_CRI = re.compile(r"^(\d{4}-\d\d-\d\dT\S+) (?:stdout|stderr) [FP] (.*)$")
_JOURNAL = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)([+-]\d\d):?(\d\d) \S+ [^ :]+: (.*)$")
_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)$")
_ATTEMPT = re.compile(r"/(\d+)\.log$")


@dataclass(frozen=True)
class Line:
    """One line and when it was written."""

    at: datetime | None
    text: str


@dataclass(frozen=True)
class LastWords:
    """The end of the newest log of a container, or of a unit's journal."""

    path: str = ""
    written: int = 0  # epoch seconds on the node of the last line
    restarts: int = 0  # as the file's name, or systemd, counts them
    lines: tuple[Line, ...] = ()


def last_words(section: Section, component: str) -> LastWords:
    """What kr_last_words printed of that component."""
    path = section.value(f"{component}.log")
    output = section.outputs.get(f"{component}.tail")
    attempt = _ATTEMPT.search(path)
    found = lines(output.text) if output else ()
    unit = unit_of(section, component)
    if unit is not None:
        times = [line.at for line in found if line.at]
        return LastWords(path, int(max(times).timestamp()) if times else 0, unit.restarts, found)
    return LastWords(path, section.number(f"{component}.log_mtime"), int(attempt.group(1)) if attempt else 0, found)


def lines(text: str) -> tuple[Line, ...]:
    """Every line that is not empty; what is in neither format is kept as it stands."""
    found = (_line(raw) for raw in text.splitlines() if raw.strip("\0 \t"))
    return tuple(line for line in found if line.text)


def moment(text: str) -> datetime | None:
    """An RFC 3339 time of any precision, as UTC."""
    match = _MOMENT.match(text)
    if match is None:
        return None
    seconds, fraction, zone = match.groups()
    whole = datetime.fromisoformat(seconds + (fraction or ".0")[:7].ljust(7, "0") + zone.replace("Z", "+00:00"))
    return whole.astimezone(timezone.utc)


def _line(raw: str) -> Line:
    cri = _CRI.match(raw)
    if cri:
        return Line(moment(cri.group(1)), cri.group(2).rstrip())
    journal = _JOURNAL.match(raw)
    if journal:
        seconds, hours, minutes, text = journal.groups()
        return Line(moment(f"{seconds}{hours}:{minutes}"), text.rstrip())
    if raw.startswith("{"):
        try:
            entry = json.loads(raw)
        except ValueError:
            return Line(None, raw.strip())  # the first of a tail by bytes, or torn by a power cut
        if isinstance(entry, dict) and "log" in entry:
            return Line(moment(str(entry.get("time", ""))), str(entry["log"]).rstrip())
    return Line(None, raw.strip())
