"""Refreshes copies of admin.conf."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubeconfig_refresh.py."""

    KIND = "kubeconfig_refresh"
    SCRIPTS = "x509.sh kubeconfig_refresh.sh"  # one piece of sh, with the words about certificates in front
