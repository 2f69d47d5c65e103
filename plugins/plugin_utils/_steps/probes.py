"""Repair of probes that may not ask kube-apiserver, or ask it in the wrong place: the new manifest is made here, by version."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import manifest_edit as edit
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts, flag_value
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.probes import misdirected, unauthorized
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps import Planned, Refused, StepKind, register
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import asking_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.birth import minor_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node

# Since then single paths can be opened to everybody without a feature gate.
_CONDITIONS_SINCE = 32
_IMAGE = re.compile(r"kube-apiserver[^\s\"']*:v(1\.\d+)")
_PATHS = {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
_FILE = "authentication-config.yaml"
_VOLUME = "authentication-config"
_FLAGS = ("anonymous-auth",)
_INSECURE = ("insecure-port", "insecure-bind-address")


@dataclass
class _Change:
    """What will be written."""

    text: str  # the manifest
    says: list[str] = field(default_factory=list)
    remove: tuple[str, ...] = ()  # flags, also in kubeadm's configuration
    add: dict[str, str] = field(default_factory=dict)
    mount: str = ""
    authn_file: str = ""
    authn: str = ""
    patched: tuple[str, ...] = ()  # probes that kubeadm cannot keep by its configuration


def _plan(node: Node, cluster: Cluster, findings: tuple[Finding, ...]) -> Planned | Refused:
    api = node.apiserver
    if api is None or api.manifest is None or not api.manifest.usable:
        return Refused("its manifest could not be read")
    if api.manifest_held:
        return Refused(f"its manifest is put aside: {api.manifest_held}; looked at again when it is back")
    if node.kubelet is not None and not node.kubelet.running:
        return Refused("kubelet does not run here, so it would start nothing; looked at again when it does")
    found = _IMAGE.search(api.manifest.content)
    minor = minor_of(found.group(1) if found else node.kubelet.version if node.kubelet else "")
    if minor is None:
        return Refused("its version is not known, and what it accepts depends on it")
    try:
        everybody = str(cluster.settings.get("kuberevive_anonymous_auth", "")).lower() in ("true", "yes", "1")
        change = _change(api, minor, everybody, _conf_dir(node))
    except edit.ManifestError as error:
        return Refused(f"{api.manifest.path}: {error}")
    return Planned("; ".join(change.says), _args(node, api, change))


def _conf_dir(node: Node) -> str:
    assert node.apiserver is not None
    assert node.apiserver.manifest is not None
    return node.apiserver.manifest.path.rpartition("/")[0].rpartition("/")[0]


def _change(api: ApiserverFacts, minor: int, everybody: bool, conf_dir: str) -> _Change:
    assert api.manifest is not None
    change = _Change(api.manifest.content)
    wrong = tuple(p.kind for p in misdirected(api))
    closed = api.open_paths is not None
    kinds = (*(p.kind for p in unauthorized(api)), *(wrong if closed else ()))
    if wrong:
        host = next((p.host for p in api.probes if p.host and p.port == api.port), api.address)
        change.text = edit.https_probes(change.text, wrong, api.port, _PATHS, host)
        change.says.append(f"point the {' and '.join(wrong)} probe of kube-apiserver to https on port {api.port}")
        open_flags = tuple(name for name in _INSECURE if flag_value(api.flags, name) not in ("", "0"))
        if open_flags and minor >= 20:
            change.text, change.remove = edit.set_flags(change.text, open_flags), open_flags
            change.says.append(f"drop {' and '.join(f'--{name}' for name in open_flags)}")
    if kinds and everybody:
        _open_to_everybody(api, change)
    elif kinds and minor >= _CONDITIONS_SINCE:
        _open_health(api, change, minor, f"{conf_dir}/{_FILE}")
    elif kinds:
        change.text = edit.tcp_probes(change.text, kinds, api.port)
        change.patched = kinds
        change.says.append(f"let kubelet's {', '.join(kinds)} probe only ask whether port {api.port} is open")
    return change


def _open_to_everybody(api: ApiserverFacts, change: _Change) -> None:
    if api.authn_path:
        raise edit.ManifestError(f"{api.authn_path} says who may ask without a name: change it there")
    change.text = edit.set_flags(change.text, _FLAGS)
    change.remove = (*change.remove, *_FLAGS)
    change.says.append("let everybody ask kube-apiserver without a name again (kuberevive_anonymous_auth)")


def _open_health(api: ApiserverFacts, change: _Change, minor: int, place: str) -> None:
    says = "let everybody ask kube-apiserver for /livez, /readyz and /healthz, and nothing else"
    if api.authn_path and api.authn_file is not None and api.authn_file.usable:
        change.authn_file, change.authn = api.authn_file.path, edit.allow_health(api.authn_file.content)
        digest = hashlib.sha256(change.authn.encode()).hexdigest()[:16]
        change.text = edit.annotate(change.text, "kuberevive/authentication-config", digest)
    else:
        change.authn_file, change.authn = place, edit.authentication_configuration(minor)
        change.add = {"authentication-config": place}
        change.mount = place
        change.remove = (*change.remove, *_FLAGS)
        change.text = edit.mount_file(edit.set_flags(change.text, _FLAGS, change.add), _VOLUME, place)
    change.says.append(f"{says} ({change.authn_file})")


def _args(node: Node, api: ApiserverFacts, change: _Change) -> dict[str, Any]:
    assert api.manifest is not None
    patch = edit.patch_for_kubeadm(change.text, change.patched) if change.patched else ""
    old = api.authn_file.content if api.authn_file is not None and change.authn_file == api.authn_file.path else ""
    return {
        **asking_args(node),
        "file": api.manifest.path,
        "sha256": _sha256(api.manifest.content),
        "content": _b64(change.text),
        "new_sha256": _sha256(change.text),
        "mode": api.manifest.mode or "600",
        "owner": api.manifest.owner or "root:root",
        "authn_file": change.authn_file,
        "authn": _b64(change.authn),
        "authn_sha256": _sha256(old) if old else "",
        "patch_file": f"{_conf_dir(node)}/patches/kube-apiserver+strategic.yaml" if patch else "",
        "patch": _b64(patch),
        "started": api.started,
        "conf_dir": node.pki.conf_dir if node.pki else _conf_dir(node),
        "ca_key": "",
        "kubeadm": {"remove": list(change.remove), "add": change.add, "mount": change.mount},
    }


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _effect(node: Node, args: Mapping[str, Any]) -> Node:
    api = node.apiserver
    return node if api is None else replace(node, apiserver=replace(api, probes=(), open_paths=None))


register(StepKind("apiserver_probes", "apiserver", 5, _plan, _effect))
