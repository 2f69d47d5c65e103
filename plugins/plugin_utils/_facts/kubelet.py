"""Facts of layer kubelet: its unit, configuration, credentials and last words."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import (
    Authorities,
    Cert,
    cert_of_pem,
    load_pems,
    public_sha256,
    rest_of_bundle,
    with_key,
)

__all__ = ["ADMIN_GROUPS", "AdminCredential", "Checkpoint", "KubeletFacts", "StaticPod", "parse", "read_kubeconfig"]

ADMIN_GROUPS = frozenset(("system:masters", "kubeadm:cluster-admins"))
_OWN_CA = re.compile(r"^CN=[^,]*-ca@\d+$")  # under which a kubelet signs its own
NODE_PREFIX = "system:node:"
_ERROR = re.compile(
    r"^[EF]\d{4} |^Error: |failed to run Kubelet|\"command failed\"|It has been 5m0s since a valid client"
)


@dataclass(frozen=True)
class AdminCredential:
    """A certificate with cluster-admin rights where only a node's own may lie."""

    path: str
    subject: str


@dataclass(frozen=True)
class StaticPod:
    """A file in the manifests directory as kubelet would read it."""

    path: str
    problem: str = ""  # empty | nul | not YAML | … ; empty string: a good Pod
    pod: str = ""  # namespace/name


@dataclass(frozen=True)
class Checkpoint:
    """A state file kubelet reads at its start."""

    path: str
    problem: str = ""  # empty string: it is JSON


@dataclass(frozen=True)
class KubeletFacts:
    """The kubelet as installed, configured and seen running."""

    version: str = ""
    node_name: str = ""  # from its client certificate, else --hostname-override, else hostname
    running: bool = False
    healthz: str = ""  # "ok", an error text, or empty where nobody listened
    config: FileFact | None = None  # config.yaml with content
    config_kind_ok: bool = False  # kind: KubeletConfiguration
    flags_env: FileFact | None = None  # kubeadm-flags.env, None where the unit names none
    kubeconfig: FileFact | None = None  # kubelet.conf, keys blanked
    kubeconfig_server: str = ""
    kubeconfig_cert: str = ""  # the client-certificate path it names, or "embedded", or empty
    bootstrap: FileFact | None = None  # None where the unit names none
    cert_dir: str = "/var/lib/kubelet/pki"
    client: Cert | None = None  # what the kubeconfig makes it use (usually kubelet-client-current.pem)
    client_link: str = ""  # where kubelet-client-current.pem points
    spare_clients: tuple[Cert, ...] = ()  # other dated kubelet-client-*.pem
    ca: Cert | None = None  # clientCAFile
    admin_credentials: tuple[AdminCredential, ...] = ()
    manifests: str = "/etc/kubernetes/manifests"
    static_pods: tuple[FileFact, ...] = ()  # every file there, without content
    fail_swap_on: bool = True
    rotates: bool = True
    log_tail: tuple[str, ...] = ()  # last lines of its journal that name an error, newest last
    name_sources: tuple[str, ...] = ()  # "client certificate=w1", "--hostname-override=w1", "hostname=w1"
    active: str = ""  # ActiveState of its unit
    enabled: str = ""  # UnitFileState
    load: str = ""  # LoadState: loaded | masked | not-found
    healthz_at: str = "127.0.0.1:10248"  # address and port of its own health endpoint; empty: switched off
    kubeconfig_problem: str = ""  # why kubelet.conf cannot be used, or empty
    pods: tuple[StaticPod, ...] = ()  # the files of static_pods as kubelet reads them
    checkpoints: tuple[Checkpoint, ...] = ()
    cpu_policy: str = "none"
    memory_policy: str = "None"
    config_named: bool = True  # it was told to read a configuration file
    ca_public: tuple[str, ...] = ()  # public keys of every CA in clientCAFile
    ca_others: tuple[Cert, ...] = ()  # the other certificates in clientCAFile
    serving: Cert | None = None  # what it shows to who asks it; None: it has not made one yet
    serving_at: str = "127.0.0.1:10250"  # address and port where it does so, as this node itself asks it
    addresses: tuple[tuple[str, str], ...] = ()  # (interface, address) of this node, of global scope
    hostname: str = ""
    # told (a flag or its configuration names the file) | rotation | itself (self-signed) | placed (by somebody, where its own would lie)
    serving_by: str = ""

    @property
    def well(self) -> bool:
        """Whether it runs and says so itself."""
        return self.running and (self.healthz == "ok" or not self.healthz_at)

    @property
    def current_pem(self) -> str:
        """The link through which kubelet finds its own certificate."""
        return f"{self.cert_dir}/kubelet-client-current.pem"


def parse(section: Section) -> KubeletFacts:
    """Typed facts from the section's records."""
    unit = _unit(section)
    config = section.file(section.value("config_path"))
    settings = _mapping(config.content) if config.usable else {}
    kubeconfig = section.file(section.value("kubeconfig_path"))
    problem, server, cert_path = read_kubeconfig(kubeconfig)
    cert_dir = section.value("cert_dir", "/var/lib/kubelet/pki")
    own_cas = load_pems(section.file(section.value("ca_path")).content)
    authorities: Authorities = tuple(("ca", each) for each in own_cas)
    client = _client(section, kubeconfig, cert_path, cert_dir, authorities)
    spares = _spares(section, cert_dir, client, authorities)
    names = _names(section, client, spares)
    pods = tuple(_static_pod(section.file(path)) for path in section.all("static_pod"))
    authority = _authority(section, authorities)
    serving, serving_by = _serving(section, settings, cert_dir, authorities)
    return KubeletFacts(
        version=_version(section),
        node_name=names[0].partition("=")[2] if names else "",
        running=bool(section.value("pid")),
        healthz=section.value("healthz").strip(),
        config=config,
        config_kind_ok=settings.get("kind") == "KubeletConfiguration",
        flags_env=section.file(section.value("flags_path")) if section.value("flags_path") else None,
        kubeconfig=kubeconfig,
        kubeconfig_server=server,
        kubeconfig_cert=cert_path,
        bootstrap=section.file(section.value("bootstrap_path")) if section.value("bootstrap_path") else None,
        cert_dir=cert_dir,
        client=client,
        client_link=section.file(f"{cert_dir}/kubelet-client-current.pem").link,
        spare_clients=spares,
        ca=authority,
        admin_credentials=_admins(section, client, cert_dir),
        manifests=section.value("manifests", "/etc/kubernetes/manifests"),
        static_pods=tuple(replace(section.file(path), content="") for path in section.all("static_pod")),
        fail_swap_on=bool(settings.get("failSwapOn", True)),
        rotates=_switch(section, "rotate-certificates", settings.get("rotateCertificates")),
        log_tail=_log(section),
        name_sources=names,
        active=unit.get("ActiveState", ""),
        enabled=unit.get("UnitFileState", ""),
        load=unit.get("LoadState", ""),
        healthz_at=section.value("healthz_at", "127.0.0.1:10248"),
        kubeconfig_problem=problem,
        pods=pods,
        checkpoints=tuple(_checkpoint(section.file(path)) for path in section.all("checkpoint")),
        cpu_policy=str(settings.get("cpuManagerPolicy") or "none"),
        memory_policy=str(settings.get("memoryManagerPolicy") or "None"),
        config_named=section.value("config_named") != "no",
        ca_public=tuple(public_sha256(each) for each in own_cas),
        ca_others=rest_of_bundle(authority, section.file(authority.path)) if authority else (),
        serving=serving,
        serving_by=serving_by,
        serving_at=section.value("serving_at", "127.0.0.1:10250"),
        addresses=tuple(
            (name, one) for name, _, one in (line.partition(" ") for line in section.all("address")) if one
        ),
        hostname=section.value("hostname").strip().lower(),
    )


def read_kubeconfig(fact: FileFact) -> tuple[str, str, str]:
    """(why it cannot be used, server, client certificate: path | embedded | empty) of a kubeconfig."""
    if not fact.usable:
        return fact.state, "", ""
    data = _mapping(fact.content)
    if not data:
        return "not a kubeconfig", "", ""
    context = _named(data.get("contexts"), str(data.get("current-context") or ""), "context")
    user = _named(data.get("users"), str(context.get("user") or ""), "user")
    server = str(_named(data.get("clusters"), str(context.get("cluster") or ""), "cluster").get("server") or "")
    if user.get("client-certificate-data"):
        return "" if server else "names no server", server, "embedded"
    if not context or not server:
        return "names no cluster to talk to", server, str(user.get("client-certificate") or "")
    return "", server, str(user.get("client-certificate") or "")


def _named(entries: Any, name: str, inner: str) -> dict[str, Any]:
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == name and isinstance(entry.get(inner), dict):
            return dict(entry[inner])
    return {}


def _mapping(text: str) -> dict[str, Any]:
    try:
        data = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _unit(section: Section) -> dict[str, str]:
    output = section.outputs.get("unit")
    pairs = (line.partition("=") for line in (output.text if output else "").splitlines())
    return {key: value for key, mark, value in pairs if mark}


def _version(section: Section) -> str:
    output = section.outputs.get("version")
    found = re.search(r"v\d+\.\d+\.\d+\S*", output.text if output else "")
    return found.group(0) if found else ""


def _cert(section: Section, path: str, key_path: str, authorities: Authorities) -> Cert:
    read = cert_of_pem(path, "pair", section.file(path), key_path, authorities)
    return with_key(read, section.keys.get(key_path))


def _client(
    section: Section, kubeconfig: FileFact, cert_path: str, cert_dir: str, authorities: Authorities
) -> Cert | None:
    if cert_path == "embedded":
        inside = replace(kubeconfig, content=_embedded(kubeconfig.content))
        read = cert_of_pem(kubeconfig.path, "kubeconfig", inside, kubeconfig.path, authorities)
        return with_key(read, section.keys.get(kubeconfig.path))
    path = section.value("client_path") or f"{cert_dir}/kubelet-client-current.pem"
    return _cert(section, path, section.value("client_key_path") or path, authorities)


def _embedded(content: str) -> str:
    found = re.search(r"client-certificate-data: *[\"']?([A-Za-z0-9+/=]+)", content)
    try:
        return base64.b64decode(found.group(1)).decode(errors="replace") if found else ""
    except (binascii.Error, ValueError):
        return ""


def _spares(section: Section, cert_dir: str, client: Cert | None, authorities: Authorities) -> tuple[Cert, ...]:
    current = f"{cert_dir}/kubelet-client-current.pem"
    used = {client.path} if client else set()
    if current in used:
        link = section.file(current).link
        used.add(link if link.startswith("/") else f"{cert_dir}/{link}")
    paths = sorted(
        path
        for path, fact in section.files.items()
        if path.startswith(f"{cert_dir}/kubelet-client-") and not fact.link and path not in used
    )
    return tuple(_cert(section, path, path, authorities) for path in paths)


def _authority(section: Section, authorities: Authorities) -> Cert | None:
    path = section.value("ca_path")
    if not path:
        return None
    return cert_of_pem("ca", "ca", section.file(path), "", authorities)


def _switch(section: Section, flag: str, setting: object) -> bool:
    """A flag counts more than the configuration."""
    told = section.value(flag)
    return told == "true" if told else bool(setting)


def _serving(
    section: Section, settings: dict[str, Any], cert_dir: str, authorities: Authorities
) -> tuple[Cert | None, str]:
    """The certificate it serves, and by whom it is there."""
    told = section.value("serving_path")
    if told:
        path, by = told, "told"
    elif _switch(section, "rotate-server-certificates", settings.get("serverTLSBootstrap")):
        path, by = f"{cert_dir}/kubelet-server-current.pem", "rotation"
    else:
        path, by = f"{cert_dir}/kubelet.crt", "itself"
        key = f"{cert_dir}/kubelet.key"
        if path not in section.files and section.keys.get(key, ("missing", ""))[0] == "missing":
            return None, by
    # All of cert_dir was told, and what lies elsewhere by name.
    file = section.files.get(path, FileFact(path, "missing"))
    key = {"rotation": path, "itself": f"{cert_dir}/kubelet.key"}.get(by, "")
    cert = with_key(cert_of_pem("kubelet-serving", "pair", file, key, authorities), section.keys.get(key))
    if by == "itself" and cert.sha256 and not _OWN_CA.search(cert.issuer):
        by = "placed"
    return cert, by


def _names(section: Section, client: Cert | None, spares: tuple[Cert, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for cert in (client, *spares):
        if cert and cert.common_name.startswith(NODE_PREFIX) and not any(n.startswith("client") for n in found):
            found.append("client certificate=" + cert.common_name.removeprefix(NODE_PREFIX))
    override = section.value("hostname_override")
    if override:
        found.append(f"--hostname-override={override}")
    elif section.value("hostname"):
        found.append("hostname=" + section.value("hostname").strip().lower())
    return tuple(found)


def _admins(section: Section, client: Cert | None, cert_dir: str) -> tuple[AdminCredential, ...]:
    certs = [client] if client and client.kind == "kubeconfig" else []
    for path, fact in section.files.items():
        # The link and the dated file behind it are one credential.
        if path.startswith(f"{cert_dir}/") and fact.usable and not fact.link:
            certs.append(_cert(section, path, path, ()))
    return tuple(AdminCredential(c.path, c.subject) for c in certs if ADMIN_GROUPS.intersection(c.organizations))


def _static_pod(fact: FileFact) -> StaticPod:
    if not fact.usable:
        return StaticPod(fact.path, fact.state)
    try:
        data = yaml.safe_load(fact.content)
    except (yaml.YAMLError, ValueError) as error:
        return StaticPod(fact.path, "is not YAML: " + " ".join(str(error).split())[:120])
    if not isinstance(data, dict) or data.get("kind") != "Pod":
        return StaticPod(fact.path, "is not of kind Pod")
    metadata = data.get("metadata") or {}
    if not metadata.get("name") or not (data.get("spec") or {}).get("containers"):
        return StaticPod(fact.path, "is a Pod without name or containers")
    return StaticPod(fact.path, "", f"{metadata.get('namespace') or 'default'}/{metadata['name']}")


def _checkpoint(fact: FileFact) -> Checkpoint:
    if not fact.usable:
        return Checkpoint(fact.path, fact.state)
    if fact.size > len(fact.content.encode()):  # longer than the probe sends
        return Checkpoint(fact.path)
    try:
        json.loads(fact.content)
    except ValueError as error:
        return Checkpoint(fact.path, f"is not JSON: {error}")
    return Checkpoint(fact.path)


def _log(section: Section) -> tuple[str, ...]:
    output = section.outputs.get("journal")
    lines = [line.strip() for line in (output.text if output else "").splitlines()]
    return tuple(line[:600] for line in lines if _ERROR.search(line))[-20:]
