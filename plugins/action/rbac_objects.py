"""Makes roles, bindings and ConfigMaps that kubeadm once made."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_objects.py."""

    KIND = "rbac_objects"
    SCRIPTS = "api.sh admin.sh rbac_objects.sh"  # as an administrator of the node's own kube-apiserver
