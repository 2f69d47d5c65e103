"""The recipes: what a profile is made of, as data read from ``lab/recipes``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kr_lab.host import LAB_DIR, LabError

__all__ = ["RECIPES", "Plan", "Recipe", "load_plan", "load_recipe", "profile_names"]

RECIPES = LAB_DIR / "recipes"
# Raised when the same recipe would be built in another way.
_BUILD = "1"
_RECIPE = "recipe.yml"
_KINDS = ("go", "debian", "c")


@dataclass(frozen=True)
class Recipe:
    """How one version of one component is built."""

    name: str
    version: str
    kind: str
    folder: Path
    key: str
    packages: Mapping[str, str]
    """Go: binary -> the package it is built from."""
    tags: tuple[str, ...]
    stamp: str
    """Go: the way the version is written into the binaries, or an empty string."""
    mends: tuple[str, ...]
    debian: tuple[str, ...]
    """Debian: the packages whose files make the tree."""
    binaries: Mapping[str, str]
    """Debian: binary -> its path in the tree."""
    links: Mapping[str, str]
    images: Mapping[str, tuple[str, ...]]
    """Image -> the binaries of this component that go into it."""
    tree_in: tuple[str, ...]
    """Images that get the whole tree."""

    @property
    def title(self) -> str:
        """The component and its version, for messages."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Plan:
    """A profile before anything of it is built."""

    name: str
    runtime: str
    components: tuple[Recipe, ...]
    node: tuple[str, ...]
    apt: tuple[str, ...]
    extra_images: Mapping[str, str]

    @property
    def kubernetes(self) -> str:
        """The Kubernetes version of the profile."""
        return next(recipe.version for recipe in self.components if recipe.name == "kubernetes")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError(f"{path} does not exist") from None
    if not isinstance(content, dict):
        raise LabError(f"{path} holds no mapping")
    return content


def _names(value: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in value or ())


def _pairs(value: Any) -> dict[str, str]:
    return {str(key): str(item) for key, item in (value or {}).items()}


def _folder_key(folder: Path, data: Mapping[str, Any]) -> str:
    """What is built, as a short hash: the pins byte by byte, of the recipe only what it says."""
    digest = hashlib.sha256(f"{_BUILD}\0{json.dumps(data)}".encode())
    for path in sorted(folder.iterdir()):
        if path.name != _RECIPE:
            digest.update(f"\0{path.name}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def load_recipe(folder: Path) -> Recipe:
    """Read the recipe in a folder ``<component>-<version>``."""
    data = _read(folder / _RECIPE)
    name, _, version = folder.name.rpartition("-")
    kind = str(data.get("kind"))
    if not name or kind not in _KINDS:
        raise LabError(f"{folder}: a recipe is a folder <component>-<version> of a kind in {', '.join(_KINDS)}")
    return Recipe(
        name=name,
        version=version,
        kind=kind,
        folder=folder,
        key=_folder_key(folder, data),
        packages=_pairs(data.get("packages")),
        tags=_names(data.get("tags")),
        stamp=str(data.get("stamp", "")),
        mends=_names(data.get("mends")),
        debian=_names(data.get("debian")),
        binaries=_pairs(data.get("binaries")),
        links=_pairs(data.get("links")),
        images={str(image): _names(names) for image, names in (data.get("images") or {}).items()},
        tree_in=_names(data.get("tree_in")),
    )


def profile_names(recipes: Path = RECIPES) -> tuple[str, ...]:
    """The profiles there are."""
    return tuple(sorted(path.stem for path in (recipes / "profiles").glob("*.yml")))


def load_plan(profile: str, recipes: Path = RECIPES) -> Plan:
    """Read a profile and the recipes of its components."""
    names = profile_names(recipes)
    if profile not in names:
        raise LabError(f"there is no profile {profile!r}, only {', '.join(names)}")
    data = _read(recipes / "profiles" / f"{profile}.yml")
    plan = Plan(
        name=profile,
        runtime=str(data["runtime"]),
        components=tuple(load_recipe(recipes / name) for name in _names(data["components"])),
        node=_names(data["node"]),
        apt=_names(data.get("apt")),
        extra_images=_pairs(data.get("extra_images")),
    )
    if not any(recipe.name == "kubernetes" for recipe in plan.components):
        raise LabError(f"profile {profile} names no kubernetes component")
    return plan
