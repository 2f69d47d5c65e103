"""Restarts one kube-apiserver, which makes the roles and bindings that every cluster is born with."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_bootstrap.py."""

    KIND = "rbac_bootstrap"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """It asks the node's own services, hence api.sh."""
        return self.outcome(self.pipe("api.sh component_restart.sh", dict(step.get("args") or {})), step)
