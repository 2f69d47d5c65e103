"""Puts the container runtime's configuration back from a healthy peer."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/runtime_config.py."""

    KIND = "runtime_config"
    SCRIPTS = "runtime_lib.sh runtime_config.sh"  # how a runtime is started is shared
