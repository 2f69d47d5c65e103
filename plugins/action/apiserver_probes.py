"""Lets kubelet's probes ask kube-apiserver again, and kubeadm remember how."""

from __future__ import annotations

import base64
import json
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.manifest_edit import (
    ManifestError,
    edit_cluster_configuration,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import StepBase

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/apiserver_probes.py."""

    KIND = "apiserver_probes"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """First this node's manifest; when its API server is ready again, what kubeadm keeps in the cluster."""
        args = dict(step.get("args") or {})
        kubeadm = dict(args.pop("kubeadm", {}))
        done = self.outcome(self.pipe("api.sh apiserver_probes.sh", args), step)
        if done.get("failed") or not (kubeadm.get("remove") or kubeadm.get("add")):
            return done
        kept = self._remember(args, kubeadm, step)
        lines = [*done["lines"], *kept.get("lines", [])]
        changed = done["changed"] or kept.get("changed", False)
        backup = kept.get("backup") or done.get("backup", "")
        return {**kept, "changed": changed, "lines": lines, "backup": backup, "msg": kept.get("msg") or done["msg"]}

    def _remember(self, args: dict[str, Any], kubeadm: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
        told = self.pipe("api.sh admin.sh kubeadm_config_get.sh", args)
        text = told.values.pop("config", "")
        if not text:
            return self.outcome(told, step)
        config_map = json.loads(base64.b64decode(text))
        old = str(config_map.get("data", {}).get("ClusterConfiguration", ""))
        try:
            new = edit_cluster_configuration(old, tuple(kubeadm["remove"]), dict(kubeadm["add"]), kubeadm["mount"])
        except ManifestError as error:
            return {"lines": [f"ClusterConfiguration in kubeadm-config was left as it is: {error}"], "changed": False}
        if new == edit_cluster_configuration(old):
            return {"lines": [], "changed": False}
        version = config_map["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "data": {"ClusterConfiguration": new}}
        put = {**args, "body": base64.b64encode(json.dumps(body).encode()).decode(), "was": text}
        return self.outcome(self.pipe("api.sh admin.sh kubeadm_config_put.sh", put), step)
