"""The workload, and the proof that its data was kept."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from kr_lab.cluster import kubectl
from kr_lab.host import LAB_DIR, LabError
from kr_lab.state import Lab

__all__ = ["NAMESPACES", "apply_workload", "fingerprint", "snapshot_data"]

NAMESPACES = ("shop", "bank")
_KINDS = "secrets,configmaps,services,deployments.apps"
_RIGHTS = (
    ("clusterrole,clusterrolebinding", "shop-auditor", ()),
    ("role,rolebinding", "kubeadm-watcher", ("-n", "kube-system")),
)
_NO_BACKEND = "Unable to connect to the server"


def apply_workload(lab: Lab) -> None:
    """Put the objects of ``workload.yaml`` there and wait until its pods run."""
    kubectl(lab, "apply", "-f", "-", stdin=(LAB_DIR / "workload.yaml").read_text(encoding="utf-8"))
    kubectl(lab, "wait", "deployment", "--all", "-A", "--for=condition=Available", "--timeout=120s", timeout=150)


def fingerprint(item: dict[str, Any]) -> dict[str, str]:
    """UID and a hash over what a person put into the object; the rest changes by itself."""
    if item["kind"] in ("Secret", "ConfigMap"):
        content = {"type": item.get("type"), "data": item.get("data"), "binaryData": item.get("binaryData")}
    else:
        content = {key: item[key] for key in ("spec", "rules", "roleRef", "subjects") if key in item}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return {"uid": item["metadata"]["uid"], "sha256": hashlib.sha256(text.encode()).hexdigest()}


def snapshot_data(lab: Lab) -> dict[str, dict[str, str]]:
    """``kind/namespace/name`` → UID and content hash, for everything in the workload's namespaces, and its roles and bindings."""
    snapshot = {}
    for kinds, name, where in _RIGHTS:
        for kind in kinds.split(","):
            item = _read(lab, kind, name, *where)
            snapshot[f"{item['kind']}/{item['metadata'].get('namespace', '')}/{name}"] = fingerprint(item)
    for space in NAMESPACES:
        items = [_read(lab, "namespace", space), *_read(lab, _KINDS, "-n", space)["items"]]
        for item in items:
            snapshot[f"{item['kind']}/{space}/{item['metadata']['name']}"] = fingerprint(item)
    return dict(sorted(snapshot.items()))


def _read(lab: Lab, *words: str, seconds: float = 60) -> Any:
    """``kubectl get … -o json``; on a busy machine the load balancer may be without a ready apiserver for a moment."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return json.loads(kubectl(lab, "get", *words, "-o", "json"))
        except LabError as error:
            if _NO_BACKEND not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.5)
