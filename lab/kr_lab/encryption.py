"""Secrets encrypted at rest: an EncryptionConfiguration on every master, before kubeadm makes the first apiserver."""

from __future__ import annotations

import base64
import secrets
from typing import Any

import yaml

from kr_lab.host import LabError, each
from kr_lab.node import node_sh
from kr_lab.state import Lab

__all__ = ["PROVIDERS", "api_server", "check_provider", "configuration", "write_configuration"]

PROVIDERS = ("aescbc", "aesgcm", "secretbox")
# On the node it lies where nobody would look for it; in the container it has another path.
_HOST = "/data/kubernetes"
_MOUNT = "/etc/kubernetes/encryption"
_FILE = "secrets.conf"


def check_provider(name: str) -> str:
    """The provider's name, or empty for none."""
    if name and name not in PROVIDERS:
        raise LabError(f"no encryption provider '{name}': {', '.join(PROVIDERS)}")
    return name


def configuration(provider: str, key: bytes) -> str:
    """The file's text."""
    keys = {"keys": [{"name": "key1", "secret": base64.b64encode(key).decode()}]}
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{provider: keys}, {"identity": {}}]}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def write_configuration(lab: Lab) -> None:
    """The same new key on every master, only for root; it is in no command line."""
    text = configuration(lab.encryption, secrets.token_bytes(32))
    script = f"umask 077; mkdir -p {_HOST}; cat > {_HOST}/{_FILE}"
    each(lambda node: node_sh(lab, node, script, stdin=text), [n for n in lab.nodes if n.role == "master"])


def api_server(lab: Lab, listed: bool) -> dict[str, Any]:
    """What ClusterConfiguration.apiServer needs for it. listed: arguments are a list (kubeadm's v1beta4)."""
    if not lab.encryption:
        return {}
    name, value = "encryption-provider-config", f"{_MOUNT}/{_FILE}"
    volume = {"name": "encryption", "hostPath": _HOST, "mountPath": _MOUNT, "readOnly": True, "pathType": "Directory"}
    return {"extraArgs": [{"name": name, "value": value}] if listed else {name: value}, "extraVolumes": [volume]}
