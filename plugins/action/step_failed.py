"""Keeps what went wrong in a layer for the report, so that the other nodes' repairs go on."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


class ActionModule(ActionBase):
    """Always ok: the end state, not this task, decides how the run ends."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("step", "result"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Record a failure that no step reported itself."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        step = dict(self._task.args.get("step") or {})
        failed = dict(self._task.args.get("result") or {})
        host = str((task_vars or {}).get("inventory_hostname", ""))
        message = str(failed.get("msg") or "failed without a message")
        if "kuberevive" not in failed:
            Spool.of_this_run().add_step(
                {
                    "kind": str(step.get("kind", "?")),
                    "host": host,
                    "title": str(step.get("title", "a repair")),
                    "codes": step.get("codes", []),
                    "state": "failed",
                    "lines": [],
                    "backup": "",
                    "msg": message,
                }
            )
        return {**result, "changed": False, "msg": message}
