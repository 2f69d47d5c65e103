"""Moves cluster-admin credentials out of the kubelet's files."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_admin_credential.py."""

    KIND = "kubelet_admin_credential"
    SCRIPTS = "kubelet_lib.sh kubelet_admin_credential.sh"  # with what the repairs of the kubelet share
