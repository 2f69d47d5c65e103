"""Takes a broken extension-apiserver-authentication away, so that kube-apiserver makes it anew."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/auth_config_reset.py."""

    KIND = "auth_config_reset"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """As an administrator of the node's own kube-apiserver."""
        return self.outcome(self.pipe("api.sh admin.sh auth_config_reset.sh", dict(step.get("args") or {})), step)
