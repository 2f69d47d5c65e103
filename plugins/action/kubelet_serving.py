"""Lets a kubelet sign itself a new serving certificate."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_serving.py."""

    KIND = "kubelet_serving"
    SCRIPTS = "kubelet_lib.sh kubelet_serving.sh"  # with what the repairs of the kubelet share
