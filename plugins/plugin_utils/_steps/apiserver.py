"""Repairs of layer apiserver: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import Served
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

__all__ = ["asking_args", "own_url", "restart_args"]

_APISERVER = "kube-apiserver"


def asking_args(node: Node) -> dict[str, Any]:
    """How this node's own kube-apiserver is asked: KR_ARG_ADDRESS, _PORT, _CA, and who asks where nobody may without a name."""
    api = node.apiserver
    if api is None or not api.present:
        return {"address": "", "port": "", "ca": "", "cert": "", "key": ""}
    own = f"{api.client_ca.rpartition('/')[0]}/apiserver-kubelet-client"
    flags = dict(word.lstrip("-").split("=", 1) for word in api.flags if "=" in word)
    return {
        "address": api.address,
        "port": api.port,
        "ca": api.client_ca,
        "cert": flags.get("kubelet-client-certificate", f"{own}.crt"),
        "key": flags.get("kubelet-client-key", f"{own}.key"),
    }


def own_url(api: ApiserverFacts) -> str:
    """https://ADDRESS:PORT of that kube-apiserver."""
    return f"https://{f'[{api.address}]' if ':' in api.address else api.address}:{api.port}"


def restart_args(node: Node, components: tuple[str, ...]) -> dict[str, Any] | str:
    """Arguments of component_restart.sh, or why it cannot be run here."""
    runtime, kubelet, api = node.runtime, node.kubelet, node.apiserver
    units = [_unit(node, name) or "-" for name in components]
    if runtime is None or kubelet is None or api is None:
        return "container runtime, kubelet or kube-apiserver could not be looked at"
    if "-" in units and not kubelet.running:
        return "kubelet does not run here, so nothing would start them again; looked at again when it does"
    if "-" in units and runtime.kind == "none":
        return "no container runtime is known here"
    return {
        "components": list(components),
        "units": units,
        "runtime": runtime.kind,
        "socket": runtime.socket,
        **asking_args(node),
        "started": [str(_started(node, name)) for name in components],
    }


def _unit(node: Node, component: str) -> str:
    """The systemd unit that runs it, or empty: a static pod."""
    if component == _APISERVER:
        return node.apiserver.unit if node.apiserver else ""
    each = node.controllers.controller(component) if node.controllers else None
    return each.unit if each else ""


def _started(node: Node, component: str) -> int:
    if component == _APISERVER:
        return node.apiserver.started if node.apiserver else 0
    each = node.controllers.controller(component) if node.controllers else None
    return each.started if each else 0


def _stale(node: Node, served: Served) -> bool:
    file = node.pki.cert(served.file) if node.pki else None
    return bool(
        served.component == _APISERVER and served.sha256 and file and file.sha256 and served.sha256 != file.sha256
    )


def _plan_restart(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    if node.apiserver is not None and node.apiserver.manifest_held:
        return Refused("its manifest is put aside; it starts with the certificate on disk when that comes back")
    args = restart_args(node, (_APISERVER,))
    if isinstance(args, str):
        return Refused(args)
    return Planned("restart kube-apiserver and wait until it is ready", args)


def _restarted(node: Node, args: Mapping[str, Any]) -> Node:
    """The certificate served is the one on disk."""
    if node.pki is None:
        return node
    served = tuple(
        replace(s, sha256=file.sha256, not_after=file.not_after)
        if _stale(node, s) and (file := node.pki.cert(s.file)) is not None
        else s
        for s in node.pki.served
    )
    return replace(node, pki=replace(node.pki, served=served))


def _plan_reset(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    """Only where its cause is gone, else the container would end again and the back-off begin anew."""
    causes = sorted({f.cause for f in findings if f.cause})
    if causes:
        return Refused(f"waits for the repair of {', '.join(causes)}; looked at again after that")
    if node.kubelet is not None and not node.kubelet.running:
        return Refused("kubelet does not run here; its start ends the back-off anyway")
    return Planned(
        "restart kubelet, which ends CrashLoopBackOff",
        {
            "kubelet_started": node.apiserver.kubelet_started if node.apiserver else 0,
            "healthz": node.kubelet.healthz_at if node.kubelet else "",
        },
    )


def _reset(node: Node, args: Mapping[str, Any]) -> Node:
    """Nothing waits any more: whatever ended before this kubelet began is in no back-off."""
    api, controllers = node.apiserver, node.controllers
    if api is not None:
        api = replace(api, kubelet_started=api.now)
    if controllers is not None:
        controllers = replace(controllers, kubelet_started=controllers.now)
    return replace(node, apiserver=api, controllers=controllers)


register(StepKind("component_restart", "apiserver", 10, _plan_restart, _restarted))
register(StepKind("kubelet_backoff_reset", "apiserver", 20, _plan_reset, _reset))
# The same for the controllers, once the API server that they need is there.
register(StepKind("controller_backoff_reset", "controllers", 5, _plan_reset, _reset))
