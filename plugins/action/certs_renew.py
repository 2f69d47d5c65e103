"""Renews certificates of one master."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/certs_renew.py."""

    KIND = "certs_renew"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The node compares its clock with the controller's before it signs anything."""
        args = {**dict(step.get("args") or {}), "now": int(time.time())}
        return self.outcome(self.pipe("x509.sh certs_renew.sh", args), step)
