"""What the actions of encryption at rest share: fetching configurations with their keys, reading records page by page."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import courier
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import Record, read
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import coded
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer, StepBase

__all__ = ["EncryptionStep", "NotRead", "record_of", "why"]

_AT_ONCE = 5000  # records of one answer: what the controller holds of them


class NotRead(Exception):
    """The records could not be read; the sentence says why."""


class EncryptionStep(StepBase):
    """An action that works with keys; they are in this process's courier only."""

    def fetch(self, host: str, path: str) -> None:
        """Every configuration of this task's node, into the courier. Raises CourierError."""
        holder = courier.here()
        answer = self.pipe("encryption_keys.sh", {"file": path, "cert": holder.certificate()})
        if "sealed" not in answer.values:
            raise courier.CourierError(why(answer))
        holder.take(host, path, answer.values["sealed"])

    def put(self, args: Mapping[str, Any], what: str, content: bytes, step: dict[str, Any]) -> dict[str, Any]:
        """Write the configuration at this task's node and restart its kube-apiserver.

        what: which one it is, for the operator. args: those of restart_args, and the file's.
        """
        written = self.outcome(
            self.pipe("encryption_config.sh", {**args, "what": what, "content": coded(content)}), step
        )
        if written.get("failed"):
            return written
        restarted = self.outcome(self.pipe("api.sh component_restart.sh", dict(args)), step)
        restarted["lines"] = [*written["lines"], *restarted["lines"]]
        restarted["backup"] = written["backup"]
        restarted["changed"] = written["changed"] or restarted["changed"]
        return restarted

    def records(
        self, peer: Mapping[str, Any], places: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[str, list[Record], str]]:
        """(resource, some thousand records, revision), all of one revision. Raises NotRead."""
        revision = ""
        for resource, prefixes in places.items():
            for prefix in prefixes:
                end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
                args = {**_of_peer(peer), "count": _AT_ONCE, "end": coded(end)}
                start = coded(prefix)
                while start:
                    answer = self.pipe("encryption_scan.sh", {**args, "start": start, "revision": revision or "0"})
                    if not answer.done or "revision" not in answer.values:
                        raise NotRead(why(answer))
                    revision, start = answer.values["revision"], answer.values["next"]
                    yield resource, [record_of(line) for line in answer.rest if line.startswith("r ")], revision


def _of_peer(args: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in args.items() if k in ("peer_endpoint", "peer_ca", "peer_cert", "peer_key")}


def record_of(line: str) -> Record:
    """From the line that encryption_scan.sh prints of it."""
    _, name, head, tail = (*line.split(" "), "", "", "")[:4]
    text = base64.b64decode(name).decode("utf-8", errors="replace")
    return read(text, _bytes(head), b"" if tail in ("", "-") else _bytes(tail))


def _bytes(text: str) -> bytes:
    return base64.b64decode(text[: len(text) // 4 * 4])


def why(answer: Answer) -> str:
    """Why a script did not do what it is for."""
    if answer.refused:
        return answer.refused[1]
    said = [line for line in answer.rest if not line.startswith("r ")]
    return answer.failure or " / ".join(said[-3:]) or f"the answer was cut off (rc {answer.rc})"
