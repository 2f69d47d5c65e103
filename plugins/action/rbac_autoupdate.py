"""Lifts the protection of roles and bindings that lack a part, then restarts one kube-apiserver, which completes them."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_autoupdate.py."""

    KIND = "rbac_autoupdate"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Two parts in one call: what was lifted is of no use without the restart."""
        return self.outcome(
            self.pipe("api.sh admin.sh rbac_autoupdate.sh component_restart.sh", dict(step.get("args") or {})), step
        )
