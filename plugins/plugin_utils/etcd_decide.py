"""Decisions of a member replacement, from fresh answers. Pure: every argument is what was just read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member, Reply

__all__ = ["Change", "gate", "initial_cluster", "next_change", "silent", "version_of"]


@dataclass(frozen=True)
class Change:
    """What has to happen to the member list before the new member may start."""

    remove: str = ""  # ID of the entry to strike off, or empty
    add: bool = False
    keep: str = ""  # ID of the entry that is already the new member's


def gate(members: Sequence[Member], lost_urls: Collection[str], healthy: Collection[str]) -> str:
    """Why no member may be taken out now, or empty. healthy: IDs that just read linearizably through their own URL."""
    voters = [m for m in members if not m.learner]
    lost = {m.id for m in members if set(m.peer_urls) & set(lost_urls)}
    well = [m for m in voters if m.id in healthy and m.id not in lost]
    needed = len(voters) // 2 + 1
    if len(well) < needed:
        named = ", ".join(m.name for m in well) or "none"
        return f"{len(well)} of {len(voters)} voters are healthy without it ({named}), {needed} are needed"
    others = [m for m in members if m.id not in lost and (m.learner or not m.name)]
    if others:
        named = ", ".join(f"{m.name or '(no name)'} {m.id}" for m in others)
        return f"another member is being added: {named}; one at a time"
    if len(lost) > 1:
        return f"{len(lost)} entries of the member list have its peer URL: {', '.join(sorted(lost))}"
    return ""


def next_change(entry: Member | None, readd: str) -> Change:
    """readd: the ID that the node's own mark names as the new member it has begun to start."""
    if entry is None:
        return Change(add=True)
    if entry.id == readd or (entry.learner and not entry.name):
        return Change(keep=entry.id)  # an earlier run came this far
    return Change(remove=entry.id, add=True)


def initial_cluster(members: Sequence[Member], name: str, peer_urls: Collection[str]) -> str:
    """The exact --initial-cluster of the new member: every entry of the list, with its own name filled in."""
    pairs: list[str] = []
    for member in members:
        own = bool(set(member.peer_urls) & set(peer_urls))
        pairs += [f"{name if own else member.name}={url}" for url in member.peer_urls]
    return ",".join(pairs)


def silent(answer: Reply) -> bool:
    """Whether nobody is there: no route or name, refused, or no answer in time. Anything else is somebody."""
    return answer.http == 0 and any(f"curl: ({code})" in answer.error for code in (6, 7, 28))


def version_of(text: str) -> tuple[int, int]:
    """Major and minor; (0, 0) where that is no version."""
    parts = text.split(".")
    try:
        return int(parts[0]), int(parts[1])
    except (ValueError, IndexError):
        return 0, 0
