"""Approves a kubelet's request for a serving certificate: asked and judged, approved as judged, proven on the node."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import ServingRequest, read_request
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.serving_request import (
    Expected,
    approval,
    newest_right,
    objection,
    requests_of,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer, StepBase, StepRefused

__all__ = ["ActionModule"]

_PATIENCE = 60  # seconds in which a kubelet that started asks


class ActionModule(StepBase):
    """See plugins/modules/kubelet_serving_approve.py."""

    KIND = "kubelet_serving_approve"

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """In check mode the last part speaks for all."""
        if self._task.check_mode and self._task.args.get("part") != "prove":
            return {"changed": False, "msg": "nothing is asked for in check mode"}
        return super().run(tmp, task_vars)

    def is_reported(self, outcome: dict[str, Any]) -> bool:
        """The last part, or the one that failed."""
        return bool(outcome.get("failed")) or self._task.args.get("part") == "prove"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """One part."""
        args = dict(step.get("args") or {})
        part = str(self._task.args.get("part"))
        if part == "ask":
            return self._ask(step, args)
        if part == "restart":
            return self.outcome(self.pipe("kubelet_lib.sh kubelet_serving_restart.sh", _args_of(args)), step)
        line = base64.b64decode(str(self._task.args.get("request") or "")).decode()
        api = str(self._task.args.get("api") or "v1")
        request = read_request(line, api)
        if request is None:
            raise AnsibleError("kubelet_serving_approve: part ask has chosen no request")
        if part == "approve":
            return self._approve(step, args, request, line)
        if part != "prove":
            raise AnsibleError(f"kubelet_serving_approve: part must be ask, restart, approve or prove, not {part!r}")
        result = self.outcome(
            self.pipe("kubelet_lib.sh kubelet_serving_prove.sh", {**_args_of(args), "public": _public(request)}), step
        )
        # This part stands for the step in the report.
        result["lines"] = [*(str(each) for each in self._task.args.get("did") or ()), *result["lines"]]
        result["changed"] = True
        if not result.get("failed"):
            result["msg"] = "; ".join(result["lines"])
        return result

    def _ask(self, step: dict[str, Any], args: dict[str, Any]) -> dict[str, Any]:
        """Which request to approve, or that the kubelet waits for none (that is an answer the first time only)."""
        seen = [str(name) for name in self._task.args.get("seen") or ()]
        again = bool(self._task.args.get("again"))
        until = time.monotonic() + (_PATIENCE if again else 0)
        while True:
            answer = self.pipe(
                "api.sh admin.sh kubelet_serving_ask.sh", {**args["api"], "node_name": args["node_name"]}
            )
            result = self.outcome(answer, step)
            if result.get("failed"):
                return result
            result.pop("values", None)
            chosen, why = _choice(answer, args, again, seen)
            result.update(chosen)
            if not result["missing"] or not again:
                return result
            if time.monotonic() > until:
                raise StepRefused(
                    "request", f"waited {_PATIENCE} s for a request of {args['node_name']} that may be approved: {why}"
                )
            time.sleep(2)

    def _approve(
        self, step: dict[str, Any], args: dict[str, Any], request: ServingRequest, line: str
    ) -> dict[str, Any]:
        why = objection(request, _expected(args))  # what goes to the API server is judged where it is sent
        if why:
            raise StepRefused("request", f"{request.name}: {why}")
        names = x509.load_pem_x509_csr(request.pem.encode()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        sent = {
            **args["api"],
            "name": request.name,
            "version": request.api,
            "body": json.dumps(approval(line, request.api, self.spool.run_id)),
            "what": f"system:node:{args['node_name']} with {', '.join(str(name.value) for name in names.value)}",
        }
        return self.outcome(self.pipe("api.sh admin.sh kubelet_serving_approve.sh", sent), step)


def _args_of(args: dict[str, Any]) -> dict[str, Any]:
    """What the node's own parts need; nothing of the API server."""
    return {name: value for name, value in args.items() if name != "api"}


def _expected(args: dict[str, Any]) -> Expected:
    return Expected(str(args["node_name"]), tuple(args["names"]), tuple(args["addresses"]))


def _choice(answer: Answer, args: dict[str, Any], again: bool, seen: list[str]) -> tuple[dict[str, Any], str]:
    """What part ask returns, and why nothing was chosen."""
    api = answer.values.get("api", "v1")
    coded = {k: base64.b64decode(v).decode() for k, v in answer.values.items() if k.startswith("request_")}
    read = {line: read_request(line, api) for line in coded.values()}
    requests = [r for r in read.values() if r is not None]
    began = datetime.fromtimestamp(int(args["began"]), timezone.utc) if args.get("began") and not again else None
    chosen = newest_right(requests, _expected(args), began, datetime.now(timezone.utc), seen)
    line = next((line for line, request in read.items() if chosen is not None and request == chosen), "")
    new = [r for r in requests_of(str(args["node_name"]), requests) if r.name not in seen]
    why = "; ".join(f"{r.name}: {objection(r, _expected(args)) or 'too old'}" for r in new) or "it made none"
    packed = base64.b64encode(line.encode()).decode()
    return {"request": packed, "missing": not line, "api": api, "seen": [r.name for r in requests]}, why


def _public(request: ServingRequest) -> str:
    key = x509.load_pem_x509_csr(request.pem.encode()).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
