"""Certificates that are near or past their end, signed by the cluster's real CA, the same in all else."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from kr_lab.host import LabError
from kr_lab.node import disk_of, inside
from kr_lab.state import Lab, Node

__all__ = ["expire", "expire_text", "expired_copy"]

_LIFE = timedelta(days=365)
_CA_KEYS = {
    "kubernetes": "/etc/kubernetes/pki/ca.key",
    "etcd-ca": "/etc/kubernetes/pki/etcd/ca.key",
    "front-proxy-ca": "/etc/kubernetes/pki/front-proxy-ca.key",
}
# What kubeadm makes on a master; super-admin.conf only since 1.29 and on the first one.
_KUBEADM = "/etc/kubernetes/"
_CONTROL_PLANE = (
    *("pki/apiserver.crt", "pki/apiserver-kubelet-client.crt", "pki/apiserver-etcd-client.crt"),
    *("pki/front-proxy-client.crt", "pki/etcd/server.crt", "pki/etcd/peer.crt", "pki/etcd/healthcheck-client.crt"),
    *("admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"),
)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
_EMBEDDED = re.compile(r"(client-certificate-data: )(\S+)")


def expired_copy(certificate: x509.Certificate, ca_key: object, ended: datetime) -> x509.Certificate:
    """The certificate with the same key, names, extensions and issuer, valid until that moment."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ended - _LIFE)
        .not_valid_after(ended)
    )
    for extension in certificate.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(ca_key, hashes.SHA256())  # type: ignore[arg-type]  # a key of whatever kind the CA has


def expire_text(text: str, ca_keys: dict[str, bytes], ended: datetime) -> str:
    """The same file (PEM, PEM with a key, or kubeconfig) with its client certificate expired."""

    def again(pem: str) -> str:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        issuer = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        if issuer not in ca_keys:
            raise LabError(f"no CA '{issuer!s}' among the cluster's: {', '.join(ca_keys)}")
        key = serialization.load_pem_private_key(ca_keys[str(issuer)], None)
        return expired_copy(certificate, key, ended).public_bytes(serialization.Encoding.PEM).decode()

    embedded = _EMBEDDED.search(text)
    if embedded:
        fresh = again(base64.b64decode(embedded[2]).decode())
        return text.replace(embedded[2], base64.b64encode(fresh.encode()).decode())
    block = _PEM.search(text)
    if not block:
        raise LabError("neither a certificate nor a kubeconfig with one")
    return text.replace(block[0], again(block[0]), 1)


def expire(lab: Lab, nodes: Sequence[Node], files: Iterable[str] | str, left: timedelta) -> None:
    """Rewrite these files on these nodes with certificates that have so much time left; absent files stay absent.

    files: paths, or "control-plane" for all that kubeadm makes on a master.
    """
    signer = disk_of(lab, lab.nodes[0])
    ca_keys = {name: inside(signer, path).read_bytes() for name, path in _CA_KEYS.items()}
    ended = datetime.now(timezone.utc).replace(tzinfo=None, microsecond=0) + left
    if isinstance(files, str) and files != "control-plane":
        raise LabError(f"expire: a list of files, or control-plane, not {files!r}")
    wanted = [_KUBEADM + name for name in _CONTROL_PLANE] if isinstance(files, str) else list(files)
    for node in nodes:
        root = disk_of(lab, node)
        for path in (inside(root, name) for name in wanted):
            if path.exists():
                # Written over in place, so that owner, mode and links stay as they are.
                path.write_text(expire_text(path.read_text(encoding="utf-8"), ca_keys, ended), encoding="utf-8")
