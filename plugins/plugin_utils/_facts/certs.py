"""X.509 and kubeconfigs as the probe brings them, to Cert facts. Shared by the layers that hold certificates."""

from __future__ import annotations

import base64
import binascii
import hashlib
import posixpath
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact

__all__ = [
    "Authorities",
    "Cert",
    "cert_of_kubeconfig",
    "cert_of_pem",
    "described",
    "fingerprints",
    "load_pems",
    "public_sha256",
    "rest_of_bundle",
    "signer",
    "users_of_kubeconfig",
    "with_key",
]

Authorities = tuple[tuple[str, x509.Certificate], ...]

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_OTHER_WAYS = {"token", "tokenFile", "exec", "auth-provider", "username"}
_USAGES = {ExtendedKeyUsageOID.SERVER_AUTH: "serverAuth", ExtendedKeyUsageOID.CLIENT_AUTH: "clientAuth"}


@dataclass(frozen=True)
class Cert:
    """One certificate with its key: a pair of files, or the inside of a kubeconfig, or a CA."""

    name: str  # kubeadm's name: apiserver, etcd-server, admin.conf, ca … or the path where kubeadm has none
    path: str
    kind: str  # pair | kubeconfig | ca | user_kubeconfig (a copy of admin.conf in a home directory)
    state: str  # ok | missing | empty | nul | unreadable | dangling | unparsable | withheld, in_image (nobody looked)
    key_path: str = ""
    key_state: str = "unknown"  # ok | missing | empty | unparsable | mismatch | unknown
    subject: str = ""  # RFC 4514
    issuer: str = ""
    common_name: str = ""
    organizations: tuple[str, ...] = ()
    not_before: datetime | None = None
    not_after: datetime | None = None
    sans: tuple[str, ...] = ()  # DNS:x, IP:y
    usages: tuple[str, ...] = ()  # serverAuth, clientAuth
    serial: str = ""
    sha256: str = ""  # of the DER certificate, hex
    public_sha256: str = ""  # of the public key (SubjectPublicKeyInfo DER), hex
    signed_by: str = ""  # name of the CA of this node whose key verifies the signature, or empty
    server: str = ""  # kubeconfig: server URL
    ca_public_sha256: str = ""  # kubeconfig: public key of the embedded or named CA
    owner: str = ""
    content_sha256: str = ""  # kubeconfig: of the embedded client certificate (DER), same as sha256
    cluster_name: str = ""  # kubeconfig: the cluster of its current context
    mtime: int = 0  # of the file, epoch seconds
    from_authority: bool | None = None  # kubeconfig: whether this cluster's CA signed it; None: no CA to try

    def expired(self, now: datetime) -> bool:
        """Whether it is over at that moment (False where nothing could be read)."""
        return self.not_after is not None and self.not_after <= now


def load_pems(text: str) -> tuple[x509.Certificate, ...]:
    """Every certificate of a PEM text that can be parsed, in order."""
    found: list[x509.Certificate] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CAs made by kubeadm up to 1.20 have serial number 0
        for block in _PEM.findall(text):
            try:
                found.append(x509.load_pem_x509_certificate(block.encode()))
            except ValueError:
                continue
    return tuple(found)


def fingerprints(text: str) -> tuple[str, ...]:
    """sha256 of each certificate (DER); empty where there is none, or one that cannot be parsed."""
    found = load_pems(text)
    whole = len(found) == text.count("-----BEGIN CERTIFICATE-----")
    return tuple(hashlib.sha256(c.public_bytes(Encoding.DER)).hexdigest() for c in found) if whole else ()


def public_sha256(certificate: x509.Certificate) -> str:
    """Hash of its public key (DER), the same as the probe makes of a private key's public half."""
    try:
        der = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return ""
    return hashlib.sha256(der).hexdigest()


def signer(certificate: x509.Certificate, authorities: Iterable[tuple[str, x509.Certificate]]) -> str:
    """Name of the authority whose key verifies its signature, or empty."""
    for name, authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return name
    return ""


def cert_of_pem(name: str, kind: str, file: FileFact, key_path: str = "", authorities: Authorities = ()) -> Cert:
    """A Cert from a file of certificates; its own certificate is the first one in it."""
    found = load_pems(file.content) if file.usable else ()
    state = "ok" if found else ("unparsable" if file.usable else file.state)
    bare = Cert(name, file.path, kind, state, key_path, owner=file.owner, mtime=file.mtime)
    return replace(described(bare, found[0]), signed_by=signer(found[0], authorities)) if found else bare


def rest_of_bundle(cert: Cert, file: FileFact) -> tuple[Cert, ...]:
    """The other certificates in the same file: CAs beside the one that signs, and what leads up to a chain's first."""
    found = load_pems(file.content) if cert.sha256 else ()
    bare = Cert(cert.name, cert.path, "ca", "ok", owner=cert.owner, mtime=cert.mtime)
    all_told = {told.sha256: told for told in (described(bare, each) for each in found)}
    return tuple(told for digest, told in all_told.items() if digest != cert.sha256)


def cert_of_kubeconfig(
    name: str,
    kind: str,
    file: FileFact,
    files: Mapping[str, FileFact],
    *,
    authorities: Authorities = (),
    wanted_user: str = "",
) -> Cert:
    """A Cert from a kubeconfig's current (or wanted) user; files: where a certificate lies that is not embedded."""
    bare = Cert(name, file.path, kind, file.state, file.path, owner=file.owner, mtime=file.mtime)
    if not file.usable:
        return bare
    config = _kubeconfig(file.content)
    if config is None:
        return replace(bare, state="unparsable")
    context = _named(config, "contexts", "context", str(config.get("current-context") or ""))
    cluster = _named(config, "clusters", "cluster", str(context.get("cluster") or ""))
    user = _named(config, "users", "user", wanted_user or str(context.get("user") or ""))
    authority = load_pems(_unbase64(str(cluster.get("certificate-authority-data") or "")))
    bare = replace(
        bare,
        server=str(cluster.get("server") or ""),
        cluster_name=str(context.get("cluster") or ""),
        ca_public_sha256=public_sha256(authority[0]) if authority else "",
    )
    path = str(user.get("client-certificate") or "")
    if not path and "client-certificate-data" not in user and _OTHER_WAYS & set(user):
        return bare  # it logs in without a certificate: nothing to judge
    if path:
        folder = posixpath.dirname(file.path)
        bare = replace(bare, key_path=posixpath.join(folder, str(user.get("client-key") or path)))
        path = posixpath.join(folder, path)
        if path not in files:
            return replace(bare, state="withheld")
        text = files[path].content
    else:
        text = _unbase64(str(user.get("client-certificate-data") or ""))
    found = load_pems(text)
    if not found:
        return replace(bare, state="unparsable")
    cert = described(bare, found[0])
    return replace(cert, signed_by=signer(found[0], authorities), content_sha256="" if path else cert.sha256)


def users_of_kubeconfig(content: str, authorities: Authorities = ()) -> tuple[tuple[str, str, str], ...]:
    """(name, subject, name of the signing CA) of each user of a kubeconfig that has an embedded certificate."""
    found: list[tuple[str, str, str]] = []
    for entry in _entries(_kubeconfig(content) or {}, "users"):
        user = entry.get("user")
        certs = load_pems(_unbase64(str(user.get("client-certificate-data") or ""))) if isinstance(user, dict) else ()
        name = str(entry.get("name") or "")
        found.extend((name, c.subject.rfc4514_string(), signer(c, authorities)) for c in certs[:1])
    return tuple(found)


def with_key(cert: Cert, key: tuple[str, str] | None) -> Cert:
    """The same with what is known of its private key: (state, sha256 of the public half), None: not looked at."""
    if key is None or key[0] == "no_openssl" or not cert.sha256:
        return cert
    state, digest = key
    if state == "together":
        state = "ok"  # whole, and written in the same moment: the probe did not compare them
    elif state != "ok":
        state = "missing" if state == "dangling" else state
    elif cert.public_sha256 and digest != cert.public_sha256:
        state = "mismatch"
    return replace(cert, key_state=state)


def described(cert: Cert, certificate: x509.Certificate) -> Cert:
    """The same Cert with everything a certificate tells."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as above: it warns again where the number is read
        serial = f"{certificate.serial_number:x}"
    names = [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return replace(
        cert,
        state="ok",
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        common_name=names[0] if names else "",
        organizations=tuple(str(a.value) for a in organizations),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        sans=_sans(certificate),
        usages=_usages(certificate),
        serial=serial,
        sha256=hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest(),
        public_sha256=public_sha256(certificate),
    )


def _sans(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    labels: dict[type, str] = {x509.DNSName: "DNS", x509.IPAddress: "IP", x509.UniformResourceIdentifier: "URI"}
    return tuple(f"{labels.get(type(n), 'other')}:{n.value}" for n in names)


def _usages(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(_USAGES.get(u, u.dotted_string) for u in usages)


def _kubeconfig(text: str) -> dict[str, Any] | None:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    return data if isinstance(data, dict) and "users" in data else None


def _entries(config: dict[str, Any], plural: str) -> list[dict[str, Any]]:
    entries = config.get(plural)
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _named(config: dict[str, Any], plural: str, singular: str, name: str) -> dict[str, Any]:
    """The entry of that name, else the only one there is, else nothing."""
    entries = _entries(config, plural)
    chosen = next((e for e in entries if name and e.get("name") == name), entries[0] if len(entries) == 1 else {})
    value = chosen.get(singular)
    return value if isinstance(value, dict) else {}


def _unbase64(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", errors="replace")
    except (binascii.Error, ValueError):
        return ""
