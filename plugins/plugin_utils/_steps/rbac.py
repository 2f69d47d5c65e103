"""Repairs of layer rbac: when they can be taken and what they would change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import asking_args, restart_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.birth import Meaning
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.rbac_view import some, view

_GROUP = "rbac.authorization.k8s.io"
_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}
_SILENT = "no kube-apiserver listens here: one that starts makes what every cluster is born with; looked at again then"
_KUBEADM_MANIFESTS = "/etc/kubernetes/manifests"  # kubeadm knows no other
_INFO = "kube-public/cluster-info"


def _path(key: str) -> str:
    """Where the API has it: collection and name."""
    kind, _, name = key.partition(" ")
    namespace, slash, own = name.rpartition("/")
    root = "/api/v1" if kind == "ConfigMap" else f"/apis/{_GROUP}/v1"
    return f"{root}{f'/namespaces/{namespace}' if slash else ''}/{_PLURALS.get(kind, 'configmaps')}/{own}"


def _body(key: str, meaning: Meaning) -> str:
    kind, _, name = key.partition(" ")
    namespace, slash, own = name.rpartition("/")
    meta = {"name": own, **({"namespace": namespace} if slash else {})}
    return json.dumps({"apiVersion": f"{_GROUP}/v1", "kind": kind, "metadata": meta, **meaning})


def _asked(node: Node) -> dict[str, Any] | str:
    """How an administrator asks this node's own kube-apiserver, or why nobody can."""
    api, pki = node.apiserver, node.pki
    if api is None or not api.listening:
        return _SILENT
    ca = pki.cert("ca") if pki else None
    return {
        **asking_args(node),
        "conf_dir": pki.conf_dir if pki else "/etc/kubernetes",
        "ca_key": ca.key_path if ca and ca.key_state == "ok" else "",
    }


def _plan_bootstrap(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    api = node.apiserver
    if api is None or not api.listening:
        return Refused(_SILENT)
    args = restart_args(node, ("kube-apiserver",))
    if isinstance(args, str):
        return Refused(args)
    others = [m for m in cluster.masters if m.name != node.name and m.apiserver is not None and m.apiserver.listening]
    gap = "" if others else " (no other serves meanwhile)"
    return Planned(f"restart one kube-apiserver, which makes what every cluster is born with{gap}", args)


def _plan_autoupdate(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    seen, args = view(cluster), _asked(node)
    if isinstance(seen, str) or isinstance(args, str):
        return Refused(seen if isinstance(seen, str) else str(args))
    keys = tuple(key for key, lacks in seen.protected.items() if lacks)
    again = _plan_bootstrap(node, cluster, findings)
    if isinstance(again, Refused):
        return again
    args.update(again.args, paths=[_path(key) for key in keys])
    return Planned(
        f"lift the protection of {', '.join(keys)} and restart one kube-apiserver, which completes them", args
    )


def _plan_objects(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    seen, args = view(cluster), _asked(node)
    if isinstance(seen, str) or isinstance(args, str):
        return Refused(seen if isinstance(seen, str) else str(args))
    keys = [key for key in seen.kubeadm if not key.startswith("ConfigMap ")]
    maps = [key.partition(" ")[2] for key in seen.kubeadm if key.startswith("ConfigMap ")]
    kubelet_map = next((name.partition("/")[2] for name in maps if name != _INFO), "")
    args.update(
        paths=[_path(key).rpartition("/")[0] for key in keys],
        bodies=[_body(key, seen.birth.kubeadm[key]) for key in keys],
        info="yes" if _INFO in maps else "",
        kubelet_map=kubelet_map,
        kubelet_config=node.kubelet.config.path if node.kubelet and node.kubelet.config else "",
    )
    names = tuple(dict.fromkeys(key.partition(" ")[2] for key in seen.kubeadm))
    return Planned(f"make again what kubeadm made: {some(names)}", args)


def _plan_auth_config(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    args = _asked(node)
    if isinstance(args, str):
        return Refused(args)
    return Planned("take extension-apiserver-authentication away, so that kube-apiserver makes it anew", args)


def _plan_kubeadm_config(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    args = _asked(node)
    if isinstance(args, str):
        return Refused(args)
    api, served = node.apiserver, node.pki.cert("apiserver") if node.pki else None
    if api is None or api.manifest is None or api.manifest.path != f"{_KUBEADM_MANIFESTS}/kube-apiserver.yaml":
        return Refused(f"its control plane does not run from {_KUBEADM_MANIFESTS}, so it is not kubeadm's to generate")
    args.update(
        manifests=_KUBEADM_MANIFESTS,
        names=[name.partition(":")[2] for name in served.sans] if served else [],
        kubelet_config=node.kubelet.config.path if node.kubelet and node.kubelet.config else "",
        unlike=_unlike(node, cluster),
    )
    return Planned("make kubeadm-config again from what runs here, if kubeadm generates the same from it", args)


def _unlike(node: Node, cluster: Cluster) -> list[str]:
    """ "m2 --audit-log-path": flags that another master's kube-apiserver has otherwise, but for its own address."""
    found = []
    for other in cluster.masters:
        if other is node or other.apiserver is None or not other.apiserver.flags or node.apiserver is None:
            continue
        differing = set(node.apiserver.flags) ^ set(other.apiserver.flags)
        names = {flag.lstrip("-").partition("=")[0] for flag in differing} - {"advertise-address"}
        found += [f"{other.name} --{name}" for name in sorted(names)]
    return found


def _mends(kind: str) -> Callable[[Node, Mapping[str, Any]], Node]:
    def effect(node: Node, args: Mapping[str, Any]) -> Node:
        return node if node.rbac is None else replace(node, rbac=replace(node.rbac, mended=(*node.rbac.mended, kind)))

    return effect


register(StepKind("rbac_autoupdate", "rbac", 10, _plan_autoupdate, _mends("rbac_autoupdate")))
register(StepKind("rbac_bootstrap", "rbac", 20, _plan_bootstrap, _mends("rbac_bootstrap")))
register(StepKind("rbac_objects", "rbac", 30, _plan_objects, _mends("rbac_objects")))
register(StepKind("auth_config_reset", "rbac", 40, _plan_auth_config, _mends("auth_config_reset")))
register(StepKind("kubeadm_config", "rbac", 50, _plan_kubeadm_config, _mends("kubeadm_config")))
