"""Answers of etcd's JSON gateway, as values. 64-bit numbers are decimal strings there; what is zero or false is left out."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Member", "Reply", "Status", "coded", "count", "members", "reply", "status"]


@dataclass(frozen=True)
class Member:
    """A member as a peer lists it (the list proves nothing about its health)."""

    id: str  # decimal, as the JSON gateway writes it
    name: str  # empty: added and never started
    peer_urls: tuple[str, ...]
    client_urls: tuple[str, ...] = ()
    learner: bool = False


@dataclass(frozen=True)
class Status:
    """What the local member says of itself."""

    member_id: str
    cluster_id: str
    revision: int
    raft_term: int
    raft_index: int
    applied_index: int
    leader: str  # member ID, empty: none
    version: str = ""
    db_size: int = 0
    learner: bool = False
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """One answer over HTTP: http 0 is no answer at all, and error says why."""

    http: int
    data: dict[str, Any]
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the question was answered, not only heard."""
        return self.http == 200


def coded(data: str | bytes) -> str:
    """Bytes as the gateway wants a key or a value."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def reply(text: str) -> Reply:
    """From what curl printed with -w '\\n@http=%{http_code}': body, messages of curl, code."""
    body, mark, code = text.rpartition("@http=")
    if not mark:
        return Reply(0, {}, " ".join(text.split())[-300:])
    http = int(code[:3]) if code[:3].isdigit() else 0
    complaint = " ".join(line for line in (body + code[3:]).splitlines() if line.startswith("curl:"))
    data = _object(body)
    if http == 200:
        return Reply(http, data)
    message = str(data.get("message") or data.get("error") or complaint or " ".join(body.split())[:300])
    return Reply(http, data, message)


def _object(body: str) -> dict[str, Any]:
    for line in body.splitlines():
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def members(answer: Reply) -> tuple[Member, ...]:
    """The members of any answer that lists them."""
    return tuple(_member(each) for each in answer.data.get("members") or ())


def _member(data: dict[str, Any]) -> Member:
    return Member(
        id=str(data.get("ID", "")),
        name=str(data.get("name", "")),
        peer_urls=tuple(data.get("peerURLs") or ()),
        client_urls=tuple(data.get("clientURLs") or ()),
        learner=bool(data.get("isLearner", False)),
    )


def status(answer: Reply) -> Status | None:
    """None where the answer is no status."""
    header = answer.data.get("header") or {}
    if not answer.ok or "cluster_id" not in header:
        return None
    data = answer.data
    return Status(
        member_id=str(header.get("member_id", "")),
        cluster_id=str(header["cluster_id"]),
        revision=_number(header.get("revision")),
        raft_term=_number(data.get("raftTerm") or header.get("raft_term")),
        raft_index=_number(data.get("raftIndex")),
        applied_index=_number(data.get("raftAppliedIndex")),
        leader=str(data.get("leader", "")),
        version=str(data.get("version", "")),
        db_size=_number(data.get("dbSize")),
        learner=bool(data.get("isLearner", False)),
        errors=tuple(str(e) for e in data.get("errors") or ()),
    )


def count(answer: Reply) -> int | None:
    """How many keys a range found; None where it was not answered."""
    return _number(answer.data.get("count")) if answer.ok else None


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0
