"""Writes the kubelet's configuration again."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_config.py."""

    KIND = "kubelet_config"
    SCRIPTS = "kubelet_lib.sh kubelet_config.sh"  # with what the repairs of the kubelet share
