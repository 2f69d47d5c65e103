"""Faults: small files that say what happens in the field, and do just that to a lab."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from kr_lab.host import LAB_DIR, LabError, each, say
from kr_lab.node import halt, is_on, node_sh
from kr_lab.pki import expire
from kr_lab.power import cut, start
from kr_lab.state import Lab, Node

__all__ = ["Fault", "Step", "catalogue", "find", "inject", "read_fault"]

_FOLDER = LAB_DIR / "faults"
_VERBS = ("sh", "expire", "copy", "power", "fault")
_POWER = ("cut", "off", "on", "reboot")


@dataclass(frozen=True)
class Step:
    """One thing that happens, on the fault's nodes or at another place."""

    verb: str
    what: Any
    at: str
    on: tuple[str, ...]
    left: int = 0  # expire: days until these end; 0: a minute ago


@dataclass(frozen=True)
class Fault:
    """A fault of the catalogue."""

    name: str
    says: str
    on: tuple[str, ...]
    steps: tuple[Step, ...]


def _read_step(name: str, raw: dict[str, Any]) -> Step:
    verbs = [verb for verb in _VERBS if verb in raw]
    unknown = set(raw) - {*_VERBS, "at", "nodes", *(("left",) if "expire" in raw else ())}
    if len(verbs) != 1 or unknown:
        raise LabError(f"lab/faults/{name}.yml: a step has exactly one of {', '.join(_VERBS)}, and 'at' or 'nodes'")
    verb = verbs[0]
    if verb == "power" and raw["power"] not in _POWER:
        raise LabError(f"lab/faults/{name}.yml: power is one of {', '.join(_POWER)}, not '{raw['power']}'")
    return Step(verb, raw[verb], str(raw.get("at", "nodes")), tuple(raw.get("nodes", ())), int(raw.get("left", 0)))


def read_fault(path: Path) -> Fault:
    """One fault file."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in ("says", "nodes", "steps"):
        if key not in raw:
            raise LabError(f"lab/faults/{path.name}: '{key}' is missing")
    steps = tuple(_read_step(path.stem, step) for step in raw["steps"])
    return Fault(path.stem, str(raw["says"]), tuple(raw["nodes"]), steps)


def catalogue() -> list[Fault]:
    """All faults, by name."""
    return [read_fault(path) for path in sorted(_FOLDER.glob("*.yml"))]


def find(name: str) -> Fault:
    """The fault of that name."""
    path = _FOLDER / f"{name}.yml"
    if not path.exists():
        raise LabError(f"no fault '{name}': 'lab faults' lists them")
    return read_fault(path)


def inject(lab: Lab, fault: Fault, names: Sequence[str] | None = None) -> None:
    """Let it happen, on the given nodes or the fault's own choice."""
    nodes = lab.pick(tuple(names) if names else _present(lab, fault.on))
    say(f"{fault.name} on {' '.join(node.name for node in nodes)}")
    # A node that is off at the beginning stays off: the fault is on its disk and shows when it is switched on.
    live = [node for node in nodes if is_on(lab, node)]
    for step in fault.steps:
        there = lab.pick(_present(lab, step.on)) if step.on else nodes
        _take(lab, step, there, [node for node in there if node in live])


def _present(lab: Lab, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """A fault made for three masters also fits a smaller lab: on the nodes that are there."""
    there = tuple(node.name for node in lab.nodes)
    if wanted in ((), ("all",)):
        return there
    found = tuple(name for name in wanted if name in there)
    if not found:
        raise LabError(f"lab '{lab.name}' has none of {', '.join(wanted)}: name other nodes with --on")
    return found


def _take(lab: Lab, step: Step, nodes: tuple[Node, ...], live: list[Node]) -> None:
    if step.verb == "sh":
        _run_sh(lab, step, nodes)
    elif step.verb == "expire":
        expire(lab, nodes, step.what, timedelta(days=step.left) if step.left else timedelta(minutes=-1))
    elif step.verb == "copy":
        _copy(lab, step.what, nodes)
    elif step.verb == "power":
        _power(lab, str(step.what), live)
    else:
        inject(lab, find(str(step.what)), [node.name for node in nodes])


def _run_sh(lab: Lab, step: Step, nodes: tuple[Node, ...]) -> None:
    """The script gets the broken node's name and address as $1 and $2, wherever it runs."""
    script = f"set -eu\n{step.what}"
    if step.at == "nodes":
        each(lambda node: node_sh(lab, node, script, node.name, node.ip), nodes)
        return
    if step.at != "peer":
        raise LabError(f"a step's 'at' is 'nodes' or 'peer' (a master that is not broken), not '{step.at}'")
    peer = _peer(lab, nodes)
    for node in nodes:
        node_sh(lab, peer, script, node.name, node.ip)


def _peer(lab: Lab, nodes: Sequence[Node]) -> Node:
    for node in lab.nodes:
        if node.role == "master" and node not in nodes and is_on(lab, node):
            return node
    raise LabError("this fault needs a master that is left whole and switched on: name fewer nodes with --on")


def _copy(lab: Lab, paths: dict[str, str], nodes: Sequence[Node]) -> None:
    """A file of a master that is not broken, written over one of the nodes'."""
    text = node_sh(lab, _peer(lab, nodes), 'cat "$1"', paths["from"])
    for node in nodes:
        node_sh(lab, node, 'cat > "$1"', paths["to"], stdin=text)


def _power(lab: Lab, what: str, live: Sequence[Node]) -> None:
    if what == "cut":
        cut(lab, live)
    if what in ("off", "reboot"):
        each(lambda node: halt(lab, node), live)
    if what in ("on", "reboot"):
        start(lab, live)
