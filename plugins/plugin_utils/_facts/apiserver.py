"""Facts of layer apiserver: its manifest and what it answers on its own address."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import encryption
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import EncryptionFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.podlog import last_words
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.probes import (
    Probe,
    anonymous_paths,
    parse_probes,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import Unit, held_by, unit_of

__all__ = ["ApiserverFacts", "flag_value", "parse"]

_CODE = re.compile(r"^@code=(\d+)$", re.MULTILINE)
_FAILED = re.compile(r"^\[-\](\S+)", re.MULTILINE)
_CURL = re.compile(r"^curl: \((\d+)\) (.*)$", re.MULTILINE)
# What curl says where the certificate could not be verified.
_TLS = frozenset(("51", "60", "77", "83", "90", "91"))


@dataclass(frozen=True)
class ApiserverFacts:
    """The kube-apiserver of one master."""

    present: bool
    manifest: FileFact | None = None  # with content
    manifest_held: str = ""  # where a run put it aside (of a unit: by which drop-in it is kept from starting), or empty
    parses: bool = False
    address: str = ""  # --advertise-address
    port: int = 6443
    etcd_servers: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  # every --flag=value of the manifest or unit, no secret among them
    listening: bool = False
    livez: int = 0  # HTTP code by its own address, 0: no answer
    readyz: int = 0
    readyz_failed: tuple[str, ...] = ()  # names of the checks that failed
    tls_error: str = ""  # why verification of its certificate failed, or empty
    log_tail: tuple[str, ...] = ()
    unit: str = ""  # systemd unit, where it is no static pod
    service: Unit | None = None  # what systemd says of that unit
    expected: str = ""  # where the manifest should lie, where there is none
    parse_error: str = ""  # why the manifest is no Pod
    client_ca: str = "/etc/kubernetes/pki/ca.crt"  # --client-ca-file
    anonymous: bool = True  # asked without a certificate it answered something else than 401
    asked: bool = False  # its health could be asked: it listens and there is a tool for it
    ask_error: str = ""  # why there was no answer: curl's words
    now: int = 0  # epoch seconds on the node when the section ran
    started: int = 0  # epoch seconds the running process began; 0: none runs
    kubelet_started: int = 0
    log_path: str = ""
    log_written: int = 0  # epoch seconds of the last line
    restarts: int = 0  # as kubelet counts them in the log's name
    encryption: EncryptionFacts | None = None  # None: it is told to encrypt nothing
    probes: tuple[Probe, ...] = ()  # of its manifest
    open_paths: tuple[str, ...] | None = (
        None  # what it is told to let everybody ask; None: everything (RBAC says what of it)
    )
    authn_path: str = ""  # --authentication-config, as the process sees it
    authn_file: FileFact | None = None  # the same on the node, with content
    authn_error: str = ""  # why it cannot be understood
    probe_events: tuple[str, ...] = ()  # kubelet's own words of probes that failed, newest last


def parse(section: Section) -> ApiserverFacts:
    """Typed facts from the section's records. Raises ValueError where it was cut off before it said whether it listens."""
    if "listening" not in section.values:
        raise ValueError(f"it took too long to look ({section.state})")
    path = section.value("manifest")
    manifest = section.file(path) if path else None
    flags, parse_error = _flags(manifest)
    words = last_words(section, "kube-apiserver")
    health = (
        _health(section.outputs["health"].text) if "health" in section.outputs else {"ask_error": _unasked(section)}
    )
    unit = section.value("unit")
    started = section.number("started")
    return ApiserverFacts(
        present=bool(manifest or unit or started),
        manifest=manifest,
        manifest_held=section.value("held") or held_by(unit_of(section, "kube-apiserver")),
        parses=manifest is not None and not parse_error,
        address=section.value("address"),
        port=section.number("port", 6443),
        etcd_servers=tuple(s for s in section.value("etcd_servers").split(",") if s),
        flags=flags or section.all("flag"),
        listening=section.value("listening") == "yes",
        log_tail=tuple(line.text for line in words.lines[-20:]),
        unit=unit,
        service=unit_of(section, "kube-apiserver"),
        expected=section.value("expected"),
        parse_error=parse_error,
        client_ca=section.value("client_ca"),
        anonymous=section.value("anonymous") != "no",
        asked="health" in section.outputs,
        now=section.number("now"),
        started=started,
        kubelet_started=section.number("kubelet_started"),
        log_path=words.path,
        log_written=words.written,
        restarts=words.restarts,
        encryption=encryption.parse(section),
        **_asking(section, manifest if not parse_error else None, flags),
        **health,
    )


def _asking(section: Section, manifest: FileFact | None, flags: tuple[str, ...]) -> dict[str, Any]:
    """Who asks it whether it lives, and whom it lets ask."""
    path = section.value("authn_path")
    place = section.value("authn_file")
    file = section.file(place) if place else None
    error, paths = "", None
    try:
        text = file.content if file is not None and file.usable else ""
        paths = anonymous_paths(flag_value(flags, "anonymous-auth"), text)
        if path and not text:
            error = f"it is {file.state}" if file else "no directory of the node is mounted there"
    except ValueError as problem:
        error = str(problem)
    try:
        probes = parse_probes(manifest.content) if manifest is not None else ()
    except (KeyError, TypeError, ValueError):
        probes = ()
    events = section.outputs.get("probe_events")
    return {
        "probes": probes,
        "open_paths": paths,
        "authn_path": path,
        "authn_file": file,
        "authn_error": error if path else "",
        "probe_events": tuple(line for line in events.text.splitlines() if line.strip()) if events else (),
    }


def flag_value(flags: tuple[str, ...], name: str) -> str:
    """The last value of a flag; empty where it is not given."""
    given = [word.partition("=")[2] for word in flags if word.lstrip("-").partition("=")[0] == name]
    return given[-1] if given else ""


def _health(text: str) -> dict[str, Any]:
    codes = [int(code) for code in _CODE.findall(text)]
    curl = _CURL.findall(text)
    number, words = curl[0] if curl else ("", "")
    tls = number in _TLS
    return {
        "livez": codes[0] if codes else 0,
        "readyz": codes[1] if len(codes) > 1 else 0,
        "readyz_failed": tuple(dict.fromkeys(_FAILED.findall(text))),
        "tls_error": words if tls else "",
        "ask_error": "" if tls else words,
    }


def _unasked(section: Section) -> str:
    if section.value("listening") != "yes":
        return ""
    return (
        "there is no curl on the node to ask it with"
        if section.value("tool") == "none"
        else "it did not answer in time"
    )


def _flags(manifest: FileFact | None) -> tuple[tuple[str, ...], str]:
    if manifest is None:
        return (), ""
    if not manifest.usable:
        return (), f"the file is {manifest.state}"
    try:
        pod = yaml.safe_load(manifest.content)
        if not isinstance(pod, dict) or pod.get("kind") != "Pod":
            return (), "it is no Pod"
        container = pod["spec"]["containers"][0]
        words = [*(container.get("command") or []), *(container.get("args") or [])]
    except yaml.YAMLError as error:
        return (), " ".join(str(error).split())
    except (KeyError, IndexError, TypeError, AttributeError):
        return (), "it has no spec.containers"
    return tuple(str(w) for w in words if str(w).startswith("-")), ""
