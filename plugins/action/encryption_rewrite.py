"""Brings records that masters wrote with several keys under one. One task's loop of parts; a part that failed ends the rest.

fetch at every master, records, union at every master, records, rewrite, records, single at every master. Each part looks at
how things are, so a run that was killed between any two is gone on with by the next.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.display import Display

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import courier, etcd_gateway
from ansible_collections.kuberevive.cluster.plugins.plugin_utils import encryption_union as making
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    ConfigRefused,
    Opened,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import Record
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_step import (
    EncryptionStep,
    NotRead,
    why,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepRefused

__all__ = ["ActionModule"]

_BATCH = 200  # records rewritten between two lines of progress


@dataclass
class _Job:
    """What the parts of one loop know of each other; it ends with the process."""

    halted: str = ""
    base: Candidate | None = None
    keep: making.Keeper = ("", "", "")
    everywhere: bool = False  # every master writes with it already
    opened: tuple[Opened, ...] = ()
    todo: list[tuple[str, str]] = field(default_factory=list, repr=False)  # (resource, name in etcd) not under the key


_JOB = _Job()


class ActionModule(EncryptionStep):
    """See plugins/modules/encryption_rewrite.py."""

    KIND = "encryption_rewrite"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """In check mode the first part speaks for the whole step."""
        step = dict(self._task.args.get("step") or {})
        first = dict(step.get("args") or {}).get("masters", [{}])[0].get("host")
        part = (self._task.args.get("do"), self._task.args.get("at"))
        if self._task.check_mode and part != ("fetch", first):
            return {"changed": False, "msg": "part of the same step"}
        return super().run(tmp, task_vars)

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """What did something, or failed first."""
        return bool(outcome.get("changed")) or (bool(outcome.get("failed")) and outcome.get("refused") != "halted")

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One part."""
        parts: dict[str, Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
            "fetch": self._fetch,
            "records": self._records,
            "union": self._union,
            "rewrite": self._rewrite,
            "single": self._single,
            "last": self._last,
        }
        part = str(self._task.args.get("do") or "")
        if part not in parts:
            raise AnsibleError(f"encryption_rewrite: do must be one of {', '.join(parts)}, not {part!r}")
        if _JOB.halted:
            raise StepRefused("halted", f"{_JOB.halted}; run again, it goes on from here")
        try:
            result = parts[part](dict(step.get("args") or {}), step)
        except StepRefused as refusal:
            _JOB.halted = str(refusal)
            raise
        except (courier.CourierError, ConfigRefused, NotRead, RuntimeError, ValueError) as error:
            _JOB.halted = str(error)
            raise StepRefused("not_told", str(error)) from None
        except AnsibleError as error:
            _JOB.halted = str(error)
            raise
        except Exception as error:  # its words might hold what nobody may see
            _JOB.halted = f"{part} ended by {type(error).__name__}"
            raise
        if result.get("failed"):
            _JOB.halted = str(result["msg"])
        return result

    def _at(self, args: dict[str, Any]) -> dict[str, Any]:
        """What the plan says of this part's master."""
        return next(m for m in args["masters"] if m["host"] == self._task.args.get("at"))

    def _fetch(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        place = self._at(args)
        self.fetch(place["host"], place["file"])
        return _did()

    def _records(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        """Which records are not under the key that stays; those that a wrong key would open by accident come under it at once."""
        keys = courier.here().keys()
        ledger = making.Ledger(keys)
        for resource, records, _ in self.records(args, args["places"]):
            ledger.add(resource, records)
        if _JOB.base is None:
            _choose(ledger.opened)
        _JOB.todo = ledger.not_under(_JOB.keep)
        provider, _, kept_print = _JOB.keep
        keep = keys[provider, kept_print]
        accidents = ledger.accidents(_JOB.keep)
        return _did(*[self._settle_accident(args, record, keys[provider, own], keep) for record, own in accidents])

    def _settle_accident(self, args: dict[str, Any], record: Record, key: bytes, keep: bytes) -> str:
        """AES-CBC has no MAC: under the union an API server would take this one for another key's and read nonsense."""
        name = etcd_gateway.coded(record.name)
        for _ in range(5):
            found = self._ask(args, "/v3/kv/range", {"key": name})
            if not found.get("kvs"):
                return f"{record.name} is gone meanwhile"
            now = found["kvs"][0]
            value = making.rewritten(record.name, base64.b64decode(now["value"]), key, keep, _JOB.keep[1])
            body = {
                "compare": [{"key": name, "target": "MOD", "result": "EQUAL", "mod_revision": now["mod_revision"]}],
                "success": [{"request_put": {"key": name, "value": etcd_gateway.coded(value)}}],
            }
            if self._ask(args, "/v3/kv/txn", body).get("succeeded"):
                return f"rewrote {record.name} in etcd: its padding passes under another key as well"
        raise NotRead(f"{record.name} was written by somebody else five times in a row")

    def _ask(self, args: dict[str, Any], path: str, body: dict[str, Any]) -> dict[str, Any]:
        peer = {k: v for k, v in args.items() if k.startswith("peer_")}
        answer = self.pipe("etcd_record.sh", {**peer, "path": path, "body": json.dumps(body)})
        if "reply" not in answer.values:
            raise NotRead(why(answer))
        reply = etcd_gateway.reply(base64.b64decode(answer.values["reply"]).decode("utf-8", errors="replace"))
        if not reply.ok:
            raise NotRead(f"etcd at {args['peer']}: {reply.error}")
        return reply.data

    def _union(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        if _JOB.everywhere and not _JOB.todo:
            return _did()
        assert _JOB.base is not None
        holder = courier.here()
        content = making.union(holder.document(_JOB.base.host, _JOB.base.path), _JOB.opened, holder.keys())
        return self._put(args, "the encryption configuration with every key", content, step)

    def _rewrite(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        """Through the API, some hundred at a time; how far it is and how fast is shown."""
        began, done, failed = time.monotonic(), 0, []
        for batch in _batches(_JOB.todo):
            lines = [_of_api(args["places"], resource, name) for resource, name in batch]
            answer = self.pipe("api.sh encryption_rewrite.sh", {**self._at(args), "records": lines})
            if answer.refused or "rewritten" not in answer.values:
                raise NotRead(why(answer))
            done += int(answer.values["rewritten"])
            failed += [line[2:] for line in answer.rest if line.startswith("f ")]
            rate = done / max(time.monotonic() - began, 0.001)
            Display().display(f"{self.host}: rewrote {done} of {len(_JOB.todo)} records ({rate:.0f} a second)")
        if failed:
            return {"failed": True, "msg": f"{len(failed)} records could not be rewritten: {'; '.join(failed[:5])}"}
        return _did(*([f"rewrote {done} records through kube-apiserver"] if done else []))

    def _single(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        if _JOB.todo:
            raise StepRefused("not_one", f"{len(_JOB.todo)} records are not under the one key yet; run again")
        assert _JOB.base is not None
        document = courier.here().document(_JOB.base.host, _JOB.base.path)
        content = making.single(document, _JOB.keep)
        return self._put(args, "the encryption configuration with the one key that stays", content, step)

    def _last(self, args: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        """A master may have written with its old key until it was restarted."""
        self._records(args, step)
        if _JOB.todo:
            return {
                "failed": True,
                "msg": f"{len(_JOB.todo)} records were written with another key meanwhile; run again",
            }
        return _did()

    def _put(self, args: dict[str, Any], what: str, content: bytes, step: dict[str, Any]) -> dict[str, Any]:
        """At this part's master; the report says of each line where that was."""
        place = self._at(args)
        result = self.put(place, what, content, step)
        kept = str(result.pop("backup", ""))
        lines = [*result.get("lines", []), *([f"what was there before is kept in {kept}"] if kept else [])]
        return {**result, "lines": [f"{place['host']}: {line}" for line in lines]}


def _choose(opened: tuple[Opened, ...]) -> None:
    """Which key stays; once for all parts."""
    candidates = courier.here().candidates()
    _JOB.base = making.base_of(candidates, opened)
    if _JOB.base is None:
        raise StepRefused("no_base", "no master writes with a key of its own, so there is none to keep")
    _JOB.keep = making.keeper(_JOB.base) or _JOB.keep
    _JOB.opened = opened
    _JOB.everywhere = all(making.keeper(c) == _JOB.keep for c in candidates if c.current and c.rules)


def _batches(todo: list[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    for start in range(0, len(todo), _BATCH):
        yield todo[start : start + _BATCH]


def _of_api(places: dict[str, list[str]], resource: str, name: str) -> str:
    """RESOURCE NAMESPACE NAME of a record."""
    prefix = next(p for p in places[resource] if name.startswith(p))
    space, slash, own = name[len(prefix) :].rpartition("/")
    return f"{resource} {space if slash else '-'} {own}"


def _did(*lines: str) -> dict[str, Any]:
    return {"changed": bool(lines), "lines": list(lines), "msg": "; ".join(lines) or "nothing was left to do"}
