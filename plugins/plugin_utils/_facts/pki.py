"""Facts of layer pki: every certificate of the control plane as it lies on disk and as it is served."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import (
    Authorities,
    Cert,
    cert_of_kubeconfig,
    cert_of_pem,
    described,
    load_pems,
    public_sha256,
    rest_of_bundle,
    users_of_kubeconfig,
    with_key,
)

__all__ = ["Cert", "PkiFacts", "Served", "parse"]


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
    conf_dir: str = "/etc/kubernetes"
    apiserver: str = ""  # host:port of this node's own apiserver by its flags
    openssl: bool = True  # whether keys and served certificates could be looked at
    others: tuple[Cert, ...] = ()  # what else the components' flags name, by "<component> <flag>"; never renewed by us
    bundled: tuple[
        Cert, ...
    ] = ()  # further certificates in the files above: other CAs of a bundle, the rest of a chain

    def cert(self, name: str) -> Cert | None:
        """The certificate of that name."""
        return next((c for c in self.certs if c.name == name), None)


def parse(section: Section) -> PkiFacts:
    """Typed facts from the section's records."""
    _gather(section)
    listed = [entry.split("|") for entry in section.all("cert")]
    rows = [(e[0], e[1], e[2], e[3]) for e in listed if len(e) == 4]
    authorities = tuple(
        (name, authority)
        for name, kind, path, _ in rows
        if kind == "ca"
        for authority in load_pems(section.file(path).content)
    )
    found: list[Cert] = []
    for name, kind, path, key in rows:
        cert = cert_of_pem(name, kind, section.file(path), key, authorities)
        if kind == "ca":
            cert = _ca_of_its_key(cert, section, key)
        found.append(with_key(cert, section.keys.get(key)))
    for entry in section.all("conf"):
        parts = entry.split("|")
        if len(parts) == 3 and not _is_link(section, parts):
            found.append(_conf(section, parts, authorities, tuple(found)))
    others = _others(section, authorities)
    files = [c for c in (*found, *others) if c.kind in ("pair", "ca")]
    kubeadm = section.value("kubeadm").strip().removeprefix("v")
    return PkiFacts(
        directory=section.value("dir"),
        certs=tuple(found),
        served=_served(section),
        kubeadm=kubeadm,
        renew_command=_renew_command(kubeadm),
        conf_dir=section.value("conf_dir", "/etc/kubernetes"),
        apiserver=section.value("apiserver"),
        openssl=section.value("openssl") != "no",
        others=others,
        bundled=tuple(more for c in files for more in rest_of_bundle(c, section.file(c.path))),
    )


def _gather(section: Section) -> None:
    """The section prints all certificates and public halves together: put them where they belong."""
    pems: dict[str, str] = {}
    for entry in section.all("pem"):
        path, _, body = entry.rpartition("|")
        lines = "\n".join(body[i : i + 64] for i in range(0, len(body), 64))
        pems[path] = pems.get(path, "") + f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n"
    for path, text in pems.items():
        if path in section.files:
            section.files[path] = replace(section.files[path], content=text)
    for entry in section.all("pub"):
        path, _, body = entry.rpartition("|")
        try:
            section.keys[path] = ("ok", hashlib.sha256(base64.b64decode(body)).hexdigest())
        except ValueError:
            section.keys[path] = ("unparsable", "")


def _ca_of_its_key(cert: Cert, section: Section, key: str) -> Cert:
    """In a bundle of several CAs the one that signs is the one the key fits."""
    digest = section.keys.get(key, ("", ""))[1]
    for authority in load_pems(section.file(cert.path).content):
        if digest and public_sha256(authority) == digest:
            return described(cert, authority)
    return cert


def _others(section: Section, authorities: Authorities) -> tuple[Cert, ...]:
    found: list[Cert] = []
    for entry in section.all("other"):
        component, _, rest = entry.partition("|")
        flag, _, rest = rest.partition("|")
        kind, _, path = rest.partition("|")
        name, file = f"{component} {flag}", section.file(path)
        if kind == "kubeconfig":
            found.append(cert_of_kubeconfig(name, kind, file, section.files, authorities=authorities))
        else:
            found.append(cert_of_pem(name, kind, file, "", authorities))
    return tuple(found)


def _is_link(section: Section, parts: list[str]) -> bool:
    """A home's kubeconfig that is only a link to admin.conf is renewed with it."""
    return parts[1] == "user_kubeconfig" and section.file(parts[2]).link.endswith("/admin.conf")


def _conf(section: Section, parts: list[str], authorities: Authorities, others: tuple[Cert, ...]) -> Cert:
    name, kind, path = parts
    file = section.file(path)
    users = users_of_kubeconfig(file.content, authorities)
    wanted = _admin_user(users, others) if kind == "user_kubeconfig" else ""
    cert = cert_of_kubeconfig(name, kind, file, section.files, authorities=authorities, wanted_user=wanted)
    if cert.key_path != path:
        cert = with_key(cert, section.keys.get(cert.key_path))
    if not any(authority == "ca" for authority, _ in authorities) or not cert.sha256:
        return cert
    return replace(cert, from_authority=cert.signed_by == "ca")


def _admin_user(users: tuple[tuple[str, str, str], ...], others: tuple[Cert, ...]) -> str:
    """Of a kubeconfig of many clusters, the user that this cluster's admin.conf is for."""
    admin = next((c for c in others if c.name == "admin.conf"), None)
    subject = admin.subject if admin else ""
    alike = [(name, by) for name, its, by in users if subject and its == subject]
    return next((name for name, by in alike if by == "ca"), alike[0][0] if alike else "")


def _served(section: Section) -> tuple[Served, ...]:
    found: list[Served] = []
    for label, output in section.outputs.items():
        parts = label.split("|")
        if parts[0] != "served" or len(parts) != 4:
            continue
        shown = load_pems(output.text)
        bare = Served(component=parts[1], address=parts[2], file=parts[3])
        if shown:
            told = described(Cert(parts[3], "", "pair", "ok"), shown[0])
            bare = replace(bare, sha256=told.sha256, not_after=told.not_after)
        found.append(bare)
    return tuple(found)


def _renew_command(kubeadm: str) -> str:
    """kubeadm took renewal out of alpha in 1.20."""
    parts = kubeadm.split(".")
    if len(parts) < 2 or not parts[1].isdigit():
        return ""
    return "kubeadm certs renew" if int(parts[1]) >= 20 else "kubeadm alpha certs renew"
