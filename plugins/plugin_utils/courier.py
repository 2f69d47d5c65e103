"""Encryption keys on their way: from a node to this worker's memory, and on to another node. They are never in a result.

A node encrypts what it sends to a throw-away certificate, since Ansible prints what comes back when it is told to debug; what
is sent to a node goes over SSH's stdin, which it does not print. One task's loop runs in one worker process, so what its first
items fetched the later ones still have; the process ends with the task, and the keys with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    ConfigRefused,
    Rule,
    read_document,
    rules_of,
)

__all__ = ["MARK", "Courier", "CourierError", "here", "printed_rules"]

# The first line of a configuration that holds the keys of all masters for as long as records are rewritten.
MARK = b"# kuberevive: keys of all masters, until every record is rewritten under the first one"


class CourierError(Exception):
    """What came cannot be opened; the sentence says why."""


@dataclass
class Courier:
    """What one worker process holds. Nothing of it is ever shown."""

    _key: Any = field(default=None, repr=False)
    _certificate: Any = field(default=None, repr=False)
    _files: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)  # (host, path) -> content
    _current: dict[str, str] = field(default_factory=dict, repr=False)  # host -> path
    unread: dict[str, str] = field(default_factory=dict, repr=False)  # host -> why
    tried: bool = False  # the keys were tried on the records

    def certificate(self) -> str:
        """What nodes encrypt to, PEM; made on first use."""
        if self._certificate is None:
            self._key = rsa.generate_private_key(65537, 2048)
            name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kuberevive run")])
            now = datetime.now(timezone.utc)
            builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
            # Nodes' clocks may be anywhere, and its time is not what it is trusted for.
            builder = builder.not_valid_before(now - timedelta(days=3650)).not_valid_after(now + timedelta(days=3650))
            self._certificate = builder.serial_number(x509.random_serial_number()).sign(self._key, hashes.SHA256())
        pem: bytes = self._certificate.public_bytes(serialization.Encoding.PEM)
        return pem.decode()

    def take(self, host: str, current: str, sealed: str) -> None:
        """Open what the host sent. Raises CourierError."""
        decrypt = getattr(pkcs7, "pkcs7_decrypt_der", None)
        if decrypt is None:
            raise CourierError("Python's cryptography on this machine is older than 44: pip install -U cryptography")
        try:
            packed = decrypt(base64.b64decode(sealed, validate=True), self._certificate, self._key, []).decode("ascii")
        except (ValueError, TypeError):
            raise CourierError("what came was cut off or is not for this run") from None
        self._current[host] = current
        path = ""
        coded: dict[str, list[str]] = {}
        for line in packed.splitlines():
            if line.startswith("@file "):
                path = line[6:]
            elif path:
                coded.setdefault(path, []).append(line)
        for name, lines in coded.items():
            self._files[host, name] = base64.b64decode("".join(lines))

    def content(self, host: str, path: str) -> bytes:
        """That file as it lies there. Raises CourierError where it did not come."""
        try:
            return self._files[host, path]
        except KeyError:
            raise CourierError(f"{path} of {host} did not come") from None

    def candidates(self) -> tuple[Candidate, ...]:
        """Every configuration, with fingerprints in the place of keys."""
        found = []
        for (host, path), content in self._files.items():
            current = self._current[host] == path
            try:
                found.append(Candidate(host, path, current, printed_rules(_document(content)), union=MARK in content))
            except ConfigRefused:
                # Why is said by the check that reads it without its keys; these words might hold one.
                found.append(Candidate(host, path, current, problem="it is nothing that an apiserver would take"))
        return tuple(found)

    def keys(self) -> dict[tuple[str, str], bytes]:
        """(provider, fingerprint) -> key, of every configuration that parses."""
        found: dict[tuple[str, str], bytes] = {}
        for content in self._files.values():
            try:
                document = _document(content)
                printed_rules(document)
            except ConfigRefused:
                continue
            for provider, secret in _secrets(document):
                found[provider, hashlib.sha256(secret).hexdigest()] = secret
        return found

    def document(self, host: str, path: str) -> Any:
        """That configuration as values, with its keys. Raises CourierError or ConfigRefused."""
        return _document(self.content(host, path))


_COURIER = Courier()


def here() -> Courier:
    """This process's own."""
    return _COURIER


def _document(content: bytes) -> Any:
    return read_document(content.decode("utf-8", errors="replace"))


def printed_rules(document: Any) -> tuple[Rule, ...]:
    """What a configuration with keys says, as the probe would have told it. Raises ConfigRefused."""
    return rules_of(_printed(document))


def _printed(value: Any) -> Any:
    """The document with every secret replaced by what the probe prints in its place."""
    if isinstance(value, dict):
        return {k: _print(v) if k == "secret" else _printed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_printed(v) for v in value]
    return value


def _print(value: Any) -> str:
    secret = _decoded(value)
    return f"sha256-{hashlib.sha256(secret).hexdigest()}-{len(secret)}" if secret else ""


def _decoded(value: Any) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _secrets(document: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    for rule in document["resources"]:
        for provider in rule["providers"]:
            for kind, content in provider.items():
                for key in (content or {}).get("keys") or []:
                    yield str(kind), _decoded(key["secret"])
