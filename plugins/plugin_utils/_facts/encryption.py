"""Facts of encryption at rest: an EncryptionConfiguration as the apiserver would read it, its keys known by fingerprint only.

Source: https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ and apiserver's pkg/apis/apiserver/validation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

__all__ = ["EncryptionFacts", "Key", "Provider", "Rule", "parse"]

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
    rules: tuple[Rule, ...] = ()
    problem: str = ""  # why the apiserver would refuse it, with the line
    withheld: str = ""  # why it could not be read here: a form in which keys might have been sent


class _Refused(Exception):
    """The sentence says why."""


def parse(section: Section) -> EncryptionFacts | None:
    """None where no flag is set."""
    path = section.value("encryption_path")
    if not path:
        return None
    reloads = section.value("encryption_reload") == "true"
    place = section.value("encryption_file")
    if not place:
        return EncryptionFacts(path, reloads=reloads)
    fact = section.file(place)
    facts = EncryptionFacts(
        path, FileFact(fact.path, fact.state, fact.size, fact.mode, fact.owner, fact.mtime), reloads
    )
    if fact.state != "ok":
        return facts
    odd = re.findall(r"^@withheld (\d+)$", fact.content, re.MULTILINE)
    if odd:
        why = f"line {odd[0]} of {place} is in no form that is read here (block style, key: value)"
        return EncryptionFacts(facts.path, facts.file, reloads, withheld=why)
    try:
        return EncryptionFacts(facts.path, facts.file, reloads, _rules(fact.content))
    except _Refused as refused:
        return EncryptionFacts(facts.path, facts.file, reloads, problem=str(refused))


def _rules(text: str) -> tuple[Rule, ...]:
    try:
        document = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise _Refused(f"line {line}: {error.problem}") from None
    if not isinstance(document, dict) or (document.get("apiVersion"), document.get("kind")) not in _KINDS:
        raise _Refused("it is no EncryptionConfiguration of apiserver.config.k8s.io/v1")
    rules = tuple(_rule(number, entry) for number, entry in enumerate(_list(document, "resources", "it"), 1))
    return rules


def _list(entry: Any, key: str, where: str) -> list[Any]:
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, list) or not value:
        raise _Refused(f"{where} has no list '{key}'")
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
        raise _Refused(f"{where} must be exactly one provider, and holds {named}: look at the indentation")
    (kind, content), *_ = entry.items()
    if kind == "identity":
        return Provider(kind)
    if kind == "kms":
        return Provider(kind, name=str((content or {}).get("name", "")))
    if kind not in _SIZES:
        raise _Refused(f"{where}: there is no provider '{kind}'")
    return Provider(
        str(kind), tuple(_key(f"{where}.{kind}", kind, k) for k in _list(content, "keys", f"{where}.{kind}"))
    )


def _key(where: str, kind: str, entry: Any) -> Key:
    name = str(entry.get("name") or "") if isinstance(entry, dict) else ""
    match = _PRINT.fullmatch(str(entry.get("secret"))) if isinstance(entry, dict) else None
    if not name or match is None:
        raise _Refused(f"{where}: a key has a name and a secret")
    fingerprint, size = match.group(1), int(match.group(2))
    if size not in _SIZES[kind]:
        wanted = " or ".join(map(str, _SIZES[kind]))
        raise _Refused(f"{where}: key {name} has {size} bytes, {kind} wants {wanted}")
    return Key(name, fingerprint)
