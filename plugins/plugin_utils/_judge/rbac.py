"""Checks of layer rbac: what the cluster was born with and lost. Said once, by one master."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.rbac_view import (
    SHOWN,
    RbacView,
    restart_at,
    some,
    teller,
    view,
)

# Without these the cluster goes wrong by itself: admins, yearly rotation of kubelets' certificates, logs, services.
_VITAL = (
    "ClusterRoleBinding kubeadm:cluster-admins",
    "ClusterRoleBinding kubeadm:node-autoapprove-certificate-rotation",
    "ClusterRoleBinding kubeadm:apiserver-kubelet-client",
    "ClusterRoleBinding kubeadm:node-proxier",
)
_AUTH_KEYS = ("client-ca-file", "requestheader-client-ca-file")
_TOLD = NotApplicable("told by another master")


def _first(cluster: Cluster) -> Node | None:
    return next((m for m in cluster.masters if m.reachable and m.rbac is not None), None)


def _seen(node: Node, cluster: Cluster, speaker: Node | None) -> RbacView | Verdict:
    """The comparison, for the master that speaks of it; to all others what they have to say."""
    if node is not (speaker or _first(cluster)):
        return _TOLD
    seen = view(cluster)
    if isinstance(seen, str):
        return CouldNotTell(seen)
    return seen if seen.facts.enforced else NotApplicable("RBAC is not among the authorizers")


@check("rbac.bootstrap_object_missing", on="masters", needs=("rbac",))
def bootstrap_object_missing(node: Node, cluster: Cluster) -> Verdict:
    """Roles and bindings without which parts of the cluster may do nothing; all pods go on saying Running."""
    seen = _seen(node, cluster, restart_at(cluster))
    if not isinstance(seen, RbacView):
        return seen
    if not seen.missing:
        return Ok()
    kinds = tuple(
        f"{kind}: {some(_of(kind, seen.missing))}" for kind in dict.fromkeys(k.partition(" ")[0] for k in seen.missing)
    )
    return Found(
        "critical",
        f"{len(seen.missing)} of the {len(seen.birth.bootstrap)} roles and bindings that every cluster is born with are gone",
        (*kinds, seen.by),
        repair="rbac_bootstrap",
        refs=("B01",),
    )


def _of(kind: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(key.partition(" ")[2] for key in keys if key.startswith(f"{kind} "))


@check("rbac.bootstrap_rules_missing", on="masters", needs=("rbac",))
def bootstrap_rules_missing(node: Node, cluster: Cluster) -> Verdict:
    """They are there, with less in them. What was added is the operator's and no finding."""
    seen = _seen(node, cluster, restart_at(cluster))
    if not isinstance(seen, RbacView):
        return seen
    if seen.facts.source != "api":
        return CouldNotTell(f"only names could be read: {seen.facts.why}")
    if not seen.reduced:
        return Ok()
    return Found(
        "critical",
        f"{len(seen.reduced)} of the roles and bindings that every cluster is born with lack a part",
        (*(f"{key} lacks: {some(lacks)}" for key, lacks in list(seen.reduced.items())[:SHOWN]), seen.by),
        repair="rbac_bootstrap",
        refs=("B01",),
    )


@check("rbac.autoupdate_off", on="masters", needs=("rbac",))
def autoupdate_off(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """Somebody protected an object from what a starting kube-apiserver would add to it."""
    seen = _seen(node, cluster, restart_at(cluster))
    if not isinstance(seen, RbacView):
        yield seen
        return
    if seen.facts.source != "api":
        yield CouldNotTell(f"only names could be read: {seen.facts.why}")
        return
    lacking = {key: lacks for key, lacks in seen.protected.items() if lacks}
    whole = tuple(key for key, lacks in seen.protected.items() if not lacks)
    if lacking:
        yield Found(
            "critical",
            f"{len(lacking)} protected roles or bindings lack a part, and no restart brings it back",
            (
                *(f"{key} lacks: {some(lacks)}" for key, lacks in list(lacking.items())[:SHOWN]),
                'annotation rbac.authorization.kubernetes.io/autoupdate: "false"',
                seen.by,
            ),
            repair="rbac_autoupdate",
            consent="rbac.autoupdate_off",
            refs=("B02",),
        )
    elif whole:
        yield Found(
            "info",
            f"protected from what a newer version would add: {some(whole)}",
            ('annotation rbac.authorization.kubernetes.io/autoupdate: "false"; nothing is missing in them',),
            refs=("B02",),
        )
    else:
        yield Ok()


@check("rbac.kubeadm_object_missing", on="masters", needs=("rbac",))
def kubeadm_object_missing(node: Node, cluster: Cluster) -> Verdict:
    """What kubeadm made once: no restart brings it back, and it is missed when the next node joins or a year later."""
    seen = _seen(node, cluster, teller(cluster))
    if not isinstance(seen, RbacView):
        return seen
    if not seen.kubeadm:
        return Ok()
    vital = [key for key in seen.kubeadm if key in _VITAL]
    refused = tuple(f"{line}: not allowed" for line in seen.facts.refused)
    return Found(
        "critical" if vital else "warning",
        f"{len(seen.kubeadm)} objects that kubeadm made are gone: {some(tuple(key.partition(' ')[2] for key in seen.kubeadm))}",
        (*(f"{key}: missing" for key in seen.kubeadm[:SHOWN]), *refused, seen.by),
        repair="rbac_objects",
        refs=("B03", "B04", "B05"),
    )


@check("rbac.kubeadm_config_missing", on="masters", needs=("rbac",))
def kubeadm_config_missing(node: Node, cluster: Cluster) -> Verdict:
    """kubeadm's memory of how it made the cluster."""
    seen = _seen(node, cluster, teller(cluster))
    if not isinstance(seen, RbacView):
        return seen
    if seen.kubeadm_config:
        return Ok()
    return Found(
        "warning",
        "ConfigMap kube-system/kubeadm-config is gone: kubeadm upgrade and join cannot go on without it",
        ("ConfigMap kube-system/kubeadm-config: missing", seen.by),
        repair="kubeadm_config",
        refs=("B05",),
    )


@check("apiserver.extension_auth_config", on="masters", needs=("rbac",), layer="rbac")
def extension_auth_config(node: Node, cluster: Cluster) -> Verdict:
    """Aggregated API servers, controller-manager and scheduler read from it whose word counts."""
    speaker = teller(cluster) or _first(cluster)
    if node is not speaker:
        return _TOLD
    facts = node.rbac
    if facts is None or facts.source != "api":
        return CouldNotTell(f"it could not be read: {facts.why if facts else 'not looked at'}")
    if "auth_config_reset" in facts.mended:
        return Ok()
    config = facts.auth_config
    where = "ConfigMap kube-system/extension-apiserver-authentication"
    if config is None:
        return Found(
            "warning", f"{where} is gone", ("every kube-apiserver makes it again within a minute",), settling=True
        )
    if config.broken:
        return Found(
            "critical",
            f"{where} holds what is no certificate or no list, so no kube-apiserver mends it any more",
            tuple(f"{key}: cannot be parsed" for key in config.broken),
            repair="auth_config_reset",
            refs=("C02",),
        )
    lost = _lost_authorities(cluster, config.client_cas, config.front_proxy_cas)
    missing = tuple(key for key in _AUTH_KEYS if key not in config.keys and key in lost)
    if missing:
        return Found(
            "critical",
            f"{where} lacks {' and '.join(missing)}",
            tuple(f"{key}: missing; {lost[key]}" for key in missing),
            settling=True,  # a running kube-apiserver adds them within a minute
            refs=("C02",),
        )
    if lost:
        return Found(
            "critical",
            f"{where} does not hold the CA that the API servers use now",
            tuple(f"{key}: {why}" for key, why in lost.items()),
            repair="auth_config_reset",
            settling=True,
            refs=("C02", "P08"),
        )
    return Ok()


def _lost_authorities(cluster: Cluster, client: tuple[str, ...], proxy: tuple[str, ...]) -> dict[str, str]:
    """Of the CAs on the masters' disks those that are not in it, by key."""
    lost = {}
    for key, name, held in ((_AUTH_KEYS[0], "ca", client), (_AUTH_KEYS[1], "front-proxy-ca", proxy)):
        for master in cluster.masters:
            cert = master.pki.cert(name) if master.pki else None
            if cert is not None and cert.sha256 and cert.sha256 not in held:
                lost[key] = f"{cert.path} of {master.name} is not in it"
    return lost


@check("apiserver.aggregated_api_down", on="masters", needs=("rbac",), layer="rbac")
def aggregated_api_down(node: Node, cluster: Cluster) -> Verdict:
    """An API that another server serves: while it is down namespaces cannot be deleted, and quota stalls."""
    speaker = teller(cluster)
    if speaker is None:
        return CouldNotTell("nobody could ask") if node is _first(cluster) else _TOLD
    if node is not speaker:
        return _TOLD
    facts = node.rbac
    if facts is None or facts.source != "api":
        return CouldNotTell("APIServices could not be read")
    down = [api for api in facts.aggregated if api.available != "True"]
    if not down:
        return Ok()
    return Found(
        "warning",
        f"{len(down)} aggregated APIs do not answer: {some(tuple(api.name for api in down))}",
        tuple(f"APIService {api.name}: service {api.service}, Available: {api.available}" for api in down[:SHOWN]),
        settling=True,
        refs=("A10",),
    )
