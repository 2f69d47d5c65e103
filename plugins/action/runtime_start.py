"""Starts the container runtime."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/runtime_start.py."""

    KIND = "runtime_start"
    SCRIPTS = "runtime_lib.sh runtime_start.sh"  # how a runtime is started is shared
