"""What the etcd actions share: questions to the JSON gateway through a node, with the answers read on the controller."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_gateway as gateway
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member, Reply
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase, StepRefused

__all__ = ["CANARY", "EtcdStep", "PartFailed", "wait"]

CANARY = "/kuberevive/canary"


class PartFailed(Exception):
    """The part did not do its work; the message says how far it came."""


class EtcdStep(StepBase):
    """A part of a repair that talks to etcd."""

    def args(self, step: dict[str, Any]) -> dict[str, Any]:
        """The step's values."""
        return dict(step.get("args") or {})

    def refuse_many(self, task_vars: dict[str, Any]) -> None:
        """T13: members are changed one at a time, so the play must be serial."""
        batch = list(task_vars.get("ansible_play_batch") or [])
        if len(batch) > 1:
            named = ", ".join(str(h) for h in batch)
            raise StepRefused(
                "serial", f"this play works on {named} at once; etcd members are changed one at a time (serial: 1)"
            )

    def ask(
        self, args: dict[str, Any], urls: Sequence[str], path: str, body: str = "{}", limit: int = 6
    ) -> list[Reply]:
        """The same question to each client URL, one after the other, from this task's node."""
        wanted = ("peer_ca", "peer_cert", "peer_key")
        values = {name: args[name] for name in wanted}
        values |= {"urls": list(urls), "path": path, "body": body, "limit": str(limit)}
        answer = self.pipe("etcd_call.sh", values)
        if answer.refused:
            raise StepRefused(*answer.refused)
        raw = [answer.values.get(f"reply_{i}", "") for i in range(len(urls))]
        return [gateway.reply(base64.b64decode(text).decode("utf-8", errors="replace")) for text in raw]

    def ask_peer(self, args: dict[str, Any], path: str, body: str = "{}", limit: int = 6) -> Reply:
        """One question to the peer's own member."""
        return self.ask(args, [str(args["peer_endpoint"])], path, body, limit)[0]

    def members(self, args: dict[str, Any]) -> tuple[Member, ...]:
        """The member list as the peer has it. Refuses where there is none: nothing may be decided without it."""
        answer = self.ask_peer(args, "/v3/cluster/member/list")
        listed = gateway.members(answer)
        if not listed:
            raise StepRefused("no_list", f"{args['peer']} gives no member list: {answer.error or answer.http}")
        return listed

    def reads(self, args: dict[str, Any], urls: Sequence[str], limit: int = 5) -> list[Reply]:
        """A linearizable read through each URL: only a member with a quorum behind it answers."""
        return self.ask(args, urls, "/v3/kv/range", f'{{"key":"{gateway.coded(CANARY)}"}}', limit)

    def healthy(self, args: dict[str, Any], members: Iterable[Member], skip: Iterable[str]) -> set[str]:
        """IDs of the voters that read linearizably through their own client URL, without those at the skipped peer URLs."""
        skipped = set(skip)
        asked = [m for m in members if m.client_urls and not m.learner and not set(m.peer_urls) & skipped]
        replies = self.reads(args, [m.client_urls[0] for m in asked])
        return {m.id for m, answer in zip(asked, replies, strict=True) if answer.ok}


def wait(seconds: int, attempt: Callable[[], str]) -> str:
    """Until attempt says nothing more, at most so long; what it said last."""
    until = time.monotonic() + seconds
    while True:
        said = attempt()
        if not said or time.monotonic() >= until:
            return said
        time.sleep(1)
