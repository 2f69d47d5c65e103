"""Facts of encryption at rest: an EncryptionConfiguration as the apiserver would read it, its keys known by fingerprint only.

Source: https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ and apiserver's pkg/apis/apiserver/validation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = [
    "Candidate",
    "ConfigRefused",
    "EncryptionFacts",
    "EncryptionProof",
    "Key",
    "Opened",
    "Provider",
    "Rule",
    "parse",
    "read_document",
    "rules_of",
]

_SIZES = {"aescbc": (16, 24, 32), "aesgcm": (16, 24, 32), "secretbox": (32,)}
_PRINT = re.compile(r"sha256-([0-9a-f]{64})-(\d+)")
_KINDS = {
    ("apiserver.config.k8s.io/v1", "EncryptionConfiguration"),
    ("v1", "EncryptionConfig"),  # before 1.13
}


@dataclass(frozen=True)
class Key:
    """One key of a provider."""

    name: str
    fingerprint: str  # sha256 of the decoded key, hex


@dataclass(frozen=True)
class Provider:
    """aescbc, aesgcm, secretbox with keys; identity and kms without."""

    kind: str
    keys: tuple[Key, ...] = ()
    name: str = ""  # of a KMS plugin


@dataclass(frozen=True)
class Rule:
    """Which resources are written by the first of which providers."""

    resources: tuple[str, ...]
    providers: tuple[Provider, ...]


@dataclass(frozen=True)
class EncryptionFacts:
    """What one master's apiserver is told to read."""

    path: str  # of the flag, as the process sees it
    file: FileFact | None = None  # on the node, without its content; None: nothing is mounted there
    reloads: bool = False  # --encryption-provider-config-automatic-reload
    prefix: str = "/registry"  # --etcd-prefix
    rules: tuple[Rule, ...] = ()
    problem: str = ""  # why the apiserver would refuse it, with the line
    withheld: str = ""  # why it could not be read here: a form in which keys might have been sent


@dataclass(frozen=True)
class Candidate:
    """A configuration that lies on a node: one that an apiserver is told to read, or a copy beside it."""

    host: str
    path: str
    current: bool  # an apiserver is told to read this one
    rules: tuple[Rule, ...] = ()
    problem: str = ""  # why no apiserver would take it
    union: bool = False  # made by a run of ours for the time of a rewrite


@dataclass(frozen=True)
class Opened:
    """Records that one key opens."""

    resource: str  # as the configurations name it
    provider: str
    key_name: str  # as the records say it; of kms the plugin's name
    fingerprint: str
    count: int


@dataclass(frozen=True)
class EncryptionProof:
    """Which key opens how many of the records that etcd holds. No key and no content is in it."""

    at: datetime
    why: str = ""  # why there is no proof; the rest is empty then
    read_at: str = ""  # the master whose etcd was read
    revision: str = ""
    opened: tuple[Opened, ...] = ()
    others: tuple[Opened, ...] = ()  # records that no local key is for: identity (plain text) and kms (by plugin)
    kms: tuple[str, ...] = ()  # "<version> <plugin>[ key <id>]: <count> records"
    closed: tuple[str, ...] = ()  # names of what no known key opens, the first of them
    closed_count: int = 0
    odd: tuple[str, ...] = ()  # names of what is in no known format, the first of them
    odd_count: int = 0
    seen: tuple[str, ...] = ()  # resources, as the configurations name them, of which there is any record
    candidates: tuple[Candidate, ...] = ()
    unread: tuple[str, ...] = ()  # "<host>: why its configurations could not be read"

    @property
    def encrypted(self) -> int:
        """Records that a local key should open."""
        return sum(o.count for o in self.opened) + self.closed_count


class ConfigRefused(Exception):
    """No apiserver would take the configuration; the sentence says why, and holds no key."""


def parse(section: Section) -> EncryptionFacts | None:
    """None where no flag is set."""
    path = section.value("encryption_path")
    if not path:
        return None
    reloads = section.value("encryption_reload") == "true"
    base = EncryptionFacts(path, reloads=reloads, prefix=section.value("encryption_prefix", "/registry"))
    place = section.value("encryption_file")
    if not place:
        return base
    fact = section.file(place)
    base = replace(base, file=replace(fact, content="", link=""))
    if fact.state != "ok":
        return base
    odd = re.findall(r"^@withheld (\d+)$", fact.content, re.MULTILINE)
    if odd:
        why = f"line {odd[0]} of {place} is in no form that is read here (block style, key: value)"
        return replace(base, withheld=why)
    try:
        return replace(base, rules=rules_of(read_document(fact.content)))
    except ConfigRefused as refused:
        return replace(base, problem=str(refused))


def read_document(text: str) -> Any:
    """The YAML as values. Raises ConfigRefused, with the line and without any of the text."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigRefused(f"line {line}: it is no YAML ({error.context or 'parsing'})") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigRefused("it is no YAML") from None


def rules_of(document: Any) -> tuple[Rule, ...]:
    """What it says, with every key's fingerprint in the key's place. Raises ConfigRefused."""
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) not in _KINDS:
        raise ConfigRefused("it is no EncryptionConfiguration of apiserver.config.k8s.io/v1")
    return tuple(_rule(number, entry) for number, entry in enumerate(_list(document, "resources", "it"), 1))


def _list(entry: Any, key: str, where: str) -> list[Any]:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, list) or not value:
        raise ConfigRefused(f"{where} has no list '{key}'")
    return value


def _rule(number: int, entry: Any) -> Rule:
    where = f"resources[{number}]"
    resources = tuple(str(name) for name in _list(entry, "resources", where))
    providers = [_provider(f"{where}.providers[{i}]", p) for i, p in enumerate(_list(entry, "providers", where), 1)]
    return Rule(resources, tuple(providers))


def _provider(where: str, entry: Any) -> Provider:
    if not isinstance(entry, dict) or len(entry) != 1:
        # "- aescbc:" with "keys:" beside it instead of below it is what this mostly is.
        named = ", ".join(map(str, entry)) if isinstance(entry, dict) else repr(entry)
        raise ConfigRefused(f"{where} must be exactly one provider, and holds {named}: look at the indentation")
    (kind, content), *_ = entry.items()
    if kind not in (*_SIZES, "identity", "kms"):
        raise ConfigRefused(f"{where}: there is no provider '{kind}'")
    if content is not None and not isinstance(content, dict):
        raise ConfigRefused(f"{where}.{kind} must hold a map: look at the indentation")
    if kind == "identity":
        return Provider(kind)
    if kind == "kms":
        return Provider(kind, name=str((content or {}).get("name", "")))
    return Provider(
        str(kind), tuple(_key(f"{where}.{kind}", kind, k) for k in _list(content, "keys", f"{where}.{kind}"))
    )


def _key(where: str, kind: str, entry: Any) -> Key:
    name = str(entry.get("name") or "") if isinstance(entry, dict) else ""
    match = _PRINT.fullmatch(str(entry.get("secret"))) if isinstance(entry, dict) else None
    if not name or match is None:
        raise ConfigRefused(f"{where}: a key has a name and a secret, and the secret is base64")
    fingerprint, size = match.group(1), int(match.group(2))
    if size not in _SIZES[kind]:
        wanted = " or ".join(map(str, _SIZES[kind]))
        raise ConfigRefused(f"{where}: key {name} has {size} bytes, {kind} wants {wanted}")
    return Key(name, fingerprint)
