"""Facts of layer rbac: roles and bindings as one master's apiserver shows them, or only their names as its etcd does."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.certs import fingerprints
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.birth import known

__all__ = ["AggregatedApi", "AuthConfig", "RbacFacts", "RbacObject", "parse"]

_AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
_KEY = re.compile(r"/(clusterroles|clusterrolebindings|roles|rolebindings|configmaps)/(.+)$")
_OF_RESOURCE = {
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "roles": "Role",
    "rolebindings": "RoleBinding",
    "configmaps": "ConfigMap",
}
_WHY = {
    "none": "no control plane is here",
    "no_tool": "there is no curl on the node to ask with",
    "not_listening": "this node's kube-apiserver does not listen",
    "asking": "this node's kube-apiserver lets nobody on this node read roles",
}


@dataclass(frozen=True)
class RbacObject:
    """A role or binding that a fresh cluster has too. meaning: JSON of rules, or of roleRef and subjects; empty: not told."""

    meaning: str = ""
    autoupdate: bool = True  # false: a starting kube-apiserver leaves it as it is


@dataclass(frozen=True)
class AuthConfig:
    """ConfigMap kube-system/extension-apiserver-authentication: whom aggregated API servers shall believe."""

    keys: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()  # keys whose value is no certificate, or no JSON list
    client_cas: tuple[str, ...] = ()  # sha256 of each certificate
    front_proxy_cas: tuple[str, ...] = ()


@dataclass(frozen=True)
class AggregatedApi:
    """An APIService that another server serves."""

    name: str
    service: str
    available: str  # True, or "False (Reason)"


@dataclass(frozen=True)
class RbacFacts:
    """What this master tells of the cluster's roles."""

    source: str = ""  # api: with contents | etcd: names only | empty: nothing could be read
    why: str = ""  # why it is not read through the API
    credential: str = ""  # kubeconfig it was read with
    refused: tuple[str, ...] = ()  # "<kubeconfig>: @code=403" of those that may not
    version: str = ""  # of kube-apiserver, without v; empty: not told
    modes: tuple[str, ...] = ()  # --authorization-mode; empty: a file says it
    objects: dict[str, RbacObject] = field(default_factory=dict)  # "<Kind> [<namespace>/]<name>" of those a birth has
    custom: int = 0  # others
    config_maps: tuple[str, ...] = ()  # namespace/name in kube-system and kube-public
    auth_config: AuthConfig | None = None  # None: it is not there, or was not told (source is not api)
    aggregated: tuple[AggregatedApi, ...] = ()
    mended: tuple[str, ...] = ()  # --check: kinds of steps that were recorded instead of taken

    @property
    def enforced(self) -> bool:
        """Whether RBAC is among the authorizers; a configuration file says so nearly always."""
        return not self.modes or "RBAC" in self.modes


def parse(section: Section) -> RbacFacts:
    """Typed facts from the section's records. Raises ValueError where an answer is not what this API gives."""
    modes = tuple(word for word in section.value("modes").split(",") if word)
    state = section.value("api")
    if state == "asked":
        told = _by_api(section)
    elif "keys" in section.blobs:
        told = _by_etcd(section.blobs["keys"])
    else:
        told = {}
    refused = section.all("refused")
    why = "" if state == "asked" else "; ".join([_WHY.get(state, state), *refused])
    return RbacFacts(credential=section.value("credential"), refused=refused, modes=modes, why=why, **told)


def _answers(text: str) -> list[tuple[int, str]]:
    """(HTTP code, body) of each question, in order."""
    found: list[tuple[int, str]] = []
    body: list[str] = []
    for line in text.splitlines():
        if line.startswith("@code="):
            found.append((int(line[6:] or 0), "\n".join(body)))
            body = []
        else:
            body.append(line)
    return found


def _by_api(section: Section) -> dict[str, Any]:
    answers = _answers(section.blobs.get("objects", ""))
    tables = _answers(section.blobs.get("tables", ""))
    if len(answers) != 8 or len(tables) != 3 or any(code != 200 for code, _ in (*answers[:6], *tables[:2])):
        codes = ", ".join(str(code) for code, _ in (*answers, *tables))
        raise ValueError(f"not all of it was answered (HTTP {codes or 'nothing'})")
    objects: dict[str, RbacObject] = {}
    custom = 0
    kinds = (_KINDS[0], _KINDS[1], _KINDS[2], _KINDS[2], _KINDS[3], _KINDS[3])
    for kind, (_, body) in zip(kinds, answers, strict=False):
        for item in json.loads(body)["items"]:
            key = f"{kind} {_name(item['metadata'])}"
            if known(key):
                objects[key] = _object(item)
            else:
                custom += 1
    names = [
        f"{namespace}/{row[0]}"
        for namespace, (_, body) in zip(("kube-system", "kube-public"), tables, strict=False)
        for row in _rows(body)
    ]
    code, body = answers[6]
    return {
        "source": "api",
        "objects": objects,
        "custom": custom,
        "config_maps": tuple(names),
        "auth_config": _auth_config(json.loads(body).get("data") or {}) if code == 200 else None,
        "version": str(json.loads(answers[7][1])["gitVersion"]).removeprefix("v") if answers[7][0] == 200 else "",
        "aggregated": tuple(
            AggregatedApi(row[0], row[1], row[2])
            for row in (_rows(tables[2][1]) if tables[2][0] == 200 else [])
            if row[1] != "Local"
        ),
    }


def _name(meta: dict[str, Any]) -> str:
    return f"{meta['namespace']}/{meta['name']}" if "namespace" in meta else str(meta["name"])


def _object(item: dict[str, Any]) -> RbacObject:
    meaning = {key: item[key] for key in ("rules", "aggregationRule", "roleRef", "subjects") if item.get(key)}
    notes = item["metadata"].get("annotations") or {}
    return RbacObject(json.dumps(meaning, sort_keys=True), notes.get(_AUTOUPDATE) != "false")


def _rows(body: str) -> list[list[str]]:
    return [[str(cell) for cell in row["cells"]] for row in json.loads(body).get("rows") or []]


def _auth_config(data: dict[str, str]) -> AuthConfig:
    broken = []
    cas: dict[str, tuple[str, ...]] = {}
    for key, value in sorted(data.items()):
        if key.endswith("ca-file"):
            cas[key] = fingerprints(value)
            if not cas[key]:
                broken.append(key)
        elif not _is_list(value):
            broken.append(key)
    return AuthConfig(
        keys=tuple(sorted(data)),
        broken=tuple(broken),
        client_cas=cas.get("client-ca-file", ()),
        front_proxy_cas=cas.get("requestheader-client-ca-file", ()),
    )


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def _by_etcd(text: str) -> dict[str, Any]:
    answers = _answers(text)
    if not answers or any(code != 200 for code, _ in answers):
        return {}
    objects: dict[str, RbacObject] = {}
    config_maps = []
    custom = 0
    for _, body in answers:
        for item in json.loads(body).get("kvs") or []:
            found = _KEY.search(base64.b64decode(item["key"]).decode("utf-8", errors="replace"))
            if not found:
                continue
            kind, name = _OF_RESOURCE[found.group(1)], found.group(2)
            if kind == "ConfigMap":
                config_maps.append(name)
            elif known(f"{kind} {name}"):
                objects[f"{kind} {name}"] = RbacObject()
            else:
                custom += 1
    return {"source": "etcd", "objects": objects, "custom": custom, "config_maps": tuple(config_maps)}
