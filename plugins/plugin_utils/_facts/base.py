"""Reads what the probe printed: sections of raw records, no judgement.

Records are tab separated, one a line, each prefixed by its section and a bar (see _probe/lib.sh):
val KEY VALUE | file PATH STATE SIZE MODE OWNER MTIME LINK BASE64 | key PATH STATE SHA256 | out NAME BASE64 (ends in @rc=N)
blob NAME gzip|plain BASE64
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from dataclasses import dataclass, field

__all__ = ["FileFact", "Output", "Probe", "ProbeError", "Section", "read_probe"]


class ProbeError(ValueError):
    """The answer is not one of our probe's; the message says what is wrong with it."""


@dataclass(frozen=True)
class FileFact:
    """A file as it lies on the node. content is only there where the probe was asked for it, and never holds a key."""

    path: str
    # ok | empty | nul | missing | dangling | unreadable | not_a_file
    # in_image: no hostPath of its pod holds it
    # withheld: it is there, in a form in which its keys cannot be told from the rest | not told: nobody looked
    state: str
    size: int = 0
    mode: str = ""  # octal, e.g. "600"
    owner: str = ""  # user:group
    mtime: int = 0  # epoch seconds
    link: str = ""  # where it points, for a symbolic link
    content: str = ""

    @property
    def usable(self) -> bool:
        """Whether there is something in it to read. Raises ValueError where nobody looked: that is not the same as nothing."""
        if self.state == "not told":
            raise ValueError(f"the probe did not tell of {self.path}")
        return self.state == "ok"


@dataclass(frozen=True)
class Output:
    """What a command on the node said: both streams together, its last 64 KiB."""

    rc: int
    text: str


@dataclass
class Section:
    """The raw records of one section."""

    name: str
    state: str = "missing"  # ok | timeout | missing
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)  # every value of a key that came more than once
    files: dict[str, FileFact] = field(default_factory=dict)
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # path -> (state, sha256 of the public half)
    outputs: dict[str, Output] = field(default_factory=dict)
    blobs: dict[str, str] = field(default_factory=dict)  # long texts, whole

    def value(self, key: str, default: str = "") -> str:
        """The last value of a key."""
        return self.values.get(key, default)

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of a key, in order."""
        return tuple(self.lists.get(key, ()))

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; the default where it is missing or no number."""
        try:
            return int(self.values.get(key, ""))
        except ValueError:
            return default

    def file(self, path: str) -> FileFact:
        """The file at that path; state "not told" where the probe did not mention it."""
        return self.files.get(path, FileFact(path=path, state="not told"))

    @property
    def withheld(self) -> str:
        """Path of a file whose content was not sent, or empty."""
        return next((path for path, fact in self.files.items() if fact.state == "withheld"), "")


@dataclass
class Probe:
    """A whole answer: its sections, and whether it came to its end."""

    sections: dict[str, Section]
    complete: bool
    uid: str = ""  # who the probe ran as; "0" is root
    kubelet: bool = True  # whether anything of a kubelet is on the machine
    stuck: str = ""  # seconds after which the looking for the node's files was given up, or empty


def read_probe(text: str) -> Probe:
    """Turn the probe's answer into sections. Raises ProbeError where it is not an answer of this probe at all."""
    lines = text.split("\n")  # and at nothing else: a name on the node may hold any other kind of line break
    start = next((i for i, line in enumerate(lines) if line.strip() == "@kuberevive 1"), None)
    if start is None:
        head = " ".join(text.split())[:120]
        raise ProbeError(
            f"the node's answer does not begin with the probe's mark; it begins: {head or 'nothing at all'}"
        )
    sections: dict[str, Section] = {}
    marks: dict[str, str] = {}
    for line in lines[start + 1 :]:
        if line.startswith("@"):
            mark, _, value = line[1:].strip().partition(" ")
            if mark == "end" or not sections:
                marks[mark] = value
            if mark == "end":
                break
            continue
        name, bar, record = line.partition("|")
        if bar:
            _take(sections.setdefault(name, Section(name)), record)
    whole, kubelet = "end" in marks, marks.get("kubelet", "yes") != "no"
    return Probe(sections, whole, marks.get("uid", ""), kubelet, marks.get("stuck", ""))


def _take(section: Section, record: str) -> None:
    fields = record.rstrip("\r").split("\t")
    kind = fields[0]
    if kind == "val" and len(fields) >= 3:
        section.values[fields[1]] = "\t".join(fields[2:])
        section.lists.setdefault(fields[1], []).append("\t".join(fields[2:]))
    elif kind == "file" and len(fields) == 9:
        fact = _file(fields)
        section.files[fact.path] = fact
    elif kind == "key" and len(fields) == 4:
        section.keys[fields[1]] = (fields[2], fields[3])
    elif kind == "out" and len(fields) == 3:
        section.outputs[fields[1]] = _output(_decode(fields[2]))
    elif kind == "blob" and len(fields) == 4:
        section.blobs[fields[1]] = _unpacked(fields[2], fields[3])
    elif kind.startswith("end="):
        section.state = "ok"
    elif kind.startswith("timeout="):
        section.state = "timeout"


def _unpacked(how: str, text: str) -> str:
    """Empty where it cannot be unpacked: what has to be in it is missed then, and its parser says so."""
    try:
        data = base64.b64decode(text, validate=False)
        return (gzip.decompress(data) if how == "gzip" else data).decode("utf-8", errors="replace")
    except (ValueError, OSError, EOFError, zlib.error):
        return ""


def _file(fields: list[str]) -> FileFact:
    _, path, state, size, mode, owner, mtime, link, content = fields
    return FileFact(path, state, _int(size), mode, owner, _int(mtime), link, _decode(content))


def _output(text: str) -> Output:
    body, mark, rc = text.rpartition("@rc=")
    if not mark:
        return Output(rc=-1, text=text)
    return Output(rc=_int(rc, -1), text=body)


def _int(text: str, default: int = 0) -> int:
    try:
        return int(text.strip())
    except ValueError:
        return default


def _decode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError):
        return ""
