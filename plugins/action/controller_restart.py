"""Restarts kube-controller-manager and kube-scheduler that do not read their renewed kubeconfigs."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/controller_restart.py."""

    KIND = "controller_restart"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """It asks the node's own services, hence api.sh."""
        return self.outcome(self.pipe("api.sh component_restart.sh", dict(step.get("args") or {})), step)
