"""Writes the kubelet's kubeconfig again."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_kubeconfig.py."""

    KIND = "kubelet_kubeconfig"
    SCRIPTS = "kubelet_lib.sh kubelet_kubeconfig.sh"  # with what the repairs of the kubelet share
