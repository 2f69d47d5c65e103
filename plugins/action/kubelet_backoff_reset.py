"""Restarts kubelet, which ends CrashLoopBackOff."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_backoff_reset.py."""

    KIND = "kubelet_backoff_reset"
    SCRIPTS = "api.sh kubelet_backoff_reset.sh"  # it asks the node's own services, hence api.sh
