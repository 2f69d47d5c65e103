"""Enables and starts the kubelet."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_start.py."""

    KIND = "kubelet_start"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """With what the repairs of the kubelet share."""
        return self.outcome(self.pipe(f"kubelet_lib.sh {self.KIND}.sh", dict(step.get("args") or {})), step)
