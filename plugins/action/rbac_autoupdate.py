"""Lifts the protection of roles and bindings that lack a part, then restarts one kube-apiserver, which completes them."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/rbac_autoupdate.py."""

    KIND = "rbac_autoupdate"
    # One call: what was lifted is of no use without the restart.
    SCRIPTS = "api.sh admin.sh rbac_autoupdate.sh component_restart.sh"
