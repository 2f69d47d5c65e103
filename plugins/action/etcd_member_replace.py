"""The parts of a member's replacement that happen on its own node."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_step import EtcdStep

__all__ = ["ActionModule"]

_PARTS = ("start", "finish")


class ActionModule(EtcdStep):
    """See plugins/modules/etcd_member_replace.py."""

    KIND = "etcd_member_replace"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """In check mode the first part speaks for the whole step."""
        if self._task.check_mode and self._task.args.get("do") != "start":
            return {"changed": False, "msg": "part of the same step"}
        return super().run(tmp, task_vars)

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do one part."""
        self.refuse_many(task_vars)
        part = str(self._task.args.get("do") or "")
        if part not in _PARTS:
            raise AnsibleError(f"etcd_member_replace: do must be one of {', '.join(_PARTS)}, not {part!r}")
        args = {**self.args(step), "do": part}
        for name in ("member_id", "initial_cluster"):
            args[name] = str(self._task.args.get(name) or "")
        if part == "start" and not (args["member_id"] and args["initial_cluster"]):
            raise AnsibleError("etcd_member_replace: start needs member_id and initial_cluster from etcd_peer")
        return self.outcome(self.pipe("unit_hold.sh etcd_member.sh", args), step)
