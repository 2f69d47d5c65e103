"""One part of a repair of etcd's membership, done at a healthy member (delegated)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_decide as decide
from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_gateway as gateway
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_step import (
    CANARY,
    EtcdStep,
    PartFailed,
    wait,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_view import entry_of, namesake
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepRefused

__all__ = ["ActionModule"]

_Part = Callable[[dict[str, Any]], dict[str, Any]]
# The parts that are a step's whole work: they speak for it in --check, the others are silent there.
_WHOLE = {("etcd_learner_promote", "promote"), ("etcd_stale_remove", "strike")}


class ActionModule(EtcdStep):
    """See plugins/modules/etcd_peer.py."""

    KIND = "etcd_peer"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """In check mode only a part that is the whole step notes its effect."""
        step = dict(self._task.args.get("step") or {})
        part = str(self._task.args.get("do") or "")
        if (str(step.get("kind")), part) in _WHOLE:
            self.KIND = str(step["kind"])  # type: ignore[misc]  # this task is that step, not a part of one
        elif self._task.check_mode:
            return {"changed": False, "msg": f"{part} is asked at the peer when the step is really taken"}
        return super().run(tmp, task_vars)

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """A snapshot that was there already is nothing to tell."""
        told = outcome.get("failed") or outcome.get("changed")
        return bool(told) or self._task.args.get("do") != "snapshot"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do one part."""
        part = str(self._task.args.get("do") or "")
        if part != "snapshot":  # that changes no member
            self.refuse_many(task_vars)
        parts: dict[str, _Part] = {
            "gate": self._gate,
            "snapshot": self._snapshot,
            "readd": self._readd,
            "promote": self._promote,
            "prove": self._prove,
            "strike": self._strike,
        }
        if part not in parts:
            raise AnsibleError(f"etcd_peer: do must be one of {', '.join(parts)}, not {part!r}")
        try:
            return parts[part](self.args(step))
        except PartFailed as failure:
            return {"failed": True, "msg": str(failure)}

    def _gate(self, args: dict[str, Any]) -> dict[str, Any]:
        """Wait for a quorum: the cluster may be just coming up after its kubelets were started."""
        why = wait(180, lambda: self._closed(args))
        if why:
            raise StepRefused("quorum", f"waited 180 s at {args['peer']} for a quorum without this member: {why}")
        return _did(False, f"{args['peer']} reads with a quorum that does not need this member")

    def _closed(self, args: dict[str, Any]) -> str:
        """Why the gate is closed, read afresh; empty: open."""
        first = self.reads(args, [str(args["peer_endpoint"])])[0]
        if not first.ok:
            return f"no linearizable read: {first.error or first.http}"
        listed = self.members(args)
        why = decide.gate(listed, args["peer_urls"], self.healthy(args, listed, args["peer_urls"]))
        if why:
            return why
        alarms = self.ask_peer(args, "/v3/maintenance/alarm", '{"action":"GET"}', 10)
        corrupt = [str(a.get("memberID")) for a in alarms.data.get("alarms") or () if a.get("alarm") == "CORRUPT"]
        if corrupt:
            which = f"etcd itself reports corrupt data on member {', '.join(corrupt)}"
            raise StepRefused("corrupt", f"{which}: which copy is right is for a person to say")
        return "" if alarms.ok or alarms.http == 404 else f"its alarms cannot be read: {alarms.error or alarms.http}"

    def _snapshot(self, args: dict[str, Any]) -> dict[str, Any]:
        wanted = ("peer_endpoint", "peer_ca", "peer_cert", "peer_key", "peer_data_dir")
        answer = self.pipe("etcd_snapshot.sh", {name: args[name] for name in wanted})
        return self.outcome(answer, {"title": f"take a snapshot of etcd at {args['peer']}"})

    def _readd(self, args: dict[str, Any]) -> dict[str, Any]:
        """Strike the lost entry off and add the member anew, as a learner: never more than one step from a quorum."""
        why = self._closed(args)
        if why:
            raise StepRefused("quorum", why)
        status = gateway.status(self.ask_peer(args, "/v3/maintenance/status"))
        if status is None or decide.version_of(status.version) < (3, 4):
            raise StepRefused("version", f"etcd {status.version if status else '?'} knows no learners (3.4 does)")
        listed = self.members(args)
        entry = entry_of(args["peer_urls"], listed)
        other = namesake(str(args["name"]), args["client_urls"], listed) if entry is None else None
        if other is not None:
            where = ", ".join(other.peer_urls)
            raise StepRefused(
                "namesake", f"etcd's list has {other.name} at {where}, and not at the manifest's peer URL"
            )
        change = decide.next_change(entry, str(args.get("readd") or ""))
        lines: list[str] = []
        if change.remove:
            lines.append(self._remove(args, change.remove))
        if change.add:
            lines.append(self._add(args))
        listed = self.members(args)
        entry = entry_of(args["peer_urls"], listed)
        if entry is None:
            return {"failed": True, "msg": f"the new member is not in the list of {args['peer']}", "lines": lines}
        result = _did(bool(lines), *(lines or [f"the new member {entry.id} is already in the list"]))
        cluster = decide.initial_cluster(listed, str(args["name"]), args["peer_urls"])
        return {**result, "member_id": entry.id, "initial_cluster": cluster}

    def _remove(self, args: dict[str, Any], member: str) -> str:
        # Without a quorum this call hangs, so its own limit ends it; the list says afterwards what really happened.
        answer = self.ask_peer(args, "/v3/cluster/member/remove", json.dumps({"ID": member}), 20)
        if any(m.id == member for m in self.members(args)):
            raise StepRefused("remove", f"member {member} could not be removed: {answer.error or answer.http}")
        return f"removed the lost member {member} from etcd's list"

    def _add(self, args: dict[str, Any]) -> str:
        body = json.dumps({"peerURLs": list(args["peer_urls"]), "isLearner": True})

        def attempt() -> str:
            if entry_of(args["peer_urls"], self.members(args)) is not None:
                return ""
            answer = self.ask_peer(args, "/v3/cluster/member/add", body, 15)
            return "" if answer.ok else answer.error or str(answer.http)

        why = wait(60, attempt)
        if why:
            raise PartFailed(
                f"waited 60 s for etcd to take the new member: {why}; run again, nothing has to be undone first"
            )
        return f"added {args['name']} to etcd's list as a learner"

    def _promote(self, args: dict[str, Any]) -> dict[str, Any]:
        entry = entry_of(args["peer_urls"], self.members(args))
        if entry is None:
            raise StepRefused("no_entry", f"the list of {args['peer']} has no entry for {', '.join(args['peer_urls'])}")
        if not entry.learner:
            return _did(False, f"{entry.name} has its vote already")
        member = entry.id
        why = wait(120, lambda: self._promoted(args, member))
        if why:
            return {
                "failed": True,
                "msg": f"waited 120 s for the new member {member} to be in sync with the leader: {why}",
            }
        return _did(True, f"{args['name']} is in sync and has its vote")

    def _promoted(self, args: dict[str, Any], member: str) -> str:
        body = json.dumps({"ID": member})
        answer = self.ask_peer(args, "/v3/cluster/member/promote", body, 10)
        if answer.ok:
            return ""
        listed = self.members(args)
        if any(m.id == member and not m.learner for m in listed):
            return ""
        status = gateway.status(self.ask_peer(args, "/v3/maintenance/status"))
        leader = next((m for m in listed if status and m.id == status.leader and m.client_urls), None)
        if "in sync" not in answer.error and leader is not None:
            again = self.ask(args, [leader.client_urls[0]], "/v3/cluster/member/promote", body, 10)[0]
            return "" if again.ok else again.error
        return answer.error or str(answer.http)

    def _prove(self, args: dict[str, Any]) -> dict[str, Any]:
        """The same list, the same data, and a value written and read back through the new member."""
        why = wait(60, lambda: self._differs(args))
        if why:
            return {"failed": True, "msg": f"waited 60 s for the members to agree: {why}"}
        why = self._canary(args)
        if why:
            return {"failed": True, "msg": f"a value could not be written and read back through {args['name']}: {why}"}
        return _did(False, f"all members agree; a value was written and read back through {args['name']}")

    def _differs(self, args: dict[str, Any]) -> str:
        listed = self.members(args)
        waiting = [m.name or m.id for m in listed if m.learner or not m.client_urls]
        if waiting:
            return f"not a voter yet: {', '.join(waiting)}"
        urls = [m.client_urls[0] for m in listed]
        states = [gateway.status(answer) for answer in self.ask(args, urls, "/v3/maintenance/status")]
        told = [s for s in states if s is not None]
        if len(told) < len(urls) and self._silent_is_new(args, listed, states):
            return f"{args['name']} does not answer"
        if len({s.cluster_id for s in told}) != 1:
            return "their cluster IDs differ"
        lowest = min(s.revision for s in told)
        body = json.dumps({"revision": str(lowest)})
        spoken = [url for url, state in zip(urls, states, strict=True) if state is not None]
        hashes = self.ask(args, spoken, "/v3/maintenance/hashkv", body, 20)
        if any(answer.http == 404 for answer in hashes):  # 3.4 has no such question in its gateway
            return "" if max(s.revision for s in told) - lowest < 1000 else "their revisions are far apart"
        found = {
            (str(a.data.get("hash")), str(a.data.get("compact_revision"))) if a.ok else ("?", a.error) for a in hashes
        }
        return "" if len(found) == 1 else f"their data at revision {lowest} differs: {sorted(found)}"

    def _silent_is_new(self, args: dict[str, Any], listed: tuple[Member, ...], states: list[Any]) -> bool:
        own = entry_of(args["peer_urls"], listed)
        return own is None or any(m.id == own.id and s is None for m, s in zip(listed, states, strict=True))

    def _canary(self, args: dict[str, Any]) -> str:
        entry = entry_of(args["peer_urls"], self.members(args))
        if entry is None or not entry.client_urls:
            return "it is not in the list"
        url = [entry.client_urls[0]]
        value = gateway.coded(self.spool.run_id)
        put = self.ask(args, url, "/v3/kv/put", json.dumps({"key": gateway.coded(CANARY), "value": value}), 8)[0]
        got = self.reads(args, [str(args["peer_endpoint"])])[0]
        own = self.reads(args, url)[0]
        self.ask(args, url, "/v3/kv/deleterange", json.dumps({"key": gateway.coded(CANARY)}), 8)
        if not put.ok:
            return put.error or str(put.http)
        read = [str(kv.get("value")) for answer in (got, own) for kv in answer.data.get("kvs") or ()]
        return "" if read == [value, value] else "it was not read back"

    def _strike(self, args: dict[str, Any]) -> dict[str, Any]:
        """Remove entries that no machine stands behind: only while nothing answers at their URLs and the rest is a quorum."""
        listed = [m for m in self.members(args) if m.id in set(args["ids"])]
        lines: list[str] = []
        for entry in listed:
            urls = [*entry.client_urls, *entry.peer_urls]
            # Only a refused or unanswered connection is silence; a broken handshake is somebody who is there.
            if any(not decide.silent(answer) for answer in self.ask(args, urls, "/health", limit=4)):
                raise StepRefused("alive", f"something answers at {', '.join(urls)}: member {entry.id} is no leftover")
            why = self._closed({**args, "peer_urls": list(entry.peer_urls)})
            if why:
                raise StepRefused("quorum", why)
            saved = self._snapshot(args)
            if saved.get("failed"):
                raise PartFailed(str(saved["msg"]))
            lines.append(self._remove(args, entry.id))
        return _did(bool(lines), *(lines or ["no such entry is in the list any more"]))


def _did(changed: bool, *lines: str) -> dict[str, Any]:
    return {"changed": changed, "lines": list(lines), "msg": "; ".join(lines)}
