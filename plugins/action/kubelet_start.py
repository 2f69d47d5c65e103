"""Enables and starts the kubelet."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_start.py."""

    KIND = "kubelet_start"
    SCRIPTS = "kubelet_lib.sh kubelet_start.sh"  # with what the repairs of the kubelet share
