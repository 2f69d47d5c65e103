"""Brings back manifests that were put aside on a node whose etcd data is good."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/etcd_release.py."""

    KIND = "etcd_release"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Put the manifests back."""
        return self.outcome(
            self.pipe("unit_hold.sh etcd_member.sh", {**dict(step.get("args") or {}), "do": "release"}), step
        )
