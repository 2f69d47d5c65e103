"""Refreshes copies of admin.conf."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubeconfig_refresh.py."""

    KIND = "kubeconfig_refresh"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One piece of sh, with the words about certificates in front."""
        return self.outcome(self.pipe("x509.sh kubeconfig_refresh.sh", dict(step.get("args") or {})), step)
