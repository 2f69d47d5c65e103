"""Facts of layer pki: every certificate of the control plane as it lies on disk and as it is served."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section

__all__ = ["Cert", "PkiFacts", "Served", "parse"]


@dataclass(frozen=True)
class Cert:
    """One certificate with its key: a pair of files, or the inside of a kubeconfig, or a CA."""

    name: str  # kubeadm's name: apiserver, etcd-server, admin.conf, ca … or the path where kubeadm has none
    path: str
    kind: str  # pair | kubeconfig | ca | user_kubeconfig (a copy of admin.conf in a home directory)
    state: str  # ok | missing | empty | nul | unreadable | dangling | unparsable
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

    def expired(self, now: datetime) -> bool:
        """Whether it is over at that moment (False where nothing could be read)."""
        return self.not_after is not None and self.not_after <= now


@dataclass(frozen=True)
class Served:
    """The certificate a process shows in a TLS handshake on this node."""

    component: str  # kube-apiserver | etcd | etcd-peer | kube-controller-manager | kube-scheduler | kubelet
    address: str  # ip:port
    sha256: str = ""  # of the DER certificate; empty where there was no handshake
    not_after: datetime | None = None
    file: str = ""  # name of the Cert that should be served, or empty (self-signed in memory)


@dataclass(frozen=True)
class PkiFacts:
    """All certificates of a node that has a part of the control plane, and its users' kubeconfigs."""

    directory: str
    certs: tuple[Cert, ...] = ()
    served: tuple[Served, ...] = ()
    kubeadm: str = ""  # version, or empty where it is not installed
    renew_command: str = ""  # "kubeadm certs renew" | "kubeadm alpha certs renew" | ""

    def cert(self, name: str) -> Cert | None:
        """The certificate of that name."""
        return next((c for c in self.certs if c.name == name), None)


def parse(section: Section) -> PkiFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
