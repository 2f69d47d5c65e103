"""What a cluster of a version is born with: captured from fresh ones (`lab birth-objects`), one file for each minor version."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["Birth", "atoms", "birth_of", "covered", "known", "minor_of"]

_DATA = Path(__file__).parent / "_bootstrap"
# Up to this version the name of kubelet's ConfigMap, and of what goes with it, ends in the version.
_SUFFIXED = 23
_KUBELET = "kubelet-config"
Meaning = Mapping[str, Any]
Atom = tuple[str, ...]


@dataclass(frozen=True)
class Birth:
    """Objects by "<Kind> [<namespace>/]<name>", each with its rules, or its roleRef and subjects."""

    basis: str  # the version, or the two versions, whose data this is
    exact: bool  # of this very minor version
    bootstrap: Mapping[str, Meaning]  # a starting kube-apiserver makes them anew
    kubeadm: Mapping[str, Meaning]  # nobody does
    config_maps: tuple[str, ...]  # namespace/name, made by kubeadm


def minor_of(version: str) -> int | None:
    """36 of 1.36.3, v1.36 and the like; None where it is no version."""
    parts = version.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[0] == "1" and parts[1].isdigit() else None


@cache
def _births() -> dict[int, Birth]:
    found = {}
    for path in sorted(_DATA.glob("1.*.json")):
        minor = int(path.stem.removeprefix("1."))
        data = json.loads(path.read_text(encoding="utf-8").replace(f"{_KUBELET}-1.{minor}", _KUBELET))
        kubeadm = dict(data["kubeadm"])
        maps = tuple(kubeadm.pop("ConfigMap"))
        found[minor] = Birth(str(data["version"]), True, _keyed(data["bootstrap"]), _keyed(kubeadm), maps)
    return found


def _keyed(kinds: Mapping[str, Mapping[str, Meaning]]) -> dict[str, Meaning]:
    return {f"{kind} {name}": meaning for kind, items in kinds.items() for name, meaning in items.items()}


@cache
def _names() -> frozenset[str]:
    return frozenset(key for birth in _births().values() for key in (*birth.bootstrap, *birth.kubeadm))


def known(key: str) -> bool:
    """Whether a fresh cluster of some version has an object of that name."""
    return key in _names() or "kubeadm:" in key


@cache
def birth_of(minor: int) -> Birth:
    """What a cluster of version 1.<minor> is born with; between two versions of which there is data, what both have."""
    data = _births()
    below = max((m for m in data if m <= minor), default=min(data))
    above = min((m for m in data if m >= minor), default=max(data))
    birth = data[below] if below == above else _common(data[below], data[above])
    if minor not in data:
        birth = Birth(birth.basis, False, birth.bootstrap, birth.kubeadm, birth.config_maps)
    return birth if minor > _SUFFIXED else _suffixed(birth, minor)


def _common(one: Birth, other: Birth) -> Birth:
    return Birth(
        f"{one.basis} and {other.basis}",
        False,
        _shared(one.bootstrap, other.bootstrap),
        _shared(one.kubeadm, other.kubeadm),
        tuple(name for name in one.config_maps if name in other.config_maps),
    )


def _shared(one: Mapping[str, Meaning], other: Mapping[str, Meaning]) -> dict[str, Meaning]:
    """Objects of both, with the rights that both give."""
    return {key: _both(one[key], other[key]) for key in one if key in other}


def _both(one: Meaning, other: Meaning) -> Meaning:
    if one == other:
        return one
    if "roleRef" in one:
        return {**one, "subjects": [s for s in one.get("subjects", []) if s in other.get("subjects", [])]}
    rights = atoms(one)
    return {"rules": [_rule(atom) for atom in sorted(rights) if covered([atom], atoms(other)) == ()]}


def _rule(atom: Atom) -> dict[str, list[str]]:
    if atom[0] == "url":
        return {"nonResourceURLs": [atom[1]], "verbs": [atom[2]]}
    rule = {"apiGroups": [atom[1]], "resources": [atom[2]], "verbs": [atom[4]]}
    return {**rule, "resourceNames": [atom[3]]} if atom[3] != "*" else rule


def _suffixed(birth: Birth, minor: int) -> Birth:
    own = f"{_KUBELET}-1.{minor}"
    kubeadm = json.loads(json.dumps(dict(birth.kubeadm)).replace(_KUBELET, own))
    maps = tuple(name.replace(_KUBELET, own) for name in birth.config_maps)
    return Birth(birth.basis, birth.exact, birth.bootstrap, kubeadm, maps)


def atoms(meaning: Meaning) -> frozenset[Atom]:
    """The single rights of a role, or a binding's role and subjects: what can be missing one by one."""
    found: set[Atom] = set()
    for rule in meaning.get("rules") or ():
        verbs = rule.get("verbs") or ()
        found |= {("url", url, verb) for url in rule.get("nonResourceURLs") or () for verb in verbs}
        found |= {
            ("res", group, resource, name, verb)
            for group in rule.get("apiGroups") or ()
            for resource in rule.get("resources") or ()
            for name in rule.get("resourceNames") or ("*",)
            for verb in verbs
        }
    if "aggregationRule" in meaning:
        found |= {
            ("aggregates", json.dumps(s, sort_keys=True)) for s in meaning["aggregationRule"]["clusterRoleSelectors"]
        }
    if "roleRef" in meaning:
        found.add(("role", meaning["roleRef"]["kind"], meaning["roleRef"]["name"]))
    for subject in meaning.get("subjects") or ():
        found.add(("subject", subject["kind"], subject.get("namespace", ""), subject["name"]))
    return frozenset(found)


def covered(wanted: Iterable[Atom], given: frozenset[Atom]) -> tuple[Atom, ...]:
    """The wanted rights that are not given, a star standing for every word in its place. Sorted."""
    stars = [atom for atom in given if "*" in atom or (atom[0] == "url" and atom[1].endswith("*"))]
    return tuple(sorted(a for a in wanted if a not in given and not any(_includes(star, a) for star in stars)))


def _includes(given: Atom, wanted: Atom) -> bool:
    if given[0] != wanted[0] or len(given) != len(wanted):
        return False
    pairs = list(zip(given, wanted, strict=True))[1:]
    if given[0] == "url":
        (has, wants), verb = pairs
        return (has == wants or (has.endswith("*") and wants.startswith(has[:-1]))) and verb[0] in ("*", verb[1])
    return given[0] == "res" and all(has in ("*", wants) for has, wants in pairs)
