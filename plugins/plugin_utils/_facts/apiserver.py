"""Facts of layer apiserver: its manifest and what it answers on its own address."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = ["ApiserverFacts", "parse"]


@dataclass(frozen=True)
class ApiserverFacts:
    """The kube-apiserver of one master."""

    present: bool
    manifest: FileFact | None = None  # with content
    manifest_held: str = ""  # where a run put it aside, or empty
    parses: bool = False
    address: str = ""  # --advertise-address
    port: int = 6443
    etcd_servers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  # every --flag=value of the manifest, no secret among them
    listening: bool = False
    livez: int = 0  # HTTP code by its own address, 0: no answer
    readyz: int = 0
    readyz_failed: tuple[str, ...] = ()  # names of the checks that failed
    tls_error: str = ""  # why verification of its certificate failed, or empty
    log_tail: tuple[str, ...] = ()


def parse(section: Section) -> ApiserverFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
