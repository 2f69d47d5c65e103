"""Facts of layer runtime: the container runtime, its configuration and its containers."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Output, Section

if sys.version_info >= (3, 11):
    import tomllib

__all__ = ["Container", "RuntimeFacts", "parse", "problem_of"]

_NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-vip", "haproxy", "keepalived")
_SHORT = {"kube-controller": "kube-controller-manager"}  # the kernel keeps 15 characters of a process name
_STATES = {"nul": "full of NUL bytes", "dangling": "a link to nothing", "not_a_file": "not a file"}
_DOCKER = re.compile(r"(?P<id>[0-9a-f]{64}) k8s_(?P<name>[^_]+)_[^_]+_kube-system_[^_]+_(?P<attempt>\d+) ")
_LINK = re.compile(r"[^_ ]+_kube-system_(?P<name>.+)-(?P<id>[0-9a-f]{64}) .*/(?P<attempt>\d+)\.log$")


@dataclass(frozen=True)
class Container:
    """A container of a kube-system static pod, the newest attempt of its name."""

    name: str  # container name: etcd, kube-apiserver, …
    id: str
    running: bool
    created: int = 0  # epoch seconds
    attempt: int = 0  # restarts kubelet counted


@dataclass(frozen=True)
class RuntimeFacts:
    """What runs containers here."""

    kind: str  # containerd | docker | crio | none
    socket: str
    socket_there: bool
    unit: str  # systemd unit name without .service
    config: FileFact | None = None  # /etc/containerd/config.toml or /etc/docker/daemon.json
    config_sha256: str = ""
    answers: bool | None = None  # None: could not be asked (no client on the node, or it timed out)
    containers: tuple[Container, ...] = ()
    log_tail: tuple[str, ...] = ()  # last lines of the unit's journal, only where it is not active
    active: str = ""  # the unit's ActiveState; empty: systemctl did not tell
    config_problem: str = ""  # why the configuration does not parse, or empty
    config_secret: bool = False  # it holds credentials, so its content was not read
    stale_pid: str = ""  # /var/run/docker.pid names this process, which is not Docker's
    ask_error: str = ""  # what the client said where the daemon did not answer

    def container(self, name: str) -> Container | None:
        """The newest container of that name."""
        return next((c for c in self.containers if c.name == name), None)


def parse(section: Section) -> RuntimeFacts:
    """Typed facts from the section's records."""
    kind = section.value("kind", "none")
    path = section.value("config")
    config = section.files.get(path)
    asked = section.outputs.get("ask")
    there = section.value("socket_there") == "yes"
    pid, _, owner = section.value("docker_pid").partition(" ")
    return RuntimeFacts(
        kind=kind,
        socket=section.value("socket"),
        socket_there=there,
        unit="" if kind == "none" else kind,
        config=config,
        config_sha256=section.value("config_sha256"),
        answers=_answers(asked) if there else None,
        containers=_containers(section, kind, asked),
        log_tail=_lines(section.outputs.get("log")),
        active=section.value("active"),
        config_problem=problem_of(config) if config else "",
        config_secret=section.value("config_secret") == "yes",
        stale_pid=pid if pid and owner != "dockerd" else "",
        ask_error=" ".join(asked.text.split())[:300] if asked and asked.rc != 0 else "",
    )


def problem_of(config: FileFact) -> str:
    """Why that configuration cannot be read, or empty. A file that is not there is the runtime's own defaults: no problem."""
    if config.state in ("missing", "ok") and not config.content:
        return ""
    if config.state != "ok":
        return "" if config.state == "missing" else f"it is {_STATES.get(config.state, config.state)}"
    if not config.content.strip():
        return "there is nothing but blanks in it"
    try:
        if config.path.endswith(".json"):
            json.loads(config.content)
        elif sys.version_info >= (3, 11):  # an older controller cannot tell
            tomllib.loads(config.content)
    except ValueError as error:
        return f"it does not parse: {error}"
    return ""


def _answers(asked: Output | None) -> bool | None:
    if asked is None or asked.rc in (-1, 124, 137, 143):  # no client on the node, or timeout(1) ended it
        return None
    return asked.rc == 0


def _containers(section: Section, kind: str, asked: Output | None) -> tuple[Container, ...]:
    started = {
        fields[1]: _int(fields[2])
        for fields in (line.split(" ") for line in section.all("process"))
        if len(fields) == 3
    }
    running = set(started)
    if asked is not None and asked.rc == 0:
        running |= _running(kind, asked.text)
    found: dict[str, Container] = {}
    for name, key, attempt in [*_from_docker(kind, asked), *_from_logs(section)]:
        seen = Container(name, key, key in running, started.get(key, 0), attempt)
        if name not in found or (seen.running and not found[name].running):
            found[name] = seen
    for line in section.all("process"):  # its link may be missing where the disk was full
        comm, _, rest = line.partition(" ")
        name = _SHORT.get(comm, comm)
        key = rest.partition(" ")[0]
        if name not in found or not found[name].running:
            found[name] = Container(name, key, True, started.get(key, 0))
    return tuple(found.values())


def _running(kind: str, text: str) -> set[str]:
    if kind == "docker":
        rows = (line.split(" ", 2) for line in text.splitlines())
        return {row[0] for row in rows if len(row) == 3 and row[2].startswith("Up")}
    cells = (line.split() for line in text.splitlines())  # TASK PID STATUS
    return {row[0] for row in cells if len(row) == 3 and row[2] == "RUNNING"}


def _from_docker(kind: str, asked: Output | None) -> list[tuple[str, str, int]]:
    if kind != "docker" or asked is None or asked.rc != 0:
        return []
    rows = (_DOCKER.match(line) for line in asked.text.splitlines())  # newest first
    return [(m["name"], m["id"], int(m["attempt"])) for m in rows if m and m["name"] in _NAMES]


def _from_logs(section: Section) -> list[tuple[str, str, int]]:
    rows = (_LINK.match(line) for line in section.all("log"))  # newest first
    return [(m["name"], m["id"], int(m["attempt"])) for m in rows if m and m["name"] in _NAMES]


def _lines(output: Output | None) -> tuple[str, ...]:
    return tuple(line.strip() for line in output.text.splitlines() if line.strip()) if output else ()


def _int(text: str) -> int:
    return int(text) if text.isdigit() else 0
