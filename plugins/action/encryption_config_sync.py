"""Gives one API server the configuration that is proven to open every record, and restarts it."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import courier
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import Candidate
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_step import EncryptionStep
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepRefused

__all__ = ["ActionModule"]

_PARTS = ("fetch", "install")


class ActionModule(EncryptionStep):
    """See plugins/modules/encryption_config_sync.py."""

    KIND = "encryption_config_sync"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """In check mode the last part speaks for the whole step."""
        if self._task.check_mode and self._task.args.get("do") != "install":
            return {"changed": False, "msg": "nothing is fetched in check mode"}
        return super().run(tmp, task_vars)

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """The last part, or the one that failed."""
        return bool(outcome.get("failed")) or self._task.args.get("do") == "install"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One part; the configuration passes from the first to the second in this process's memory."""
        part = str(self._task.args.get("do") or "")
        if part not in _PARTS:
            raise AnsibleError(f"encryption_config_sync: do must be one of {', '.join(_PARTS)}, not {part!r}")
        args = dict(step.get("args") or {})
        proven = from_plain(Candidate, dict(args.pop("proven")))
        try:
            if part == "fetch":
                self.fetch(proven.host, proven.path)
                return {"changed": False, "msg": "fetched"}  # and nothing of what came
            content = self._proven(proven)
        except courier.CourierError as error:
            raise StepRefused("not_fetched", f"the configuration of {proven.host}: {error}") from None
        return self.put(args, "the encryption configuration that opens the records", content, step)

    def _proven(self, proven: Candidate) -> bytes:
        """Its content, as long as it still says what was proven."""
        holder = courier.here()
        now = next((c for c in holder.candidates() if (c.host, c.path) == (proven.host, proven.path)), None)
        if now is None or now.rules != proven.rules:
            raise StepRefused("changed", f"{proven.path} of {proven.host} is no longer what was proven: look again")
        return holder.content(proven.host, proven.path)
