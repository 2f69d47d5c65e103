"""What must be right before anything is looked at: inventory, names of consent, ansible-core. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.consents import CONSENTS

__all__ = ["OLDEST_CORE", "problems"]

OLDEST_CORE = (2, 16)


def problems(groups: Mapping[str, Collection[str]], allow: object, core: str) -> list[str]:
    """One sentence for each problem: what, where, what to do. Empty: go on."""
    return [*_inventory(groups), *_consents(allow), *_core(core)]


def _inventory(groups: Mapping[str, Collection[str]]) -> list[str]:
    found: list[str] = []
    masters, workers = list(groups.get("masters", [])), list(groups.get("workers", []))
    if "masters" not in groups:
        found.append(
            "the inventory has no group 'masters': put the control plane's hosts into it (see inventory/hosts.yml)"
        )
    elif not masters:
        found.append("the inventory's group 'masters' is empty: name at least one control plane host in it")
    for host in masters:
        if host in workers:
            found.append(f"host {host} is in both groups, masters and workers: leave it in masters only")
    return found


def _consents(allow: object) -> list[str]:
    if not isinstance(allow, list | tuple):
        return [f'kuberevive_allow must be a list of names, not {allow!r}: -e \'{{"kuberevive_allow": ["NAME"]}}\'']
    known = ", ".join(sorted(CONSENTS))
    return [
        f"kuberevive_allow names {name!r}, which nothing asks for; known names: {known}"
        for name in allow
        if name not in CONSENTS
    ]


def _core(core: str) -> list[str]:
    parts = core.split(".")
    version = tuple(int(p) for p in parts[:2] if p.isdigit())
    if version >= OLDEST_CORE:
        return []
    return [f"this is ansible-core {core}: install 2.16 or newer on the machine you run from"]
