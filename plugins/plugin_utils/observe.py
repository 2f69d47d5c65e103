"""From a probe's answer to one node's facts. No I/O."""

from __future__ import annotations

import importlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import (
    Probe,
    ProbeError,
    Section,
    read_probe,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Node

__all__ = ["merge", "observe", "unreachable"]

_FACTS = "ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts"


def unreachable(name: str, groups: tuple[str, ...], why: str, now: datetime) -> Node:
    """A node nothing is known of."""
    return Node(name, groups, now, reachable=False, why=why, complete=False)


def observe(
    name: str, groups: tuple[str, ...], text: str, asked: tuple[str, ...], sent: datetime, received: datetime
) -> Node:
    """Facts from the answer; what cannot be understood becomes an unknown with its reason, never a guess."""
    try:
        probe = read_probe(text)
    except ProbeError as error:
        return unreachable(name, groups, str(error), received)
    why = _not_usable(probe)
    if why:
        return unreachable(name, groups, why, received)
    facts: dict[str, Any] = {}
    states: dict[str, str] = {}
    for layer in asked:
        section = probe.sections.get(layer)
        if section is None:
            states[layer] = "the answer was cut off before it" if not probe.complete else "missing in the answer"
            continue
        states[layer] = _state(section)
        if states[layer] != "ok":
            continue  # of half an answer nobody can say what is missing on the node and what only in the answer
        try:
            facts[layer] = importlib.import_module(f"{_FACTS}.{layer}").parse(section)
        except Exception as error:  # a parser's mistake costs its own layer, not the run
            states[layer] = f"unparsable: {type(error).__name__}: {error}"
    cut = "" if probe.complete else "the node's answer was cut off in the middle; look again"
    node = Node(name, groups, received, True, cut, probe.complete, states, **facts)
    return replace(node, clock_skew=_skew(node, sent, received))


def merge(old: Node | None, new: Node) -> Node:
    """The newer look, with the layers it did not ask taken from the older one."""
    if old is None or not old.reachable or not new.reachable:
        return new
    kept: dict[str, Any] = {
        layer: getattr(old, layer) for layer in LAYERS if layer not in new.sections and layer in old.sections
    }
    states = {**{layer: old.sections[layer] for layer in kept}, **new.sections}
    skew = new.clock_skew if "host" in new.sections else old.clock_skew
    return replace(new, sections=states, clock_skew=skew, **kept)


def _state(section: Section) -> str:
    if section.state == "missing":
        return "the answer was cut off in it"
    # Layer pki tells of each kubeconfig by itself.
    if section.state == "ok" and section.withheld and section.name != "pki":
        return (
            f"{section.withheld} is in a form in which its keys cannot be told from the rest, so it stayed on the node"
        )
    return section.state


def _not_usable(probe: Probe) -> str:
    if probe.uid not in ("", "0"):
        return f"the login is user id {probe.uid}, not root: log in as root or set ansible_become: true for this host"
    if probe.stuck:
        return (
            f"to find out where it keeps its files took more than {probe.stuck} s: a file system of this node does not answer "
            "(a hung disk or mount), or a named pipe lies in the place of a file"
        )
    if not probe.kubelet:
        return "there is nothing of a kubelet on this machine: is it a Kubernetes node at all? check ansible_host"
    return ""


def _skew(node: Node, sent: datetime, received: datetime) -> float | None:
    if node.host is None or not node.host.node_time:
        return None
    before, after = sent.timestamp(), received.timestamp()
    if node.host.node_time < before:
        return node.host.node_time - before
    return max(0.0, node.host.node_time - after)
