"""Checks the inventory and the run's own variables before any node is touched."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible.release import __version__ as core_version

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.preflight import problems


class ActionModule(ActionBase):
    """Fails with one sentence for each problem."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("allow",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Touches no node."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        groups = (task_vars or {}).get("groups", {})
        found = problems(groups, self._task.args.get("allow", []), core_version)
        if found:
            return {**result, "failed": True, "problems": found, "msg": "Nothing was done: " + "; ".join(found)}
        return {**result, "changed": False, "problems": []}
