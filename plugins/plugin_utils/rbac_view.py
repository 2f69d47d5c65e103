"""The cluster's roles and bindings beside those it was born with. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.rbac import RbacFacts, RbacObject
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.heartbeats import heartbeats, names_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.birth import (
    Birth,
    Meaning,
    atoms,
    birth_of,
    covered,
    minor_of,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["SHOWN", "RbacView", "restart_at", "some", "teller", "view"]

SHOWN = 8  # names in a sentence, lines of evidence

_NODE_PROXIER = "ClusterRoleBinding kubeadm:node-proxier"
_PROXY = "kube-system/kube-proxy"
_CONFIG = "ConfigMap kube-system/kubeadm-config"


def some(words: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    more = len(words) - SHOWN
    return ", ".join(words[:SHOWN]) + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True)
class RbacView:
    """What differs. Objects by "<Kind> [<namespace>/]<name>"; of reduced ones the rights that are missing."""

    birth: Birth
    facts: RbacFacts
    missing: tuple[str, ...]  # of those a starting kube-apiserver makes
    reduced: dict[str, tuple[str, ...]]  # the same; what is protected is not among them
    protected: dict[str, tuple[str, ...]]  # a starting kube-apiserver leaves them; with what they lack, maybe nothing
    kubeadm: tuple[
        str, ...
    ]  # missing of kubeadm's that can be made again, ConfigMaps as "ConfigMap <namespace>/<name>"
    kubeadm_config: bool  # whether kubeadm's own memory of how it made the cluster is there, or kubeadm never was

    @property
    def by(self) -> str:
        """By what it was judged, in words."""
        return f"compared with a fresh cluster of {self.birth.basis}" + (
            "" if self.birth.exact else "; there is no data of this version itself"
        )


def teller(cluster: Cluster) -> Node | None:
    """The master whose answer counts: one that read all of it through its API, else one that knows the names."""
    for source in ("api", "etcd"):
        for node in cluster.masters:
            if node.reachable and node.rbac is not None and node.rbac.source == source:
                return node
    return None


def view(cluster: Cluster) -> RbacView | str:
    """The comparison, or why there is none."""
    node = teller(cluster)
    if node is None or node.rbac is None:
        whys = sorted({m.rbac.why for m in cluster.masters if m.reachable and m.rbac is not None and m.rbac.why})
        return "no master lets the cluster's roles be read: " + ("; ".join(whys) or "none could be looked at")
    minor = minor_of(_version(node))
    if minor is None:
        return f"the version of {node.name}'s kube-apiserver is not known"
    birth, facts = birth_of(minor), node.rbac
    missing = tuple(key for key in birth.bootstrap if key not in facts.objects)
    mended = {kind for m in cluster.masters if m.rbac is not None for kind in m.rbac.mended}
    lacking = {key: _lacks(birth.bootstrap[key], facts.objects[key]) for key in birth.bootstrap if key in facts.objects}
    gone = _kubeadm(birth, facts)
    restarted = bool(mended & {"rbac_bootstrap", "rbac_autoupdate"})
    open_to = {key: lacks for key, lacks in lacking.items() if lacks and facts.objects[key].autoupdate}
    protected = {key: lacks for key, lacks in lacking.items() if not facts.objects[key].autoupdate}
    return RbacView(
        birth,
        facts,
        () if restarted else missing,
        {} if restarted else open_to,
        {} if "rbac_autoupdate" in mended else protected,
        () if "rbac_objects" in mended else tuple(key for key in gone if key != _CONFIG),
        _CONFIG not in gone or "kubeadm_config" in mended,
    )


def _version(node: Node) -> str:
    """kube-apiserver's own; while it is silent that of its kubelet, which is no newer."""
    told = node.rbac.version if node.rbac else ""
    return told or (node.kubelet.version if node.kubelet else "")


def _lacks(wanted: Meaning, there: RbacObject) -> tuple[str, ...]:
    """In words; empty where nothing is missing, or only its name is known."""
    if not there.meaning:
        return ()
    meaning: dict[str, Any] = json.loads(there.meaning)
    return tuple(_words(atom) for atom in covered(atoms(wanted), atoms(meaning)))


def _words(atom: tuple[str, ...]) -> str:
    if atom[0] == "url":
        return f"{atom[2]} {atom[1]}"
    if atom[0] == "res":
        _, group, resource, name, verb = atom
        return f"{verb} {resource}{f'.{group}' if group else ''}" + (f" {name}" if name != "*" else "")
    if atom[0] == "subject":
        return f"{atom[1]} {f'{atom[2]}/' if atom[2] else ''}{atom[3]}"
    return "its aggregation rule" if atom[0] == "aggregates" else f"{atom[1]} {atom[2]} as its role"


def _kubeadm(birth: Birth, facts: RbacFacts) -> tuple[str, ...]:
    """Nothing where kubeadm never was: none of its objects is left, nor any of its ConfigMaps."""
    wanted = [key for key in birth.kubeadm if key != _NODE_PROXIER or _PROXY in facts.config_maps]
    missing = [key for key in wanted if key not in facts.objects]
    maps = [name for name in birth.config_maps if name not in facts.config_maps]
    if len(missing) == len(wanted) and len(maps) == len(birth.config_maps):
        return ()
    return (*missing, *(f"ConfigMap {name}" for name in maps))


def restart_at(cluster: Cluster) -> Node | None:
    """Whose kube-apiserver is best restarted: one that does not serve anyway, else one beside which nobody leads."""
    there = [m for m in cluster.masters if m.reachable and m.apiserver is not None and m.apiserver.present]
    beats = heartbeats(cluster)
    leaders = set()
    for name in ("kube-controller-manager", "kube-scheduler"):
        pulse = beats.component(name) if beats else None
        if pulse is not None:
            leaders.add(pulse.lease.holder.rpartition("_")[0])
    sick = [
        m for m in there if m.apiserver is not None and m.apiserver.listening and m.apiserver.readyz not in (200, 401)
    ]
    calm = [m for m in there if not leaders & set(names_of(m))]
    return next(iter([*sick, *reversed(calm), *there]), None)
