"""Frees space on a full disk."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/disk_space.py."""

    KIND = "disk_space"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The ladder is the one the probe showed."""
        return self.outcome(self.pipe("ladder.sh disk_space.sh", dict(step.get("args") or {})), step)
