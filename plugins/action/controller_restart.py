"""Restarts kube-controller-manager and kube-scheduler that do not read their renewed kubeconfigs."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/controller_restart.py."""

    KIND = "controller_restart"
    SCRIPTS = "api.sh component_restart.sh"  # it asks the node's own services, hence api.sh
