"""Restarts components of the control plane, static pods or units: properly ended, started again, proven to serve."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/component_restart.py."""

    KIND = "component_restart"
    SCRIPTS = "api.sh component_restart.sh"  # it asks the node's own services, hence api.sh
