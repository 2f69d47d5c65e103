"""Gives a kubelet a certificate of its own: asked for on the node, signed on a master, put in place on the node."""

from __future__ import annotations

from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubelet_credential.py."""

    KIND = "kubelet_credential"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The parts before the last change nothing that lasts, so check mode has nothing to say of them."""
        if self._task.check_mode and self._task.args.get("part") != "install":
            return {"changed": False, "msg": "nothing is asked for in check mode"}
        return super().run(tmp, task_vars)

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """The last part, or the one that failed."""
        return bool(outcome.get("failed")) or self._task.args.get("part") == "install"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One part. Only the request and the certificate travel between the parts, both public."""
        part = str(self._task.args.get("part"))
        args = {"cert": "", **dict(step.get("args") or {})}
        for name in ("csr", "now", "cert"):
            if self._task.args.get(name):
                args[name] = str(self._task.args[name])
        shared = "kubelet_lib.sh " if part != "sign" else ""
        return self.outcome(self.pipe(f"{shared}kubelet_credential_{part}.sh", args), step)
