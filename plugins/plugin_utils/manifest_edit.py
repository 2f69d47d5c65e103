"""Changes to a static pod's manifest and to kubeadm's memory of it: text in, text out, everything else left as it was. Pure."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.probes import HEALTH

__all__ = [
    "ManifestError",
    "allow_health",
    "annotate",
    "authentication_configuration",
    "edit_cluster_configuration",
    "https_probes",
    "mount_file",
    "patch_for_kubeadm",
    "set_flags",
    "tcp_probes",
]

_HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


class ManifestError(ValueError):
    """The text is not of the shape that could be changed safely; the message says what is unexpected."""


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.default_flow_style = False
    return yaml


def _load(text: str) -> Any:
    try:
        return _yaml().load(text)
    except YAMLError as error:
        raise ManifestError(" ".join(str(error).split())) from None


def _dump(document: Any) -> str:
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue()


def _container(pod: Any) -> Any:
    try:
        container = pod["spec"]["containers"][0]
        words = container["command"]
    except (KeyError, IndexError, TypeError):
        raise ManifestError("it has no spec.containers with a command") from None
    if not all(isinstance(word, str) for word in words):
        raise ManifestError("its command is no list of words")
    return container


def set_flags(text: str, remove: tuple[str, ...] = (), add: dict[str, str] | None = None) -> str:
    """The manifest with these flags gone and those given (in the place of an old one of the same name, else at the end)."""
    pod = _load(text)
    container = _container(pod)
    gone = {*remove, *(add or {})}
    for key in ("command", "args"):
        words = container.get(key)
        for index in reversed(range(len(words or ()))):
            if words[index].startswith("-") and words[index].lstrip("-").partition("=")[0] in gone:
                del words[index]
    container["command"].extend(f"--{name}={value}" for name, value in (add or {}).items())
    return _dump(pod)


def mount_file(text: str, name: str, path: str) -> str:
    """The manifest with that file of the node readable at the same path; unchanged where something of that name is mounted."""
    pod = _load(text)
    container = _container(pod)
    mounts = container.setdefault("volumeMounts", [])
    volumes = pod["spec"].setdefault("volumes", [])
    if not any(mount.get("name") == name for mount in mounts):
        mounts.append({"mountPath": path, "name": name, "readOnly": True})
    if not any(volume.get("name") == name for volume in volumes):
        volumes.append({"hostPath": {"path": path, "type": "File"}, "name": name})
    return _dump(pod)


def annotate(text: str, name: str, value: str) -> str:
    """The manifest with that annotation: another manifest, so kubelet starts the pod anew, which reads its files anew."""
    pod = _load(text)
    _container(pod)
    pod["metadata"].setdefault("annotations", {})[name] = value
    return _dump(pod)


def tcp_probes(text: str, kinds: tuple[str, ...], port: int) -> str:
    """The manifest with these probes (startup, liveness, readiness) asking only whether the port is open."""
    pod = _load(text)
    container = _container(pod)
    for kind in kinds:
        probe = container[f"{kind}Probe"]
        for handler in _HANDLERS:
            probe.pop(handler, None)
        probe["tcpSocket"] = {"host": "127.0.0.1", "port": port}
    return _dump(pod)


def https_probes(text: str, kinds: tuple[str, ...], port: int, paths: dict[str, str], host: str) -> str:
    """The manifest with these probes asking the port that is served, by https, for that path of each."""
    pod = _load(text)
    container = _container(pod)
    for kind in kinds:
        probe = container[f"{kind}Probe"]
        for handler in _HANDLERS:
            probe.pop(handler, None)
        probe["httpGet"] = {"host": host, "path": paths[kind], "port": port, "scheme": "HTTPS"}
    return _dump(pod)


def authentication_configuration(minor: int) -> str:
    """One that lets everybody ask whether the API server lives, and nothing else. Since 1.32; v1 since 1.34."""
    version = "v1" if minor >= 34 else "v1beta1"
    paths = "\n".join(f"  - path: {path}" for path in HEALTH)
    return (
        f"apiVersion: apiserver.config.k8s.io/{version}\n"
        "kind: AuthenticationConfiguration\n"
        "anonymous:\n"
        "  enabled: true\n"
        f"  conditions:\n{paths}\n"
    )


def allow_health(configuration: str) -> str:
    """The operator's AuthenticationConfiguration with those paths open to everybody, all else as it was."""
    document = _load(configuration)
    if not isinstance(document, dict) or document.get("kind") != "AuthenticationConfiguration":
        raise ManifestError("it is no AuthenticationConfiguration")
    told = document.get("anonymous")
    conditions = list(told.get("conditions") or []) if isinstance(told, dict) and told.get("enabled") else []
    there = [str(each.get("path")) for each in conditions]
    conditions += [{"path": path} for path in HEALTH if path not in there]
    document["anonymous"] = {"enabled": True, "conditions": conditions}
    return _dump(document)


def edit_cluster_configuration(
    text: str, remove: tuple[str, ...] = (), add: dict[str, str] | None = None, mount: str = ""
) -> str:
    """kubeadm's ClusterConfiguration with the same change of kube-apiserver's flags and one more mounted file.

    extraArgs is a mapping up to v1beta3 and a list of name and value since v1beta4.
    """
    document = _load(text)
    if not isinstance(document, dict) or document.get("kind") != "ClusterConfiguration":
        raise ManifestError("it is no ClusterConfiguration")
    server = document.get("apiServer")
    if server is None:
        server = document["apiServer"] = {}
    listed = not str(document.get("apiVersion", "")).endswith(("v1beta1", "v1beta2", "v1beta3"))
    arguments = server.get("extraArgs")
    gone = {*remove, *(add or {})}
    if listed:
        kept: Any = [a for a in arguments or [] if a.get("name") not in gone]
        kept += [{"name": name, "value": value} for name, value in (add or {}).items()]
    else:
        kept = {name: value for name, value in (arguments or {}).items() if name not in gone}
        kept.update(add or {})
    if kept:
        server["extraArgs"] = kept
    else:
        server.pop("extraArgs", None)
    volumes = server.get("extraVolumes") or []
    if mount and not any(v.get("mountPath") == mount for v in volumes):
        name = "authentication-config"
        volumes.append({"name": name, "hostPath": mount, "mountPath": mount, "readOnly": True, "pathType": "File"})
        server["extraVolumes"] = volumes
    return _dump(document)


def patch_for_kubeadm(text: str, kinds: tuple[str, ...]) -> str:
    """These probes of the manifest as a strategic patch, which kubeadm (--patches) applies to what it generates."""
    container = _container(_load(text))
    probes: dict[str, Any] = {}
    for kind in kinds:
        probe = container[f"{kind}Probe"]
        others = {handler: None for handler in _HANDLERS if handler not in probe}
        probes[f"{kind}Probe"] = {**{k: probe[k] for k in probe if k in _HANDLERS}, **others}
    return _dump({"spec": {"containers": [{"name": str(container["name"]), **probes}]}})
