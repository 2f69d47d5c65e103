"""Checks of layer pki."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import (
    MANAGED,
    age,
    authority_problem,
    broken,
    facts_of,
    future,
    managed,
    near_expiry,
    renew_within,
    renew_within_on,
    stale_copies,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node, Severity

_RELOADS = 60.0  # seconds after which a process has taken up a new file, if it ever does


def _unless_seen(node: Node, certs: Sequence[object], kinds: Sequence[str] = MANAGED) -> Verdict:
    """What to say when nothing was found: ok only when everything of those kinds was looked at."""
    state = node.sections.get("pki", "ok")
    if state != "ok":
        return CouldNotTell(f"the section pki did not come to its end: {state}")
    withheld = [c.path for c in facts_of(node).certs if c.state == "withheld" and c.kind in kinds]
    if withheld:
        return CouldNotTell(f"in a form that the probe does not read: {', '.join(withheld)}")
    return Ok() if certs else NotApplicable("no component here names a certificate")


def _names(certs: Iterable[Cert]) -> str:
    return ", ".join(c.name for c in certs)


@check("pki.cert_expired", on="masters", needs=("pki",))
def cert_expired(node: Node, cluster: Cluster) -> Verdict:
    """Certificates of the control plane's components."""
    pairs = [c for c in managed(node) if c.kind == "pair"]
    over = [c for c in pairs if c.expired(cluster.now)]
    if not over:
        return _unless_seen(node, pairs, ("pair",))
    return Found(
        "critical",
        f"{len(over)} of {len(pairs)} control plane certificates expired: {_names(over)}",
        tuple(f"{c.path} expired {age(c.not_after, cluster.now)}" for c in over),
        repair="certs_renew",
        refs=("P01",),
    )


@check("pki.kubeconfig_expired", on="masters", needs=("pki",))
def kubeconfig_expired(node: Node, cluster: Cluster) -> Verdict:
    """The components' and the administrator's kubeconfigs."""
    confs = [c for c in managed(node) if c.kind == "kubeconfig"]
    over = [c for c in confs if c.expired(cluster.now)]
    if not over:
        return _unless_seen(node, confs, ("kubeconfig",))
    return Found(
        "critical",
        f"the client certificates in {len(over)} kubeconfigs expired: {_names(over)}",
        tuple(f"{c.path} expired {age(c.not_after, cluster.now)}" for c in over),
        repair="certs_renew",
        refs=("P02",),
    )


@check("pki.admin_kubeconfig_stale", on="masters", needs=("pki",))
def admin_kubeconfig_stale(node: Node, cluster: Cluster) -> Verdict:
    """Copies of admin.conf in home directories: nothing renews them."""
    stale = stale_copies(node, cluster)
    if not stale:
        kinds = ("user_kubeconfig",)
        return _unless_seen(node, [c for c in facts_of(node).certs if c.kind in kinds], kinds)
    evidence = [
        f"{broken(c)} (of {c.owner or '?'})"
        if broken(c)
        else f"{c.path} (of {c.owner or '?'}): certificate of {c.common_name} ends {age(c.not_after, cluster.now)}"
        for c in stale
    ]
    return Found(
        "warning",
        f"{len(stale)} copies of admin.conf can no longer log in, or soon cannot: {', '.join(c.path for c in stale)}",
        tuple(evidence),
        repair="kubeconfig_refresh",
        refs=("P02",),
    )


def _ending(node: Node, cluster: Cluster, within: timedelta, severity: Severity, what: str) -> Verdict:
    """What ends so soon. what: said behind their number."""
    facts, certs = facts_of(node), managed(node)
    near = [c for c in certs if near_expiry(c, facts, cluster.now, within)]
    if not near:
        return _unless_seen(node, certs)
    return Found(
        severity,
        f"{len(near)} certificates {what}: {_names(near)}",
        tuple(f"{c.path} ends {age(c.not_after, cluster.now)}" for c in near),
        repair="certs_renew",
        refs=("P01", "P02"),
    )


@check("pki.cert_near_expiry", on="masters", needs=("pki",))
def cert_near_expiry(node: Node, cluster: Cluster) -> Verdict:
    """What ends within kuberevive_renew_within days."""
    within = renew_within(cluster)
    return _ending(node, cluster, within, "warning", f"end within {within.days} days")


@check("pki.renewal_asked", on="masters", needs=("pki",))
def renewal_asked(node: Node, cluster: Cluster) -> Verdict:
    """kuberevive_renew_all: what ends later as well."""
    if node.name not in cluster.renew_all:
        return NotApplicable("nobody asked for it (kuberevive_renew_all)")
    what = "shall be renewed, as kuberevive_renew_all says"
    return _ending(node, cluster, renew_within_on(node, cluster), "info", what)


@check("pki.cert_not_yet_valid", on="masters", needs=("pki",))
def cert_not_yet_valid(node: Node, cluster: Cluster) -> Verdict:
    """Signed while a clock was ahead."""
    certs = managed(node)
    early = [c for c in certs if future(c, cluster.now)]
    if not early:
        return _unless_seen(node, certs)
    return Found(
        "critical",
        f"{len(early)} certificates are not valid yet: {_names(early)}",
        tuple(f"{c.path} begins {age(c.not_before, cluster.now)}" for c in early),
        repair="certs_renew",
        refs=("P12", "T12"),
    )


@check("pki.cert_unreadable", on="masters", needs=("pki",))
def cert_unreadable(node: Node, cluster: Cluster) -> Verdict:
    """Missing, empty, torn, or a key that does not fit."""
    certs = managed(node)
    bad = [c for c in certs if broken(c)]
    if bad:
        return Found(
            "critical",
            f"{len(bad)} certificates cannot be used: {_names(bad)}",
            tuple(broken(c) for c in bad),
            repair="certs_renew",
            refs=("P02", "P10"),
        )
    if certs and not facts_of(node).openssl:
        return CouldNotTell("there is no openssl on the node, so nobody looked whether the keys fit their certificates")
    return _unless_seen(node, certs)


@check("pki.ca_expired", on="masters", needs=("pki",))
def ca_expired(node: Node, cluster: Cluster) -> Verdict:
    """The CAs themselves."""
    cas = [c for c in facts_of(node).certs if c.kind == "ca"]
    over = [c for c in cas if c.expired(cluster.now)]
    if not over:
        return _unless_seen(node, cas, ("ca",))
    return Found(
        "critical",
        f"the CA itself expired: {_names(over)}",
        tuple(f"{c.path} expired {age(c.not_after, cluster.now)}" for c in over),
        repair="ca_replace",
        refs=("P04",),
    )


@check("pki.ca_missing", on="masters", needs=("pki",))
def ca_missing(node: Node, cluster: Cluster) -> Iterable[Verdict]:
    """CA certificates that a component names; an absent key is no fault until something must be signed."""
    cas = [c for c in facts_of(node).certs if c.kind == "ca"]
    bad = [c for c in cas if c.state != "ok" or c.key_state == "mismatch"]
    if bad:
        yield Found(
            "critical",
            f"CA certificates cannot be used: {_names(bad)}",
            tuple(broken(c) for c in bad),
            repair="ca_replace",
            refs=("P05", "P11"),
        )
        return
    needing = [c for c in managed(node) if c.expired(cluster.now)]
    lacking = [p for p in (authority_problem(facts_of(node), c, cluster.now) for c in needing) if "'s key" in p]
    if lacking:
        yield Found(
            "critical",
            "certificates expired and this node has no CA key to sign new ones",
            tuple(dict.fromkeys(lacking)),
            refs=("P11",),
        )
        return
    yield _unless_seen(node, cas, ("ca",))


@check("pki.served_cert_stale", on="masters", needs=("pki",))
def served_cert_stale(node: Node, cluster: Cluster) -> Verdict:
    """What the processes show in a handshake, against the file they should have loaded."""
    facts = facts_of(node)
    if not facts.openssl:
        return CouldNotTell("there is no openssl on the node to ask what is served")
    stale = []
    for served in facts.served:
        cert = facts.cert(served.file)
        if cert is None or not served.sha256 or not cert.sha256 or broken(cert) or cert.expired(cluster.now):
            continue
        if served.sha256 != cert.sha256:
            stale.append((served, cert))
    if not stale:
        silent = [f"{s.component} at {s.address}" for s in facts.served if not s.sha256]
        if silent:
            return CouldNotTell(f"no certificate was shown by {', '.join(silent)}")
        return _unless_seen(node, facts.served, ("pair",))
    over = any(s.not_after is not None and s.not_after <= cluster.now for s, _ in stale)
    # etcd takes a new file at the next handshake, kube-apiserver within half a minute.
    late = cluster.now.timestamp() - _RELOADS
    waited = any(s.component == "kube-apiserver" and c.mtime < late for s, c in stale)
    components = ", ".join(dict.fromkeys(s.component for s, _ in stale))
    return Found(
        "critical" if over else "warning",
        f"{components} still shows a certificate other than the one on disk",
        tuple(
            f"{s.component} at {s.address} shows one that ends {age(s.not_after, cluster.now)}; {c.path} ends "
            f"{age(c.not_after, cluster.now)}"
            for s, c in stale
        ),
        repair="component_restart" if waited else "",
        refs=("P03",),
        settling=not waited,
    )
