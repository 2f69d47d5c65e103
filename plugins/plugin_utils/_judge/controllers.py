"""Checks of layer controllers: who leads, who is shut out, which node lives. Judged by leases, never by the Ready column."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import Controller, ControllersFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.backoff import backing_off
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.heartbeats import (
    STALE,
    Heartbeats,
    Pulse,
    heartbeats,
    names_of,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["COMPONENTS", "outdated", "shut_out"]

COMPONENTS = ("kube-controller-manager", "kube-scheduler")
_APART = 2  # seconds; one that is shut out says so every few
_RECENT = 90  # seconds; both try again every few seconds while they are refused
_SILENT = "no kube-apiserver lets its leases be read"


def _facts(node: Node) -> ControllersFacts:
    assert node.controllers is not None  # each check names it in needs
    return node.controllers


def shut_out(each: Controller, now: int) -> bool:
    """It runs, and its newest words are that the API server does not accept its certificate."""
    if not each.started or each.unauthorized_at is None:
        return False
    said = each.unauthorized_at.timestamp()
    # A unit's journal goes on from one process to the next, and the second a process began in may be that of the last one's last word.
    return now - said <= _RECENT and said >= each.started + _APART


def outdated(each: Controller) -> bool:
    """It runs since before its kubeconfig was written, and neither of the two ever reads it again."""
    return bool(each.started) and each.kubeconfig_state == "ok" and each.kubeconfig_mtime > each.started


@check("controllers.unauthorized", on="masters", needs=("controllers",))
def unauthorized(node: Node, cluster: Cluster) -> Verdict:
    """Running, no restarts, and shut out for ever: it never reads its renewed kubeconfig."""
    facts = _facts(node)
    out = [c for c in facts.controllers if shut_out(c, facts.now)]
    old = [c for c in facts.controllers if outdated(c) and c not in out]
    if not out and not old:
        return Ok() if facts.api_answers else CouldNotTell(_unheard(cluster))
    evidence = [f"{c.name}: {c.unauthorized_line[:300]}" for c in out]
    evidence += [
        f"{c.name}: running since {_clock(c.started)}, {c.kubeconfig} was written {_clock(c.kubeconfig_mtime)}"
        for c in (*out, *old)
        if outdated(c)
    ]
    names = " and ".join(c.name for c in (*out, *old))
    if out:
        summary = (
            f"{names} run but the API server does not accept their certificate; only a restart makes them read it again"
        )
    else:
        summary = f"{names} still use the certificate from before their kubeconfig was renewed; it will run out"
    return Found(
        "critical" if out else "warning",
        summary,
        tuple(evidence),
        repair="controller_restart",
        refs=("C03", "P03"),
    )


def _unheard(cluster: Cluster) -> str:
    """Nobody is refused while nobody answers: it shows when the API server is back."""
    return _SILENT if heartbeats(cluster) is None else "this master's own kube-apiserver does not answer"


@check("controllers.down", on="masters", needs=("controllers",))
def down(node: Node, cluster: Cluster) -> Verdict | Iterator[Verdict]:
    """A controller-manager or scheduler that should run here does not."""
    facts = _facts(node)
    if node.apiserver is not None and not node.apiserver.present and not facts.controllers:
        return NotApplicable("nothing of a control plane is here")
    gone = []
    for name in COMPONENTS:
        each = facts.controller(name)
        if each is None:
            gone.append(f"{name}: no manifest, no unit, no process")
        elif not each.started:
            gone.append(f"{name}: no such process{_why(each, facts)}")
    if not gone:
        return Ok()
    return Found(
        "warning" if len(cluster.masters) > 1 else "critical",
        f"{' and '.join(line.partition(':')[0] for line in gone)} do not run here",
        tuple(gone),
        settling=True,
    )


def _why(each: Controller, facts: ControllersFacts) -> str:
    if each.held:
        return f"; its manifest was put aside by a run: {each.held}"
    if each.service is not None and each.kubeconfig_state == "ok":
        last = f"; its last word: {each.log_tail[-1][:300]}" if each.log_tail else ""
        return f"; {each.service.told}{last}"
    if each.manifest is not None and not each.manifest.usable:
        return f"; {each.manifest.path} is {each.manifest.state}"
    if each.kubeconfig_state != "ok":
        return f"; {each.kubeconfig} is {each.kubeconfig_state}"
    if not facts.kubelet_started:
        return "; kubelet does not run either"
    if not each.log_tail or each.log_written <= facts.kubelet_started:
        return "; kubelet has not started it yet"
    return f"; its last word: {each.log_tail[-1][:300]}"


@check("controllers.crash_loop_backoff", on="masters", needs=("controllers",))
def crash_loop_backoff(node: Node, cluster: Cluster) -> Verdict:
    """kubelet waits, up to five minutes, before it starts one of them again."""
    facts = _facts(node)
    waiting = []
    if facts.controllers and all(c.unit for c in facts.controllers):
        return NotApplicable("systemd starts them, not kubelet")
    for each in facts.controllers:
        if each.unit:
            continue
        since = backing_off(facts.now, each.started, facts.kubelet_started, each.log_written, each.restarts)
        if since is not None and not each.held:
            waiting.append(f"{each.name}: ended {since} s ago, restarts: {each.restarts}, {each.log_path}")
    if not waiting:
        return Ok()
    return Found(
        "warning",
        f"kubelet holds {' and '.join(w.partition(':')[0] for w in waiting)} in CrashLoopBackOff",
        tuple(waiting),
        repair="controller_backoff_reset",
        settling=True,
    )


@check("controllers.lease_stale", on="masters", needs=("controllers",))
def lease_stale(node: Node, cluster: Cluster) -> Iterator[Verdict]:
    """Nobody leads: the lease was not renewed for more than a minute. Said once, on the holder or on the first master."""
    beats = heartbeats(cluster)
    if beats is None:
        yield CouldNotTell(_SILENT) if node is _first(cluster) else NotApplicable(_SILENT)
        return
    for name in COMPONENTS:
        pulse = beats.component(name)
        if node is not _speaker(pulse, cluster):
            yield NotApplicable("told by another master")
        elif pulse is None:
            yield CouldNotTell(f"there is no Lease kube-system/{name}: is leader election off?")
        elif pulse.fresh:
            yield Ok()
        else:
            yield Found(
                "critical",
                f"nobody leads as {name}: its lease was not renewed for {_age(pulse)}",
                (
                    f"Lease kube-system/{name}: holder {pulse.lease.holder or 'none'}, renewTime {pulse.lease.renewed}",
                    f"read through {pulse.teller}",
                    *_reasons(name, cluster),
                ),
                settling=True,
                refs=("C04",),
            )


def _reasons(name: str, cluster: Cluster) -> Iterator[str]:
    """Of each master why the one there does not lead, in its own words."""
    for master in cluster.masters:
        each = master.controllers.controller(name) if master.controllers is not None else None
        if each is None:
            continue
        said = each.refusal_line or (each.log_tail[-1] if each.log_tail else "no word of it")
        yield f"{master.name}: {'running' if each.started else 'no such process'}; {said[:240]}"


def _first(cluster: Cluster) -> Node | None:
    return next((m for m in cluster.masters if m.reachable and m.controllers is not None), None)


def _speaker(pulse: Pulse | None, cluster: Cluster) -> Node | None:
    holder = pulse.lease.holder.partition("_")[0] if pulse else ""
    named = (m for m in cluster.masters if m.reachable and m.controllers is not None and holder in names_of(m))
    return next(named, _first(cluster))


@check("node.not_ready", layer="controllers", needs=())
def node_not_ready(node: Node, cluster: Cluster) -> Verdict:
    """Its kubelet does not renew the node's lease, or says itself that it is not ready."""
    beats = heartbeats(cluster)
    if beats is None:
        return CouldNotTell(_SILENT)
    pulse = beats.node(node)
    if pulse is None and node.kubelet is None and node.host is None:
        return CouldNotTell("under which name its kubelet registers could not be looked at")
    if pulse is None:
        return _no_lease(node, beats)
    if not pulse.fresh:
        return Found(
            "critical",
            f"the kubelet of {pulse.lease.name} has not renewed its lease for {_age(pulse)}",
            (
                f"Lease kube-node-lease/{pulse.lease.name}: renewTime {pulse.lease.renewed}, more than {STALE:.0f} s",
                f"read through {pulse.teller}",
            ),
            settling=True,
            refs=("O01",),
        )
    claimed = beats.object(node)
    if claimed is not None and claimed.ready != "True":
        return Found(
            "warning",
            f"the kubelet of {claimed.name} lives, but its Node object does not say Ready",
            (f"Ready: {claimed.ready or 'not told'}; its lease was renewed {_age(pulse)} ago",),
            settling=True,
            refs=("O01",),
        )
    return Ok()


def _no_lease(node: Node, beats: Heartbeats) -> Verdict:
    there = beats.object(node)
    what = f"Node {there.name} is there" if there else f"no Node object of the names {', '.join(names_of(node))}"
    return Found(
        "critical",
        f"{node.name} has no lease: its kubelet has never said that it lives",
        (f"{what}; no Lease of that name in kube-node-lease",),
        settling=True,
        refs=("O01",),
    )


def _age(pulse: Pulse) -> str:
    return "ever" if pulse.age is None else f"{max(0, round(pulse.age))} s"


def _clock(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%d %H:%M:%SZ")
