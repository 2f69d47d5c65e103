"""Checks of layer apiserver: mostly consequences, told apart so that their cause can be named."""

from __future__ import annotations

import re

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import (
    CouldNotTell,
    Found,
    NotApplicable,
    Ok,
    Verdict,
    check,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.backoff import backing_off
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.probes import misdirected
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node

_TELLING = re.compile(
    r"command failed|^Error: |^panic: |^F\d{4}|authentication handshake failed|connection refused|context deadline|"
    r"x509|unable to|no such file",
)
_LATELY = 60  # seconds; systemd starts again what ends
# The process ends at once because it does not know, or does not accept, what it was told.
_FLAG = re.compile(
    r"unknown flag: \S+|unknown shorthand flag|unrecognized feature gate: \S+|invalid argument .* for .*flag|"
    r"invalid port value|is a required flag|flag cannot be set when|invalid value .*--\S+|unknown API version|"
    r"cannot set feature gate \S+",
)


def _facts(node: Node) -> ApiserverFacts:
    assert node.apiserver is not None  # each check names it in needs
    return node.apiserver


def _last_words(facts: ApiserverFacts, limit: int = 3) -> tuple[str, ...]:
    telling = [line for line in facts.log_tail if _TELLING.search(line)]
    return tuple(f"its log: {line[:400]}" for line in telling[-limit:])


@check("apiserver.manifest_broken", on="masters", needs=("apiserver",))
def manifest_broken(node: Node, cluster: Cluster) -> Verdict:
    """The manifest is missing, empty or no Pod: nothing would start the API server."""
    facts = _facts(node)
    if facts.unit:
        return NotApplicable(f"it is no static pod here, but the unit {facts.unit}")
    if facts.manifest is None:
        return Found(
            "critical",
            "there is no manifest for kube-apiserver, so kubelet starts none",
            (f"{facts.expected}: missing",),
            settling=False,
        )
    if facts.parses:
        return Ok()
    return Found(
        "critical",
        "the manifest of kube-apiserver cannot be understood, so kubelet starts none",
        (f"{facts.manifest.path}: {facts.parse_error}", f"{facts.manifest.size} bytes"),
    )


@check("apiserver.flag_rejected", on="masters", needs=("apiserver",))
def flag_rejected(node: Node, cluster: Cluster) -> Verdict:
    """The API server ends at once because of a flag or a value that this version does not accept."""
    facts = _facts(node)
    if facts.listening or facts.started:
        return Ok()
    line = next((x for x in reversed(facts.log_tail) if _FLAG.search(x)), "")
    if not line:
        return Ok()
    match = _FLAG.search(line)
    what = match.group(0) if match else line
    return Found(
        "critical",
        f"kube-apiserver ends at once, it does not accept how it is told to run: {what}",
        (f"{facts.log_path}: {line[:400]}", f"restarts: {facts.restarts}"),
        refs=("A05",),
        # The port was opened for the probes; who mends these closes it again.
        cause=f"apiserver.probe_misdirected@{node.name}" if "port value" in what and misdirected(facts) else "",
    )


@check("apiserver.down", on="masters", needs=("apiserver",))
def down(node: Node, cluster: Cluster) -> Verdict:
    """Nothing listens on the API server's port."""
    facts = _facts(node)
    if facts.listening:
        return Ok()
    evidence = [f"nothing listens on port {facts.port}"]
    if facts.manifest_held:
        evidence.append(f"a run keeps it from starting: {facts.manifest_held}")
    if facts.service is not None:
        evidence.append(facts.service.told)
    evidence.append("its process runs" if facts.started else "no kube-apiserver process runs")
    # Words from before this kubelet began tell of another time; so do those of a unit that nobody starts any more.
    lately = facts.now - facts.log_written < _LATELY if facts.unit else 0 < facts.kubelet_started < facts.log_written
    words = _last_words(facts) if lately else ()
    return Found(
        "critical",
        f"kube-apiserver does not answer at {facts.address}:{facts.port}",
        (*evidence, *words),
        settling=True,
        refs=("A06",),
    )


@check("apiserver.not_ready", on="masters", needs=("apiserver",))
def not_ready(node: Node, cluster: Cluster) -> Verdict:
    """The API server listens, but does not say by its own address that it is ready."""
    facts = _facts(node)
    if not facts.listening:
        return NotApplicable("it does not listen")
    if not facts.asked:
        return CouldNotTell(facts.ask_error)
    if facts.readyz == 200:
        return Ok()
    where = f"https://{facts.address}:{facts.port}/readyz"
    if facts.tls_error:
        summary, evidence = "the certificate that kube-apiserver shows does not verify", f"{where}: {facts.tls_error}"
    elif facts.readyz in (401, 403):
        who = "anonymous requests are off" if facts.readyz == 401 else "system:public-info-viewer is missing"
        summary = (
            f"kube-apiserver refuses questions about its health ({facts.readyz}): {who}; kubelet's probes fail too"
        )
        evidence = f"{where}: HTTP {facts.readyz}"
    elif facts.readyz:
        failed = ", ".join(facts.readyz_failed) or "no check named"
        summary, evidence = f"kube-apiserver is not ready: {failed}", f"{where}: HTTP {facts.readyz}"
    else:
        summary = "kube-apiserver listens and does not answer"
        evidence = f"{where}: {facts.ask_error or 'no answer'}"
    return Found("critical", summary, (evidence, *_last_words(facts)), settling=True, refs=("A06",))


@check("apiserver.crash_loop_backoff", on="masters", needs=("apiserver",))
def crash_loop_backoff(node: Node, cluster: Cluster) -> Verdict:
    """kubelet waits, up to five minutes, before it starts the API server again."""
    facts = _facts(node)
    if facts.unit:
        return NotApplicable(f"systemd starts it, not kubelet: the unit {facts.unit}")
    waiting = backing_off(facts.now, facts.started, facts.kubelet_started, facts.log_written, facts.restarts)
    if facts.listening or facts.manifest_held or waiting is None:
        return Ok()
    return Found(
        "warning",
        f"kubelet holds kube-apiserver in CrashLoopBackOff; it ended {waiting} s ago and was not started again",
        (f"{facts.log_path}: last line {waiting} s ago", f"restarts: {facts.restarts}", *_last_words(facts, 1)),
        repair="kubelet_backoff_reset",
        settling=True,
    )


@check("apiserver.canary_failed", on="masters", needs=("apiserver",))
def canary_failed(node: Node, cluster: Cluster) -> Verdict:
    """The last test write of this run, through this very API server."""
    said = cluster.canaries.get(node.name, "")
    if not said:
        return NotApplicable("no test write was made")
    if said == "ok" or not _facts(node).listening:
        return Ok()
    return Found(
        "critical",
        "kube-apiserver answers, but what was tried through it at the end failed",
        (f"{_facts(node).address}:{_facts(node).port}: {said}",),
    )
