"""Which certificate needs what: shared by the checks and the repairs of layer pki. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import Cert
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import PkiFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = [
    "MANAGED",
    "admin_copies",
    "age",
    "authority_of",
    "authority_problem",
    "broken",
    "ends_with_its_ca",
    "facts_of",
    "future",
    "managed",
    "near_expiry",
    "needs_renewal",
    "renew_within",
    "renew_within_on",
    "soon",
    "stale_copies",
]

MANAGED = ("pair", "kubeconfig")
_FUTURE = timedelta(seconds=120)  # two clocks that are right may differ by less
_ALWAYS = timedelta(days=20000)  # in seconds it fits 32 bits, which is all that an old openssl takes


def facts_of(node: Node) -> PkiFacts:
    """The node's facts of this layer; only for nodes that have them."""
    if node.pki is None:
        raise ValueError(f"{node.name} has no facts of layer pki")
    return node.pki


def managed(node: Node) -> tuple[Cert, ...]:
    """The components' certificates; a kubeconfig that logs in by token or plugin has none, or nobody looked into it."""
    known = (c for c in facts_of(node).certs if c.kind in MANAGED and c.state != "withheld")
    return tuple(c for c in known if c.state != "ok" or c.sha256)


def renew_within(cluster: Cluster) -> timedelta:
    """From which remaining life on a certificate is renewed."""
    return timedelta(days=float(cluster.settings.get("kuberevive_renew_within") or 60))


def renew_within_on(node: Node, cluster: Cluster) -> timedelta:
    """The same on one node: all its certificates end within it where the operator wants them all renewed."""
    return _ALWAYS if node.name in cluster.renew_all else renew_within(cluster)


def authority_of(cert: Cert) -> str:
    """Name of the CA that signs it: the one that did, else the one kubeadm uses."""
    if cert.signed_by:
        return cert.signed_by
    if cert.name.startswith("etcd-") or cert.name == "apiserver-etcd-client":
        return "etcd-ca"
    return "front-proxy-ca" if cert.name == "front-proxy-client" else "ca"


def authority_problem(facts: PkiFacts, cert: Cert, now: datetime) -> str:
    """Why nothing can be signed in its place, in one clause; empty: it can."""
    if cert.state == "ok" and cert.sha256 and not cert.signed_by:
        return f"{cert.name} was not signed by any CA of this node, so only its own issuer can renew it"
    name = authority_of(cert)
    ca = facts.cert(name)
    if ca is None:
        return f"no component names the CA {name}"
    if ca.state != "ok":
        return f"the CA certificate {ca.path} is {ca.state}: restore it from a backup"
    if ca.expired(now):
        return f"the CA {ca.path} itself expired {age(ca.not_after, now)}: replacing a CA is never done unattended"
    return _signing_problem(ca, now)


def _signing_problem(ca: Cert, now: datetime) -> str:
    if future(ca, now):
        return f"the CA {ca.path} is not valid before {ca.not_before:%Y-%m-%d %H:%M} UTC"
    if ca.key_state == "mismatch":
        return f"the key {ca.key_path} does not fit the CA {ca.path}"
    if ca.key_state not in ("ok", "unknown"):
        return f"the CA's key {ca.key_path} is {ca.key_state} (an external CA?): sign where that key is kept"
    return ""


def broken(cert: Cert) -> str:
    """Why it cannot be used although it should be there, in a few words; empty: it can."""
    words = {
        "missing": "is missing",
        "empty": "has zero bytes",
        "nul": "holds nothing but NUL bytes",
        "dangling": "is a link to nothing",
        "unreadable": "cannot be read",
        "not_a_file": "is no file",
        "unparsable": "holds no certificate that can be parsed",
    }
    if cert.state != "ok":
        return f"{cert.path} {words.get(cert.state, cert.state)}"
    if cert.key_state in ("ok", "unknown"):
        return ""
    if cert.key_state == "mismatch":
        return f"the private key {cert.key_path} does not fit the certificate {cert.path}"
    return f"the private key {cert.key_path} {words.get(cert.key_state, cert.key_state)}".replace("certificate", "key")


def future(cert: Cert, now: datetime) -> bool:
    """Whether it is not valid yet."""
    return cert.not_before is not None and cert.not_before > now + _FUTURE


def soon(cert: Cert, within: timedelta) -> timedelta:
    """From which remaining life on this one is renewed: half of it, where a cluster gives its certificates little."""
    if cert.not_after is None or cert.not_before is None or within == _ALWAYS:
        return within
    return min(within, (cert.not_after - cert.not_before) / 2)


def ends_with_its_ca(cert: Cert, facts: PkiFacts) -> Cert | None:
    """The CA that signs it, where that ends no later, so that a new one would live no longer; else nothing."""
    ca = facts.cert(authority_of(cert))
    if ca is None or ca.not_after is None or cert.not_after is None:
        return None
    return ca if ca.not_after - cert.not_after <= timedelta(days=1) else None


def near_expiry(cert: Cert, facts: PkiFacts, now: datetime, within: timedelta) -> bool:
    """Whether it ends soon, and a new one would live longer."""
    if cert.not_after is None or cert.expired(now) or cert.not_after - now > soon(cert, within):
        return False
    return ends_with_its_ca(cert, facts) is None


def needs_renewal(cert: Cert, facts: PkiFacts, now: datetime, within: timedelta) -> bool:
    """Whether a managed certificate has to be made anew."""
    return bool(cert.expired(now) or future(cert, now) or near_expiry(cert, facts, now, within) or broken(cert))


def admin_copies(node: Node, cluster: Cluster) -> tuple[Cert, ...]:
    """Users' kubeconfigs that are copies of this cluster's admin.conf: same subject, same CA."""
    facts = facts_of(node)
    admins = [c for n in (node, *cluster.masters) if n.pki for c in (n.pki.cert("admin.conf"),) if c and c.subject]
    if not admins:
        return ()
    ca = facts.cert("ca")
    copies = [c for c in facts.certs if c.kind == "user_kubeconfig" and c.subject == admins[0].subject]
    return tuple(
        c for c in copies if c.from_authority or (ca and ca.public_sha256 and c.ca_public_sha256 == ca.public_sha256)
    )


def stale_copies(node: Node, cluster: Cluster) -> tuple[Cert, ...]:
    """Copies of admin.conf that are over or soon will be, and root's where a power cut left it empty."""
    facts, within = facts_of(node), renew_within(cluster)
    old = [c for c in admin_copies(node, cluster) if needs_renewal(c, facts, cluster.now, within)]
    empty = [c for c in facts.certs if c.path == "/root/.kube/config" and c.state in ("empty", "nul")]
    return (*old, *empty)


def age(moment: datetime | None, now: datetime) -> str:
    """'2026-11-20 21:59 UTC (3 hours ago)' or '(in 12 days)'."""
    if moment is None:
        return "at an unknown time"
    seconds = (moment - now).total_seconds()
    size = abs(seconds)
    if size >= 2 * 86400:
        words = f"{size / 86400:.0f} days"
    elif size >= 2 * 3600:
        words = f"{size / 3600:.0f} hours"
    else:
        words = f"{size / 60:.0f} minutes"
    return f"{moment:%Y-%m-%d %H:%M} UTC ({words} ago)" if seconds < 0 else f"{moment:%Y-%m-%d %H:%M} UTC (in {words})"
