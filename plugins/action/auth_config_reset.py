"""Takes a broken extension-apiserver-authentication away, so that kube-apiserver makes it anew."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/auth_config_reset.py."""

    KIND = "auth_config_reset"
    SCRIPTS = "api.sh admin.sh auth_config_reset.sh"  # as an administrator of the node's own kube-apiserver
