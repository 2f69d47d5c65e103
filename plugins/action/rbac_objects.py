"""Makes roles, bindings and ConfigMaps that kubeadm once made."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_objects.py."""

    KIND = "rbac_objects"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """As an administrator of the node's own kube-apiserver."""
        return self.outcome(self.pipe("api.sh admin.sh rbac_objects.sh", dict(step.get("args") or {})), step)
