"""What kubelets ask to be signed as their serving certificates, as an API server tells it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.podlog import moment

__all__ = ["SIGNER", "ServingRequest", "read_request", "read_requests"]

SIGNER = "kubernetes.io/kubelet-serving"
_CODE = re.compile(r"^@code=(\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class ServingRequest:
    """A CertificateSigningRequest that waits for somebody to approve or deny it."""

    name: str
    uid: str
    version: str  # resourceVersion: of exactly this object
    created: datetime | None
    username: str  # who asked, as the API server knew it
    groups: tuple[str, ...]
    usages: tuple[str, ...]
    signer: str
    pem: str  # the request itself
    api: str = "v1"  # version of certificates.k8s.io it was read in


def read_requests(text: str) -> tuple[ServingRequest, ...] | None:
    """Newest first; None where the API server did not tell. text: what kr_requests of api.sh prints."""
    codes = _CODE.findall(text)
    if not codes or codes[-1] != "200":
        return None
    api, found = "v1", []
    for line in text.splitlines():
        if line.startswith("@version="):
            api = line.partition("=")[2]
        elif line.startswith('{"metadata":') and (one := read_request(line, api)) is not None:
            found.append(one)
    return tuple(sorted(found, key=lambda r: (str(r.created), r.name), reverse=True))


def read_request(line: str, api: str) -> ServingRequest | None:
    """One of them, with whatever ends the list behind it; nothing where it is none that waits."""
    try:
        data, _ = json.JSONDecoder().raw_decode(line)
        meta, spec = data["metadata"], data["spec"]
        pem = base64.b64decode(spec["request"]).decode("ascii")
        waits = not (data.get("status") or {})
        if not waits:
            return None
        return ServingRequest(
            name=str(meta["name"]),
            uid=str(meta["uid"]),
            version=str(meta["resourceVersion"]),
            created=moment(str(meta.get("creationTimestamp") or "")),
            username=str(spec.get("username") or ""),
            groups=_words(spec.get("groups")),
            usages=_words(spec.get("usages")),
            signer=str(spec.get("signerName") or ""),
            pem=pem,
            api=api,
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return None


def _words(value: Any) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ()
