"""What a fresh cluster of a version holds before anybody used it: the data the product compares a broken cluster with."""

from __future__ import annotations

import json
from typing import Any

from kr_lab.cluster import kubectl
from kr_lab.host import LabError
from kr_lab.state import Lab

__all__ = ["birth_objects", "render"]

_KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_BOOTSTRAP = "kubernetes.io/bootstrapping"
# Made by kubeadm's own phases, not by its add-ons. Up to 1.23 one name ends in the version.
_PASSING = "kubeadm:kubeadm-certs"  # only of use for two hours after an upload of certificates, which makes it anew
_CONFIG_MAPS = ("kube-public/cluster-info", "kube-system/kubeadm-config", "kube-system/kubelet-config")


def birth_objects(lab: Lab) -> dict[str, Any]:
    """Roles and bindings that a starting kube-apiserver makes (it labels them), and what kubeadm makes to last beside them."""
    found: dict[str, Any] = {
        "version": lab.kubernetes,
        "bootstrap": {kind: {} for kind in _KINDS},
        "kubeadm": {kind: {} for kind in _KINDS},
    }
    for item in json.loads(kubectl(lab, "get", ",".join(_KINDS), "-A", "-o", "json"))["items"]:
        labels = item["metadata"].get("labels", {})
        if labels.get(_BOOTSTRAP) == "rbac-defaults":
            found["bootstrap"][item["kind"]][_name(item)] = _meaning(item)
        elif item["metadata"]["name"].startswith("kubeadm:") and item["metadata"]["name"] != _PASSING:
            found["kubeadm"][item["kind"]][_name(item)] = _meaning(item)
    names = {_name(item) for item in json.loads(kubectl(lab, "get", "configmaps", "-A", "-o", "json"))["items"]}
    found["kubeadm"]["ConfigMap"] = {name: {} for name in sorted(names) if name.startswith(_CONFIG_MAPS)}
    if not all(found["bootstrap"].values()):
        raise LabError(f"lab '{lab.name}' lacks bootstrap objects: take a fresh one")
    return found


def _name(item: dict[str, Any]) -> str:
    meta = item["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])


def _meaning(item: dict[str, Any]) -> dict[str, Any]:
    """What is compared. The rules of an aggregated role are filled in by the controller-manager, from others."""
    keys = ("aggregationRule",) if item.get("aggregationRule") else ("rules",)
    return {key: item[key] for key in (*keys, "roleRef", "subjects") if item.get(key)}


def render(objects: dict[str, Any]) -> str:
    """As JSON with one object a line, so that a difference between versions can be read."""
    parts = [f'"version": {json.dumps(objects["version"])}']
    for origin in ("bootstrap", "kubeadm"):
        kinds = []
        for kind, items in sorted(objects[origin].items()):
            lines = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(items[name], sort_keys=True, separators=(',', ':'))}"
                for name in sorted(items)
            )
            kinds.append(f' "{kind}": {{\n{lines}\n }}' if items else f' "{kind}": {{}}')
        parts.append(f'"{origin}": {{\n' + ",\n".join(kinds) + "\n}")
    return "{" + ",\n".join(parts) + "}\n"
