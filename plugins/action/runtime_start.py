"""Starts the container runtime."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/runtime_start.py."""

    KIND = "runtime_start"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """How a runtime is started is shared."""
        return self.outcome(self.pipe("runtime_lib.sh runtime_start.sh", dict(step.get("args") or {})), step)
