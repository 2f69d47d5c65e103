"""Checks of layer runtime: the container runtime runs, answers, and reads the configuration it was given."""

from __future__ import annotations

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["config_donors", "is_masked"]


@check("runtime.down", needs=("runtime",))
def _down(node: Node, cluster: Cluster) -> Verdict:
    facts = _runtime(node)
    if facts.kind == "none":
        return Found(
            "critical", "no container runtime was found on this node", ("no unit of containerd, Docker or CRI-O",)
        )
    said = f"systemctl is-active {facts.unit}: {facts.active or 'no answer'}"
    evidence = (said, *facts.log_tail[-4:])
    cause = _cause(node)
    repair = "" if is_masked(node) else _start(node, cluster, cause)
    if facts.active not in ("active", ""):
        summary = f"{facts.unit} does not run ({facts.active}), so no container can be started"
        settling = facts.active in ("activating", "reloading")
        return Found("critical", summary, evidence, repair, refs=("R05", "R07"), settling=settling, cause=cause)
    if not facts.socket_there:
        summary = f"{facts.unit} has no socket at {facts.socket}, where kubelet looks for it"
        return Found("critical", summary, evidence, repair, refs=("R07", "R08"), cause=cause)
    if facts.answers is False:
        summary = f"{facts.unit} runs and answers with an error on {facts.socket}"
        return Found("critical", summary, (said, facts.ask_error), repair, refs=("R07",), settling=True)
    if facts.answers is None:
        return CouldNotTell(f"{facts.unit} could not be asked: no client on the node, or no answer in time")
    return Ok()


def _start(node: Node, cluster: Cluster, cause: str) -> str:
    # Whoever puts the configuration back also starts the runtime with it; whoever enables the unit starts it, too.
    donors = (other for other in config_donors(node, cluster) if other.runtime and not other.runtime.config_secret)
    if _runtime(node).config_problem and any(donors):
        return "runtime_config"
    return "service_start" if cause else "runtime_start"


def _cause(node: Node) -> str:
    unit = node.host.unit(_runtime(node).unit) if node.host else None
    if unit is None or unit.active == "active":
        return ""
    if is_masked(node) or unit.enabled == "disabled":
        return f"host.service_disabled@{node.name}"
    return ""


def is_masked(node: Node) -> bool:
    """Whether somebody masked the runtime's unit."""
    unit = node.host.unit(_runtime(node).unit) if node.host else None
    return unit is not None and "masked" in (unit.load, unit.enabled)


@check("runtime.config_empty", needs=("runtime",))
def _config(node: Node, cluster: Cluster) -> Verdict:
    facts = _runtime(node)
    if facts.config is None:
        return NotApplicable("no container runtime")
    if facts.config_secret:
        return Ok() if facts.answers else CouldNotTell(f"{facts.config.path} holds credentials, so it was not read")
    if not facts.config_problem:
        return Ok()
    donors = config_donors(node, cluster)
    usual = (
        "Docker does not start with it" if facts.kind == "docker" else f"{facts.kind} silently runs on its own defaults"
    )
    others = tuple(f"{other.name} has {_size(other)}" for other in donors)
    if not donors and facts.config.state == "empty" and facts.kind != "docker":
        # Nobody has another one: an empty file may be how this cluster was made.
        return Found("info", f"{facts.config.path} is empty on every node that could be compared", _told(facts))
    return Found(
        "critical",
        f"{facts.config.path}: {facts.config_problem}; {usual}",
        (*_told(facts), *others),
        repair="runtime_config",
        refs=("R05", "H20"),
    )


def config_donors(node: Node, cluster: Cluster) -> tuple[Node, ...]:
    """Nodes whose configuration could stand in for this one's: same kind, same path, sound. Own group first."""
    mine = _runtime(node)
    found = [
        other
        for other in cluster.nodes
        if other.name != node.name
        and other.reachable
        and other.runtime is not None
        and other.runtime.kind == mine.kind
        and other.runtime.config is not None
        and mine.config is not None
        and other.runtime.config.path == mine.config.path
        and other.runtime.config.usable
        and not other.runtime.config_problem
    ]
    return tuple(sorted(found, key=lambda other: other.is_master != node.is_master))


def _told(facts: RuntimeFacts) -> tuple[str, ...]:
    config = facts.config
    return (f"{config.path}: {config.size} bytes, {config.state}",) if config else ()


def _size(node: Node) -> str:
    config = _runtime(node).config
    return f"{config.size} bytes there" if config else "none"


def _runtime(node: Node) -> RuntimeFacts:
    assert node.runtime is not None  # the engine has seen to it: needs=("runtime",)
    return node.runtime
