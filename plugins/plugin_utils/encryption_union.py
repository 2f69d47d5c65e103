"""From the configurations of masters that wrote with several keys: one with all keys, and one with the key that stays. Pure.

Documents here hold keys: they are values of one worker process and never shown.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import Candidate, Opened
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.courier import MARK
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import (
    Record,
    fits_by_padding,
    opener,
    opens,
    read,
)

__all__ = ["Keeper", "Ledger", "base_of", "keeper", "rewritten", "single", "union"]

Keeper = tuple[str, str, str]  # provider, name and fingerprint of the key that stays


class Ledger:
    """Which record is under which key: names, and the whole of those few that another key would pass for its own."""

    def __init__(self, keys: Mapping[tuple[str, str], bytes]) -> None:
        """keys: (provider, fingerprint) -> key."""
        self._keys = keys
        self._names: dict[tuple[str, str, str, str], list[str]] = {}  # (resource, provider, key's name, fingerprint)
        self._passing: list[tuple[Record, str, tuple[str, ...]]] = []  # record, its key's fingerprint, the others'

    def add(self, resource: str, records: Iterable[Record]) -> None:
        """Enter these; what no key opens stays out. Raises ValueError where the end of an aescbc record was not read."""
        for record in records:
            try:
                own = opener(record, self._keys)
            except ValueError:  # cut off: it stays as it is, and is named as unreadable
                continue
            if not own:
                continue
            self._names.setdefault((resource, record.provider, record.key_name, own), []).append(record.name)
            others = self._passed_by(record, own)
            if others:
                self._passing.append((record, own, others))

    def _passed_by(self, record: Record, own: str) -> tuple[str, ...]:
        if record.provider != "aescbc":  # the others have a MAC
            return ()
        rivals = [(f, key) for (kind, f), key in self._keys.items() if kind == "aescbc" and f != own]
        return tuple(f for f, key in rivals if fits_by_padding(record, key))

    @property
    def opened(self) -> tuple[Opened, ...]:
        """Which key opens how many records of which resource."""
        return tuple(Opened(*mark, len(names)) for mark, names in self._names.items())

    def not_under(self, keep: Keeper) -> list[tuple[str, str]]:
        """(resource, name in etcd) of every record that opens with another key."""
        return [(mark[0], name) for mark, names in self._names.items() if mark[1:] != keep for name in names]

    def accidents(self, keep: Keeper) -> list[tuple[Record, str]]:
        """Records under another key, with its fingerprint, that a union would have opened by a wrong key of the same name."""
        if keep[0] != "aescbc":
            return []
        tried = {keep, *(mark[1:] for mark in self._names)}
        return [
            (record, own)
            for record, own, others in self._passing
            if (record.provider, record.key_name, own) != keep
            and any((record.provider, record.key_name, other) in tried for other in others)
        ]


def base_of(candidates: Iterable[Candidate], opened: Iterable[Opened]) -> Candidate | None:
    """The configuration whose first key stays: an unfinished union's, else the one whose write key opens most records."""
    current = [c for c in candidates if c.current and c.rules and keeper(c)]
    unions = [c for c in current if c.union]
    if unions:
        return unions[0]
    counts: dict[Keeper | None, int] = {}
    for each in opened:
        mark = (each.provider, each.key_name, each.fingerprint)
        counts[mark] = counts.get(mark, 0) + each.count
    return max(current, key=lambda c: counts.get(keeper(c), 0), default=None)


def keeper(candidate: Candidate) -> Keeper | None:
    """The key that it writes with; None: it writes plain text, or by a KMS plugin."""
    first = candidate.rules[0].providers[0]
    return (first.kind, first.keys[0].name, first.keys[0].fingerprint) if first.keys else None


def union(base: Mapping[str, Any], opened: Iterable[Opened], keys: Mapping[tuple[str, str], bytes]) -> bytes:
    """The base with every other key that opens something, each right behind the provider that writes."""
    document = copy.deepcopy(dict(base))
    for rule in document["resources"]:
        behind = 1
        for each in opened:
            if _has(rule, each) or not ("*" in each.resource or each.resource in rule["resources"]):
                continue
            secret = base64.b64encode(keys[each.provider, each.fingerprint]).decode()
            rule["providers"].insert(behind, {each.provider: {"keys": [{"name": each.key_name, "secret": secret}]}})
            behind += 1
    return MARK + b"\n" + yaml.safe_dump(document, sort_keys=False).encode()


def single(base: Mapping[str, Any], keep: Keeper) -> bytes:
    """The base without any key but the one that stays."""
    document = copy.deepcopy(dict(base))
    for rule in document["resources"]:
        kept = []
        for provider in rule["providers"]:
            ((kind, content),) = provider.items()
            if "keys" in (content or {}):
                content["keys"] = [k for k in content["keys"] if (kind, k["name"], _print(k["secret"])) == keep]
                if not content["keys"]:
                    continue
            kept.append({kind: content})
        rule["providers"] = kept
    return yaml.safe_dump(document, sort_keys=False).encode()


def rewritten(name: str, value: bytes, key: bytes, keep: bytes, keep_name: str) -> bytes:
    """A whole aescbc record under the other key. Raises ValueError where the first key does not open it."""
    record = read(name, value)
    if record.provider != "aescbc" or not opens(record, key):
        raise ValueError(f"{name} is no longer what it was when it was looked at")
    vector, body = record.body[:16], record.body[16:]
    padded = Cipher(AES(key), CBC(vector)).decryptor().update(body)
    unpadder = PKCS7(128).unpadder()
    plain = unpadder.update(padded) + unpadder.finalize()
    vector = os.urandom(16)
    padder = PKCS7(128).padder()
    again = Cipher(AES(keep), CBC(vector)).encryptor().update(padder.update(plain) + padder.finalize())
    return b"k8s:enc:aescbc:v1:%s:" % keep_name.encode() + vector + again


def _has(rule: Mapping[str, Any], opened: Opened) -> bool:
    return any(
        key["name"] == opened.key_name and _print(key["secret"]) == opened.fingerprint
        for provider in rule["providers"]
        for kind, content in provider.items()
        if kind == opened.provider
        for key in (content or {}).get("keys") or []
    )


def _print(secret: str) -> str:
    return hashlib.sha256(base64.b64decode(secret)).hexdigest()
