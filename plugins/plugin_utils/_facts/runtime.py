"""Facts of layer runtime: the container runtime, its configuration and its containers."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = ["Container", "RuntimeFacts", "parse"]


@dataclass(frozen=True)
class Container:
    """A container of a kube-system static pod, the newest attempt of its name."""

    name: str  # container name: etcd, kube-apiserver, …
    id: str
    running: bool
    created: int = 0  # epoch seconds
    attempt: int = 0  # restarts kubelet counted


@dataclass(frozen=True)
class RuntimeFacts:
    """What runs containers here."""

    kind: str  # containerd | docker | crio | none
    socket: str
    socket_there: bool
    unit: str  # systemd unit name without .service
    config: FileFact | None = None  # /etc/containerd/config.toml or /etc/docker/daemon.json
    config_sha256: str = ""
    answers: bool | None = None  # None: could not be asked (no client on the node, or it timed out)
    containers: tuple[Container, ...] = ()
    log_tail: tuple[str, ...] = ()  # last lines of the unit's journal, only where it is not active

    def container(self, name: str) -> Container | None:
        """The newest container of that name."""
        return next((c for c in self.containers if c.name == name), None)


def parse(section: Section) -> RuntimeFacts:
    """Typed facts from the section's records."""
    raise NotImplementedError
