"""Renews certificates of one master."""

from __future__ import annotations

import time
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase, StepRefused

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/certs_renew.py."""

    KIND = "certs_renew"
    SCRIPTS = "api.sh x509.sh certs_living.sh certs_renew.sh"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """The node compares its clock with the controller's before it signs anything. On a living cluster the first failure is the last."""
        args = {**dict(step.get("args") or {}), "now": int(time.time())}
        failed = [s["host"] for s in self.spool.steps() if s["kind"] == self.KIND and s["state"] == "failed"]
        if args["living"] and failed:
            raise StepRefused(
                "stopped", f"the renewal of {failed[0]} failed, so the certificates here are left as they are"
            )
        return self.outcome(self.pipe(self.SCRIPTS, args), step)
