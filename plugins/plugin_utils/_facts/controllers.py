"""Facts of layer controllers: controller-manager, scheduler, leases, nodes as one master's apiserver tells them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.podlog import Line, last_words, moment
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.requests import ServingRequest, read_requests
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import Unit, unit_of

__all__ = ["Controller", "ControllersFacts", "Lease", "NodeObject", "parse", "rewritten"]

_CODE = re.compile(r"^@code=(\d+)$", re.MULTILINE)
_REFUSAL = re.compile(r"[Ff]orbidden|Unauthorized|x509|tls: |certificate|connection refused|i/o timeout|no such host")
_WHY = {
    "not_listening": "this node's kube-apiserver does not listen",
    "no_tool": "there is no curl on the node to ask it with",
    "no_credential": "there is no admin.conf on the node to ask with",
    "asking": "this node's kube-apiserver did not answer in time",
}
_REFUSED = {401: "does not accept", 403: "does not allow anything to"}


@dataclass(frozen=True)
class Controller:
    """kube-controller-manager or kube-scheduler of one master."""

    name: str
    manifest: FileFact | None = None  # without content
    kubeconfig: str = ""
    healthz: int = 0  # HTTP code on its secure port, 0: no answer
    unauthorized_at: datetime | None = None  # newest log line with Unauthorized
    log_tail: tuple[str, ...] = ()
    held: str = ""  # where a run put the manifest aside, or empty
    listening: bool = False
    started: int = 0  # epoch seconds the running process began; 0: none runs
    kubeconfig_state: str = ""
    kubeconfig_mtime: int = 0
    last_line_at: datetime | None = None
    unauthorized_line: str = ""
    refusal_line: str = (
        ""  # newest log line that says why it gets no lease: forbidden, Unauthorized, TLS, no connection
    )
    log_path: str = ""
    log_written: int = 0  # epoch seconds of the last line
    restarts: int = 0
    unit: str = ""  # systemd unit, where it is no static pod
    service: Unit | None = None  # what systemd says of that unit


@dataclass(frozen=True)
class Lease:
    """coordination.k8s.io Lease."""

    namespace: str  # kube-system | kube-node-lease
    name: str
    holder: str
    renewed: datetime | None


@dataclass(frozen=True)
class NodeObject:
    """A Node object: name and unschedulable only, because its Ready column is stale while nobody leads."""

    name: str
    ready: str  # True | False | Unknown | "" — as claimed
    control_plane: bool = False


@dataclass(frozen=True)
class ControllersFacts:
    """What this master's own apiserver tells of who leads and whose node lives."""

    controllers: tuple[Controller, ...] = ()
    api_answers: bool | None = None  # leases could be read through this master; None: no kubectl or credential
    api_error: str = ""
    leases: tuple[Lease, ...] = ()
    nodes: tuple[NodeObject, ...] = ()
    # Serving certificates that kubelets ask for, of each the three newest; None: this master could not be asked.
    requests: tuple[ServingRequest, ...] | None = None
    now: int = 0  # epoch seconds on the node when the section ran
    kubelet_started: int = 0

    def controller(self, name: str) -> Controller | None:
        """kube-controller-manager or kube-scheduler."""
        return next((c for c in self.controllers if c.name == name), None)

    def lease(self, namespace: str, name: str) -> Lease | None:
        """The lease of that name."""
        return next((x for x in self.leases if x.namespace == namespace and x.name == name), None)


def parse(section: Section) -> ControllersFacts:
    """Typed facts from the section's records. Raises ValueError where it was cut off before it came to the leases."""
    if "api" not in section.values:
        raise ValueError(f"it took too long to look ({section.state})")
    answers, error = _answered(section)
    leases = section.outputs.get("leases")
    nodes = section.outputs.get("nodes")
    return ControllersFacts(
        controllers=tuple(_controller(section, name) for name in section.all("controller")),
        api_answers=answers,
        api_error=error,
        leases=tuple(_leases(leases.text)) if answers and leases else (),
        nodes=tuple(_nodes(nodes.text)) if answers and nodes else (),
        requests=read_requests(section.blobs.get("requests", "")) if answers else None,
        now=section.number("now"),
        kubelet_started=section.number("kubelet_started"),
    )


def rewritten(facts: ControllersFacts, paths: Collection[str]) -> ControllersFacts:
    """The facts as they would be had these kubeconfigs been written just now (for the effects of steps)."""
    changed = tuple(
        replace(c, kubeconfig_state="ok", kubeconfig_mtime=facts.now) if c.kubeconfig in paths else c
        for c in facts.controllers
    )
    return replace(facts, controllers=changed)


def _answered(section: Section) -> tuple[bool | None, str]:
    state = section.value("api")
    output = section.outputs.get("leases")
    if state != "asked" or output is None:
        return (False if state in ("not_listening", "asking") else None), _WHY.get(state, state)
    codes = [int(code) for code in _CODE.findall(output.text)]
    if codes and all(code == 200 for code in codes):
        return True, ""
    code = next((c for c in codes if c != 200), 0)
    if code in _REFUSED:
        return False, f"it {_REFUSED[code]} {section.value('credential')} (HTTP {code})"
    curl = next((line for line in output.text.splitlines() if line.startswith("curl: ")), "")
    return False, curl or f"it answers with HTTP {code}"


def _controller(section: Section, name: str) -> Controller:
    path = section.value(f"{name}.manifest")
    kubeconfig = section.value(f"{name}.kubeconfig")
    conf = section.file(kubeconfig)
    words = last_words(section, name)
    refused: Line | None = next((w for w in reversed(words.lines) if "Unauthorized" in w.text), None)
    return Controller(
        name=name,
        manifest=section.file(path) if path else None,
        kubeconfig=kubeconfig,
        healthz=section.number(f"{name}.healthz"),
        unauthorized_at=refused.at if refused else None,
        log_tail=tuple(line.text for line in words.lines[-20:]),
        held=section.value(f"{name}.held"),
        listening=section.value(f"{name}.listening") == "yes",
        started=section.number(f"{name}.started"),
        kubeconfig_state=conf.state,
        kubeconfig_mtime=conf.mtime,
        last_line_at=next((w.at for w in reversed(words.lines) if w.at), None),
        unauthorized_line=refused.text if refused else "",
        refusal_line=next((w.text for w in reversed(words.lines) if _REFUSAL.search(w.text)), ""),
        log_path=words.path,
        log_written=words.written,
        restarts=words.restarts,
        unit=section.value(f"{name}.unit"),
        service=unit_of(section, name),
    )


def _leases(text: str) -> list[Lease]:
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 4 and not line.startswith(("@", "curl: ")):
            space, name, holder, renewed = words
            found.append(Lease(space, name, "" if holder == "-" else holder, moment(renewed)))
    return found


def _nodes(text: str) -> list[NodeObject]:
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and not line.startswith(("@", "curl: ")):
            name, status, roles = words
            found.append(NodeObject(name, _ready(status), bool({"control-plane", "master"} & set(roles.split(",")))))
    return found


def _ready(status: str) -> str:
    word = status.split(",", maxsplit=1)[0]
    return {"Ready": "True", "NotReady": "False", "Unknown": "Unknown"}.get(word, "")
