"""Keeps an etcd member from being started before it is replaced."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/etcd_hold.py."""

    KIND = "etcd_hold"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Put the manifests aside."""
        return self.outcome(
            self.pipe("unit_hold.sh etcd_member.sh", {**dict(step.get("args") or {}), "do": "hold"}), step
        )
