"""Facts of layer kubelet: its unit, configuration, credentials and last words."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.pki import Cert

__all__ = ["AdminCredential", "KubeletFacts", "parse"]


@dataclass(frozen=True)
class AdminCredential:
    """A certificate with cluster-admin rights where only a node's own may lie."""

    path: str
    subject: str


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


def parse(section: Section) -> KubeletFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
