"""How kubelet asks a kube-apiserver whether it lives, and whom that kube-apiserver lets ask: from manifest and configuration file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["HEALTH", "Probe", "anonymous_paths", "parse_probes"]

HEALTH = ("/livez", "/readyz", "/healthz")
_KINDS = ("startup", "liveness", "readiness")
_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


@dataclass(frozen=True)
class Probe:
    """One probe of the container."""

    kind: str  # startup | liveness | readiness
    handler: str  # httpGet | tcpSocket | exec | grpc
    port: int = 0  # 0: exec, or a name that no port of the container has
    scheme: str = ""  # of httpGet
    path: str = ""
    host: str = ""
    authorized: bool = False  # it sends an Authorization header
    seconds: int = 0  # from the container's start until kubelet gives up
    period: int = 10

    @property
    def url(self) -> str:
        """What it asks."""
        if self.handler == "httpGet":
            return f"{self.scheme.lower()}://{self.host or '<pod>'}:{self.port}{self.path}"
        return f"{self.handler} {self.port}" if self.port else self.handler

    @property
    def kills(self) -> bool:
        """Whether kubelet ends the container when it fails (a readiness probe only takes it out of services)."""
        return self.kind != "readiness"


def parse_probes(manifest: str) -> tuple[Probe, ...]:
    """The probes of the pod's first container. Raises yaml.YAMLError, KeyError, TypeError, ValueError where it is no Pod."""
    container = yaml.safe_load(manifest)["spec"]["containers"][0]
    named = {port.get("name"): port.get("containerPort") for port in container.get("ports") or []}
    found = []
    for kind in _KINDS:
        raw = container.get(f"{kind}Probe")
        if raw:
            found.append(_probe(kind, raw, named))
    return tuple(found)


def _probe(kind: str, raw: dict[str, Any], named: dict[str, int]) -> Probe:
    handler = next((name for name in _HANDLERS if name in raw), "exec")
    asked = raw.get(handler) or {}
    port = asked.get("port", 0) if handler != "exec" else 0
    period = int(raw.get("periodSeconds", 10))
    return Probe(
        kind,
        handler,
        int(named.get(port) or 0) if isinstance(port, str) and not port.isdigit() else int(port),
        str(asked.get("scheme", "HTTP")) if handler == "httpGet" else "",
        str(asked.get("path", "/")) if handler == "httpGet" else "",
        str(asked.get("host", "")) if handler != "exec" else "",
        any(str(h.get("name", "")).lower() == "authorization" for h in asked.get("httpHeaders") or ()),
        int(raw.get("initialDelaySeconds", 0)) + period * int(raw.get("failureThreshold", 3)),
        period,
    )


def anonymous_paths(flag: str, configuration: str) -> tuple[str, ...] | None:
    """Paths that may be asked without a name; None: all. flag: --anonymous-auth; configuration: AuthenticationConfiguration.

    Raises ValueError where the configuration cannot be understood.
    """
    told: Any = None
    if configuration:
        try:
            document = yaml.safe_load(configuration)
        except yaml.YAMLError as error:
            raise ValueError(" ".join(str(error).split())) from None
        if not isinstance(document, dict) or document.get("kind") != "AuthenticationConfiguration":
            raise ValueError("it is no AuthenticationConfiguration")
        told = document.get("anonymous")
    if isinstance(told, dict):
        if not told.get("enabled"):
            return ()
        conditions = told.get("conditions")
        return tuple(str(each.get("path", "")) for each in conditions) if conditions else None
    return () if flag.lower() == "false" else None
