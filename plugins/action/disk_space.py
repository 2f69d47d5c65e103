"""Frees space on a full disk."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/disk_space.py."""

    KIND = "disk_space"
    SCRIPTS = "ladder.sh disk_space.sh"  # the ladder is the one the probe showed
