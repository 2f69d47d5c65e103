"""Moves broken state files of the kubelet away."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_checkpoint.py."""

    KIND = "kubelet_checkpoint"
    SCRIPTS = "kubelet_lib.sh kubelet_checkpoint.sh"  # with what the repairs of the kubelet share
