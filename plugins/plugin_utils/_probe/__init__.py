"""The probe: one POSIX sh text for one SSH round trip, made of a section for each layer."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["DISCOVERY", "LIMITS", "assemble"]

_HERE = Path(__file__).parent

# Seconds a section may take before it becomes "could not tell" as a whole; of full disks host looks through every file.
LIMITS: dict[str, int] = {
    "host": 25,
    "runtime": 15,
    "pki": 15,
    "kubelet": 12,
    "etcd": 15,
    "apiserver": 12,
    "rbac": 15,
    "controllers": 12,
}
# And what comes before them: where this node keeps its things. Without an answer to that there is none at all.
DISCOVERY = 15


def assemble(sections: Iterable[str], overrides: Mapping[str, str] | None = None) -> str:
    """The sh text for these sections. overrides: discovery names (PKI, MANIFESTS, …) the operator set by hand."""
    names = [s for s in LIMITS if s in set(sections)]
    head = [f"KR_SET_{key}={shlex.quote(value)}" for key, value in sorted((overrides or {}).items()) if value]
    head.append(f"KR_DISCOVERY={DISCOVERY}")
    head.append("KR_SECTIONS=" + shlex.quote(" ".join(f"{name}:{LIMITS[name]}" for name in names)))
    shared = [_text("../_steps/api.sh"), _text("../_steps/ladder.sh"), _text("encryption.sh")]
    parts = [_text("lib.sh"), *shared, _text("discover.sh"), *(_text(f"{name}.sh") for name in names), _text("main.sh")]
    return "\n".join([*head, *parts])


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
