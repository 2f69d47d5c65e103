"""Looks at a node: pipes the probe over SSH, parses the answer, leaves the facts in the run's spool."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._probe import assemble
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.delegation import aim
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import merge, observe, unreachable
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool

_OVERRIDES = {
    "KUBELET_CONFIG": "kuberevive_kubelet_config",
    "KUBELET_KUBECONFIG": "kuberevive_kubelet_kubeconfig",
    "MANIFESTS": "kuberevive_manifests_dir",
    "PKI": "kuberevive_pki_dir",
    "RUNTIME_SOCKET": "kuberevive_runtime_socket",
}


class ActionModule(ActionBase):
    """Read-only in every mode. An unreachable host is a fact of the result, never a failed task."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("sections", "host", "max_age"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Observe one node once."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        host = str(self._task.args.get("host") or variables.get("inventory_hostname", ""))
        asked = tuple(s for s in LAYERS if s in (self._task.args.get("sections") or LAYERS))
        spool = Spool.of_this_run()
        known = spool.node(host)
        if known is not None and self._fresh(known, asked, spool):
            node, size = known, 0
        else:
            aim(self._connection, self._task.delegate_to, variables)
            node, size = self._look(host, asked, variables)
            spool.put_node(merge(known, node))
        return {
            **result,
            "changed": False,
            "host": host,
            "reachable": node.reachable,
            "why": node.why,
            "complete": node.complete,
            "bytes": size,
            "sections": node.sections,
        }

    def _fresh(self, known: Node, asked: tuple[str, ...], spool: Spool) -> bool:
        """Whether the last look still serves: young enough, whole, and no step was taken since, on any node."""
        limit = float(self._task.args.get("max_age") or 0)
        if not limit or known.seen_at is None or not known.reachable:
            return False
        if any(known.sections.get(layer) != "ok" for layer in asked):
            return False
        age = (datetime.now(timezone.utc) - known.seen_at).total_seconds()
        changed = not self._task.check_mode and spool.step_since(known.seen_at)
        return 0 <= age <= limit and not changed

    def _look(self, host: str, asked: tuple[str, ...], variables: dict[str, Any]) -> tuple[Node, int]:
        groups = tuple(g for g in ("masters", "workers") if host in variables.get("groups", {}).get(g, []))
        script = assemble(asked, self._overrides(host, variables))
        sent = datetime.now(timezone.utc)
        try:
            answer = self._low_level_execute_command("/bin/sh -s", in_data=script.encode())
        except AnsibleError as error:  # connection and sudo failures alike
            return unreachable(host, groups, _first_line(error), datetime.now(timezone.utc)), 0
        received = datetime.now(timezone.utc)
        text = str(answer.get("stdout", ""))
        if answer.get("rc") and "@kuberevive" not in text:
            why = _first_line(answer.get("stderr") or text or f"the probe ended with rc {answer.get('rc')}")
            return unreachable(host, groups, why, received), len(text)
        return observe(host, groups, text, asked, sent, received), len(text)

    def _overrides(self, host: str, variables: dict[str, Any]) -> dict[str, str]:
        own = variables.get("hostvars", {}).get(host, variables)
        found: dict[str, str] = {}
        for key, name in _OVERRIDES.items():
            if own.get(name):
                found[key] = str(self._templar.template(own[name]))
        return found


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith("Warning:")]
    return " ".join(lines[:3]) or "no reason was given"
