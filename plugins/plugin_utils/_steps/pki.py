"""Repairs of layer pki: when they can be taken and what they would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import rewritten
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.host import clock_problem
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import (
    authority_of,
    authority_problem,
    broken,
    facts_of,
    future,
    managed,
    needs_renewal,
    renew_within,
    renew_within_on,
    soon,
    stale_copies,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import asking_args, own_url
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.etcd import peer_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.pki_template import template
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_view import reference
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

_LIFE = timedelta(days=365)
_FEW = 3  # up to so many are renewed by name, so that nothing else changes
_STANDARD = {
    "apiserver": "apiserver.crt",
    "apiserver-etcd-client": "apiserver-etcd-client.crt",
    "apiserver-kubelet-client": "apiserver-kubelet-client.crt",
    "front-proxy-client": "front-proxy-client.crt",
    "etcd-server": "etcd/server.crt",
    "etcd-peer": "etcd/peer.crt",
    "etcd-healthcheck-client": "etcd/healthcheck-client.crt",
}


def _plan_renew(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts, now = facts_of(node), cluster.now
    limit = float(cluster.settings.get("kuberevive_max_clock_skew") or 30)
    within = renew_within_on(node, cluster)
    wanted = [c for c in managed(node) if needs_renewal(c, facts, now, within)]
    rows = {c.name: _row(c, node, cluster, facts) for c in managed(node)}
    problems = {c.name: row.reason for c in wanted if isinstance(row := rows[c.name], Refused)}
    doable = [c for c in wanted if c.name not in problems]
    if not doable:
        return Refused("; ".join(dict.fromkeys(problems.values())) or "nothing that needs renewal is left")
    whole = len(doable) > _FEW and not any(isinstance(row, Refused) for row in rows.values())
    chosen = list(managed(node)) if whole else doable
    command = _kubeadm(facts)
    how = f"{command} all" if command and whole else command or "openssl, from the CA"
    title = f"renew {len(chosen)} certificates ({how})"
    if problems:
        title += f"; not {', '.join(problems)}: {'; '.join(dict.fromkeys(problems.values()))}"
    ends = min([now + _LIFE, *_authority_ends(facts, chosen)])
    args = {
        "rows": [str(rows[c.name]) for c in chosen],
        "command": command,
        "names": ["all"] if whole else [c.name for c in doable if c.state == "ok" or c.kind == "kubeconfig"],
        "within": min(soon(c, within) for c in chosen).days,
        "skew": int(limit),
        "days": max(1, (ends - now).days),
        "not_after": ends.isoformat(),
        "all": [c.name for c in chosen],
    }
    living = _living(node, cluster, chosen)
    return living if isinstance(living, Refused) else Planned(title, {**args, **living})


def _living(node: Node, cluster: Cluster, chosen: list[Cert]) -> dict[str, Any] | Refused:
    """Whom the node asks before and after, and where a snapshot is taken first, where nothing is broken yet and nobody shall notice.

    Else nobody is asked.
    """
    facts, api, etcd, now = facts_of(node), node.apiserver, node.etcd, cluster.now
    sound = not any(broken(c) or c.expired(now) or future(c, now) for c in managed(node))
    if not sound or api is None or api.readyz != 200:
        return {"living": ""}
    others = [m for m in cluster.masters if m is not node and m.reachable]
    if wrong := next((why for m in others if (why := clock_problem(m, cluster))), ""):
        return Refused(f"{wrong}, and what is signed here must be valid there as well: set that clock first")
    apis = [m.apiserver for m in others if m.apiserver is not None]
    members = [m.etcd for m in cluster.masters if m.reachable and m.etcd is not None and m.etcd.present]
    peer = reference(cluster)
    if members and peer is None:
        return Refused("no member of etcd answers with a quorum, so no snapshot can be taken before: repair etcd first")
    shown = [(s.address, facts.cert(s.file)) for s in facts.served if s.sha256 and s.file in {c.name for c in chosen}]
    return {
        "living": "yes",
        **asking_args(node),
        **(peer_args(peer) if peer is not None else {}),
        "peers": [own_url(a) for a in apis if a.present],
        "voters": [url for member in members for url in member.client_urls[:1]],
        "voter_ca": etcd.ca_file if etcd else "",
        "voter_cert": etcd.cert_file if etcd else "",
        "voter_key": etcd.key_file if etcd else "",
        "shown": [f"{address}|{cert.path}" for address, cert in shown if cert],
    }


def _row(cert: Cert, node: Node, cluster: Cluster, facts: PkiFacts) -> str | Refused:
    """What the node needs: name|kind|path|key|CA|CA's key|CN|O,O|SANs|usages|server|cluster.

    The last six only where the certificate there is tells nothing any more.
    """
    problem = authority_problem(facts, cert, cluster.now)
    ca = facts.cert(authority_of(cert))
    if problem or ca is None:
        return Refused(problem)
    fields = [cert.name, cert.kind, cert.path, cert.key_path, ca.path, ca.key_path]
    if cert.state == "ok":
        return "|".join([*fields, "", "", "", "", "", ""])
    told = template(cert, node, cluster)
    if told is None:
        return Refused(
            f"{broken(cert)}, and no other master tells what its subject and names were: restore it from a backup or "
            f"make it with kubeadm init phase certs"
        )
    return "|".join([*fields, *told])


def _kubeadm(facts: PkiFacts) -> str:
    """The node's own renew command, where everything lies where it expects it; else empty: openssl does all of it."""
    if facts.directory != "/etc/kubernetes/pki" or facts.conf_dir != "/etc/kubernetes":
        return ""
    for cert in facts.certs:
        if cert.kind == "pair" and cert.path != f"/etc/kubernetes/pki/{_STANDARD[cert.name]}":
            return ""
        if cert.kind == "kubeconfig" and cert.path != f"/etc/kubernetes/{cert.name}":
            return ""
    return facts.renew_command


def _authority_ends(facts: PkiFacts, wanted: list[Cert]) -> list[datetime]:
    cas = [facts.cert(authority_of(c)) for c in wanted]
    return [ca.not_after for ca in cas if ca and ca.not_after and ca.state == "ok"]


def _after_renewal(node: Node, args: Mapping[str, Any]) -> Node:
    facts = facts_of(node)
    ends = datetime.fromisoformat(str(args["not_after"]))
    names = set(args["all"])

    def renewed(cert: Cert) -> Cert:
        if cert.name not in names:
            return cert
        digest = f"renewed {cert.name}"
        return replace(
            cert,
            state="ok",
            key_state="ok",
            not_before=ends - _LIFE - timedelta(days=1),
            not_after=ends,
            sha256=digest,
            subject=cert.subject or digest,
            signed_by=authority_of(cert),
        )

    served = tuple(
        replace(s, sha256=f"renewed {s.file}", not_after=ends) if s.file in names and s.sha256 else s
        for s in facts.served
    )
    paths = [c.path for c in facts.certs if c.name in names and c.kind == "kubeconfig"]
    controllers = rewritten(node.controllers, paths) if node.controllers else None
    certs = tuple(renewed(c) for c in facts.certs)
    return replace(node, pki=replace(facts, certs=certs, served=served), controllers=controllers)


def _plan_refresh(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    facts = facts_of(node)
    admin = facts.cert("admin.conf")
    if admin is None:
        return Refused(f"{node.name} has no {facts.conf_dir}/admin.conf to refresh the copies from")
    if needs_renewal(admin, facts, cluster.now, renew_within(cluster)):
        problem = authority_problem(facts, admin, cluster.now)
        if problem:
            return Refused(f"{admin.path} itself can no longer log in and cannot be renewed: {problem}")
    copies = [c.path for c in stale_copies(node, cluster)]
    title = f"put admin.conf's new client certificate into {', '.join(copies)}"
    ca = facts.cert("ca")
    return Planned(title, {"admin": admin.path, "ca": ca.path if ca else "", "copies": copies})


def _after_refresh(node: Node, args: Mapping[str, Any]) -> Node:
    facts = facts_of(node)
    admin = facts.cert("admin.conf")
    if admin is None:
        return node

    def refreshed(cert: Cert) -> Cert:
        if cert.path not in args["copies"]:
            return cert
        return replace(admin, name=cert.name, path=cert.path, kind=cert.kind, owner=cert.owner, from_authority=True)

    return replace(node, pki=replace(facts, certs=tuple(refreshed(c) for c in facts.certs)))


def _plan_replace(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    return Refused(
        "a CA is never replaced unattended, because every node and every client trusts it: restore the CA's "
        "certificate and key from a backup or another master, then run again",
    )


def _unchanged(node: Node, args: Mapping[str, Any]) -> Node:
    return node


_LATER = ("apiserver", "controllers")  # who does not take up a new certificate by itself
register(StepKind("certs_renew", "pki", 10, _plan_renew, _after_renewal, signs=True, leads_to=_LATER))
register(StepKind("kubeconfig_refresh", "pki", 20, _plan_refresh, _after_refresh))
register(StepKind("ca_replace", "pki", 90, _plan_replace, _unchanged))
