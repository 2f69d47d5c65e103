"""The calendar of a fleet's certificates: a row for each, next expiry first, and who renews it. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.kubelet import rotation_is_late
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import future, renew_within, soon
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_owner import (
    KUBELET,
    Owner,
    of_ca,
    of_client,
    of_copy,
    of_managed,
    of_other,
    of_serving,
    of_shown,
    unusable,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["LAYERS_READ", "Calendar", "Row", "Unknown", "calendar"]

Kind = Literal["serving", "client", "ca", "kubeconfig", "user_copy"]
State = Literal["ok", "near", "expired", "not_yet_valid", "unreadable"]

LAYERS_READ = ("pki", "kubelet")
_Place = tuple[Cert, Owner, bool]  # and whether the cluster relies on it
_WHAT = {"pki": "the control plane's certificates and the kubeconfigs", "kubelet": "the kubelet's certificates"}
_SERVING = ("apiserver", "etcd-server", "etcd-peer", "kubelet-serving")


@dataclass(frozen=True)
class Row:
    """One certificate in one place."""

    node: str
    path: str  # the file it lies in; of one that is only shown in a handshake ip:port
    name: str  # kubeadm's name, kubelet-client, kubelet-serving, "<component> <flag>", or the path
    subject: str  # RFC 4514; empty where nothing could be read
    kind: Kind
    issuer: str  # RFC 4514
    signed_by: str  # name of the CA of this node that signed it, or empty
    not_before: datetime | None
    not_after: datetime | None
    days_left: int | None  # whole days, rounded down: -1 is within the last day
    state: State
    reason: str  # why it cannot be used or read; empty: it can
    renewed_by: str  # renew-certificates.yml | repair-kubelet.yml | kubelet | operator
    because: str  # why them
    critical: bool  # the cluster relies on it, and it is over, not valid yet, or cannot be used or read
    sha256: str  # of the DER certificate, hex
    relied_on: bool  # whether anything of the cluster fails when it is over


@dataclass(frozen=True)
class Unknown:
    """What nobody could look at."""

    node: str
    what: str
    why: str
    critical: bool  # false where the operator left it out (--limit)


@dataclass(frozen=True)
class Calendar:
    """All of it at one moment."""

    now: datetime
    within: timedelta
    nodes: tuple[Node, ...]
    rows: tuple[Row, ...]
    unknown: tuple[Unknown, ...]


def calendar(cluster: Cluster, inventory: Iterable[str]) -> Calendar:
    """Rows of every node that was looked at; what could not be looked at by name. inventory: all of its hosts."""
    within = renew_within(cluster)
    rows: dict[tuple[str, str, str], Row] = {}
    for node in cluster.nodes:
        for row in _rows(node, cluster, within):
            rows.setdefault((row.node, row.path, row.sha256), row)  # the kubelet's CA is often the control plane's
    unknown = [each for node in cluster.nodes for each in _unknown(node)]
    seen = {node.name for node in cluster.nodes}
    unknown += [
        Unknown(name, "all of it", "it was not looked at: it is outside --limit", False)
        for name in inventory
        if name not in seen
    ]
    return Calendar(cluster.now, within, cluster.nodes, tuple(sorted(rows.values(), key=_when)), tuple(unknown))


def _when(row: Row) -> tuple[str, str, str]:
    """What has no end that anybody knows comes first: it may be over."""
    return (row.not_after.isoformat() if row.not_after else "", row.node, row.path)


def _unknown(node: Node) -> Iterator[Unknown]:
    if not node.reachable:
        yield Unknown(node.name, "all of it", node.why, True)
        return
    for layer in LAYERS_READ:
        state = node.sections.get(layer, "nobody looked")
        if state != "ok" or getattr(node, layer) is None:
            why = "its part of the answer did not come in time" if state == "timeout" else state
            yield Unknown(node.name, _WHAT[layer], why, True)
    if node.is_master and node.pki is not None and not node.pki.openssl:
        yield Unknown(node.name, "whether keys fit and what is served", "there is no openssl on the node", False)


def _rows(node: Node, cluster: Cluster, within: timedelta) -> Iterator[Row]:
    places = (*_control_plane(node, cluster), *_kubelet(node, cluster))
    for cert, owner, relied_on in places:
        state, reason = _state(cert, cluster.now, within, owner)
        ends = cert.not_after
        yield Row(
            node=node.name,
            path=cert.path,
            name=cert.name,
            subject=cert.subject,
            kind=_kind(cert),
            issuer=cert.issuer,
            signed_by=cert.signed_by,
            not_before=cert.not_before,
            not_after=ends,
            days_left=math.floor((ends - cluster.now) / timedelta(days=1)) if ends else None,
            state=state,
            reason=reason,
            renewed_by=owner.who,
            because=owner.why,
            critical=relied_on and state in ("expired", "not_yet_valid", "unreadable"),
            sha256=cert.sha256,
            relied_on=relied_on,
        )


def _control_plane(node: Node, cluster: Cluster) -> Iterator[_Place]:
    """What layer pki knows: also the kubeconfigs in home directories, on workers too."""
    if node.pki is None:
        return
    for cert in filter(_is_one, node.pki.certs):
        if cert.kind == "ca":
            yield cert, of_ca(first=True), True
        elif cert.kind == "user_kubeconfig":
            yield cert, of_copy(cert, node, cluster), False
        else:
            yield cert, of_managed(cert, node, cluster), True
    yield from ((cert, of_other(cert), cert.state != "in_image") for cert in filter(_is_one, node.pki.others))
    yield from ((cert, of_ca(first=False), False) for cert in node.pki.bundled)
    yield from _shown(node.pki)


def _kubelet(node: Node, cluster: Cluster) -> Iterator[_Place]:
    kubelet = node.kubelet
    if kubelet is None or kubelet.load == "not-found":
        return
    # Without a client certificate it logs in by token or plugin.
    if kubelet.client is not None and (kubelet.kubeconfig_problem or kubelet.kubeconfig_cert):
        yield replace(kubelet.client, name="kubelet-client"), of_client(kubelet.client, kubelet, cluster), True
    if kubelet.serving is not None:
        # Nobody verifies what a kubelet signed for itself.
        yield kubelet.serving, of_serving(kubelet, cluster), kubelet.serving_by != "itself"
    if kubelet.ca is not None:
        yield kubelet.ca, of_ca(first=True), True
    yield from ((cert, of_ca(first=False), False) for cert in kubelet.ca_others)


def _is_one(cert: Cert) -> bool:
    """A kubeconfig that logs in by token or plugin has no certificate."""
    return cert.state != "ok" or bool(cert.sha256)


def _shown(facts: PkiFacts) -> Iterator[_Place]:
    """Certificates that processes still show though another one lies in the file."""
    for served in facts.served:
        file = facts.cert(served.file)
        if file is None or not served.sha256 or not file.sha256 or served.sha256 == file.sha256:
            continue
        name = f"shown by {served.component}"
        yield (
            Cert(name, served.address, "pair", "ok", not_after=served.not_after, sha256=served.sha256),
            of_shown(served),
            True,
        )


def _state(cert: Cert, now: datetime, within: timedelta, owner: Owner) -> tuple[State, str]:
    reason = unusable(cert)
    if cert.expired(now):
        return "expired", reason
    if reason:
        return "unreadable", reason
    if future(cert, now):
        return "not_yet_valid", f"it is not valid before {cert.not_before:%Y-%m-%d %H:%M} UTC"
    if cert.not_after is None or cert.not_after - now > soon(cert, within):
        return "ok", ""
    on_time = owner.who == KUBELET and not rotation_is_late(cert, now)
    return ("ok" if on_time else "near"), ""


def _kind(cert: Cert) -> Kind:
    if cert.kind == "ca":
        return "ca"
    if cert.kind == "kubeconfig":
        return "kubeconfig"
    if cert.kind == "user_kubeconfig":
        return "user_copy"
    if cert.usages:
        return "serving" if "serverAuth" in cert.usages else "client"
    serving = cert.name in _SERVING or cert.name.startswith("shown by ") or " --tls-" in cert.name
    return "serving" if serving else "client"
