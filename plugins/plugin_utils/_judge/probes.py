"""Checks of layer apiserver that are about kubelet's probes: a healthy API server that is ended because it may not be asked."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts, flag_value
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.probes import Probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

__all__ = ["misdirected", "unauthorized"]

_ALSO = (
    "refused as well: kubeadm join (it reads kube-public/cluster-info without a name), load balancers that ask /readyz"
)


def unauthorized(facts: ApiserverFacts) -> tuple[Probe, ...]:
    """Probes that bring no credential to where one is asked for."""
    if facts.open_paths is None:
        return ()
    return tuple(
        p
        for p in facts.probes
        if p.handler == "httpGet" and not p.authorized and p.port == facts.port and p.path not in facts.open_paths
    )


def misdirected(facts: ApiserverFacts) -> tuple[Probe, ...]:
    """Probes that ask where nothing listens, or in a way in which nobody answers."""
    insecure = flag_value(facts.flags, "insecure-port")
    return tuple(
        p
        for p in facts.probes
        if p.handler in ("httpGet", "tcpSocket")
        and (p.port != facts.port or (p.handler == "httpGet" and p.scheme.upper() != "HTTPS"))
        and not (facts.listening and str(p.port) == insecure)  # 1.19 and older: it is there and answers
    )


def _facts(node: Node) -> ApiserverFacts | NotApplicable | CouldNotTell:
    facts = node.apiserver
    assert facts is not None  # each check names it in needs
    if facts.unit:
        return NotApplicable(f"it is no static pod here, but the unit {facts.unit}: nothing probes it")
    if not facts.parses:
        return NotApplicable("its manifest cannot be understood")
    if facts.authn_error:
        return CouldNotTell(f"--authentication-config={facts.authn_path}: {facts.authn_error}")
    return facts


def _told(facts: ApiserverFacts, probes: tuple[Probe, ...]) -> Iterator[str]:
    for p in probes:
        end = f"kubelet ends it {p.seconds} s after its start" if p.kills else "it never counts as ready"
        yield f"{p.kind} probe {p.url}: {end}"
    running = f"running for {facts.now - facts.started} s" if facts.started else "not running"
    yield f"restarts: {facts.restarts}, {running}"
    yield from facts.probe_events[-3:]


@check("apiserver.probe_unauthorized", on="masters", needs=("apiserver",), layer="apiserver")
def probe_unauthorized(node: Node, cluster: Cluster) -> Verdict:
    """Nobody may ask without a name, and kubelet's probes bring none."""
    facts = _facts(node)
    if not isinstance(facts, ApiserverFacts):
        return facts
    probes = unauthorized(facts)
    if not probes:
        return Ok()
    if facts.listening and not facts.asked:
        return CouldNotTell(facts.ask_error)
    if facts.listening and facts.anonymous:
        return CouldNotTell(
            "the one that runs still answers without a name: kubelet has not started it with this manifest yet"
        )
    why = "--anonymous-auth=false" if not facts.authn_path else f"--authentication-config={facts.authn_path}"
    said = (f"https://{facts.address}:{facts.port}/livez: HTTP 401 without a credential",) if facts.listening else ()
    return Found(
        "critical",
        f"kubelet's probes may not ask kube-apiserver ({why}), so a healthy one is ended again and again",
        (*said, *_told(facts, probes), _ALSO),
        repair="apiserver_probes",
        refs=("A04",),
    )


@check("apiserver.probe_misdirected", on="masters", needs=("apiserver",), layer="apiserver")
def probe_misdirected(node: Node, cluster: Cluster) -> Verdict:
    """kubelet's probes ask a port where nothing answers them."""
    facts = _facts(node)
    if not isinstance(facts, ApiserverFacts):
        return facts
    probes = misdirected(facts)
    if not probes:
        return Ok()
    insecure = flag_value(facts.flags, "insecure-port")
    flag = (f"--insecure-port={insecure}: 1.20 and newer accept only 0",) if insecure not in ("", "0") else ()
    return Found(
        "critical",
        f"kubelet's probes ask kube-apiserver where it does not answer (it serves https on port {facts.port})",
        (*_told(facts, probes), *flag),
        repair="apiserver_probes",
        refs=("A04", "A05"),
    )
