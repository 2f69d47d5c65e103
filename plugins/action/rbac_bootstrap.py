"""Restarts one kube-apiserver, which makes the roles and bindings that every cluster is born with."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_bootstrap.py."""

    KIND = "rbac_bootstrap"
    SCRIPTS = "api.sh component_restart.sh"  # it asks the node's own services, hence api.sh
