"""Waits until what was repaired has settled, and proves that it can be written and read. Changes nothing that stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.heartbeats import names_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import asking_args, own_url
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer, StepBase

__all__ = ["ActionModule"]

_MARGIN = 2  # curl's own limits may lengthen the last look


class ActionModule(StepBase):
    """See plugins/modules/settle.py."""

    KIND = "settle"
    _VALID_ARGS = frozenset(("seconds", "canary", "leaders"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Wait on this node; what it still waits for is a result, not a failure: the last look judges it."""
        variables = task_vars or {}
        self.spool = Spool.of_this_run()
        self.host = str(variables.get("inventory_hostname", ""))
        seconds = int(self._task.args.get("seconds", 240))
        node = self.spool.node(self.host)
        if self._task.check_mode or node is None or not node.reachable:
            why = (
                "nothing was changed, so nothing has to settle" if self._task.check_mode else "the node is not reached"
            )
            return {"changed": False, "settled": False, "waits": why, "msg": why}
        groups = variables.get("groups", {})
        names = [*groups.get("masters", []), *groups.get("workers", [])]
        args = _args(node, [n for name in names if (n := self.spool.node(name)) is not None], seconds)
        args["canary"] = f"kuberevive-canary-{names_of(node)[0].lower()}" if self._wants("canary", False) else ""
        args["leaders"] = self._wants("leaders", True)
        first = next(
            (n for n in groups.get("masters", []) if (m := self.spool.node(n)) is not None and m.reachable), ""
        )
        args["works"] = "yes" if args["leaders"] and self.host == first else ""  # once is enough
        try:
            answer = self.pipe("api.sh settle.sh", args)
        except (AnsibleConnectionFailure, AnsibleError) as error:
            return {"changed": False, "settled": False, "waits": f"contact was lost: {error}", "msg": str(error)}
        return self._told(answer)

    def _wants(self, option: str, default: bool) -> bool:
        wanted = self._task.args.get(option, default)
        return wanted if isinstance(wanted, bool) else str(wanted).lower() in ("true", "yes", "1")

    def _told(self, answer: Answer) -> dict[str, Any]:
        took = int(answer.values.get("took", "0"))
        waits = answer.values.get("waits", "")
        canary = answer.values.get("canary", "")
        if not answer.done:
            waits = " / ".join(answer.rest[-3:]) or f"the node's answer was cut off (rc {answer.rc})"
        self.spool.put_proof(self.host, canary)
        msg = f"still waits for {waits} after {took} s" if waits else f"settled after {took} s"
        if canary:
            msg += f"; canary write, read and delete: {canary}"
        return {"changed": False, "settled": not waits, "waits": waits, "took": took, "canary": canary, "msg": msg}


def _args(node: Node, nodes: list[Node], seconds: int) -> dict[str, Any]:
    api = node.apiserver if node.is_master and node.apiserver is not None and node.apiserver.present else None
    where = f"{node.kubelet.manifests.rpartition('/')[0]}" if node.kubelet else "/etc/kubernetes"
    told = api.encryption if api is not None else None
    return {
        "covered": list(dict.fromkeys(_plain(name) for rule in told.rules for name in rule.resources)) if told else [],
        "peers": [own_url(n.apiserver) for n in nodes if told and n.name != node.name and n.apiserver and _serves(n)],
        "seconds": max(0, seconds - _MARGIN),
        "healthz": node.kubelet.healthz_at if node.kubelet else "",
        **asking_args(replace(node, apiserver=api)),
        "confs": [f"{where}/admin.conf", f"{where}/super-admin.conf"],
        "nodes": [_object_name(n, nodes) for n in nodes if n.reachable],
    }


def _plain(resource: str) -> str:
    """Of a wildcard the one resource that it is mostly there for."""
    return "secrets" if "*" in resource else resource


def _serves(node: Node) -> bool:
    return node.reachable and node.is_master and node.apiserver is not None and node.apiserver.listening


def _object_name(node: Node, nodes: list[Node]) -> str:
    """The name under which any master knows it, else the likeliest."""
    known = {x.name for n in nodes if n.controllers is not None for x in n.controllers.nodes}
    names = names_of(node)
    return next((name for name in names if name in known), names[0])
