"""Facts of layer etcd: the manifest, the data on disk, the process, and what the member itself answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_gateway
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Output, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.podlog import last_words
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import Unit, held_by, unit_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member, Status

__all__ = ["EtcdFacts", "Member", "Status", "parse"]

_OWN_LINE = re.compile(r"""^ *- *["']?--initial-cluster=""", re.MULTILINE)  # as etcd_member.sh rewrites it
_OTHER_WAL = "the WAL lies in a directory of its own, --wal-dir={}, which is not judged"
_PAGE = 4096  # bbolt's page on every machine that Kubernetes runs on


@dataclass(frozen=True)
class EtcdFacts:
    """A stacked etcd member of this node."""

    present: bool  # a manifest (or unit) for etcd is here, or was put aside by this project
    manifest: FileFact | None = None  # with content (it holds no secret)
    manifest_held: str = (
        ""  # where a run put the manifest aside (of a unit: the drop-in that keeps it from starting), or empty
    )
    parses: bool = False  # the manifest is YAML of kind Pod
    name: str = ""  # --name
    data_dir: str = ""
    peer_urls: tuple[str, ...] = ()  # --initial-advertise-peer-urls
    client_urls: tuple[str, ...] = ()  # --advertise-client-urls
    initial_cluster: tuple[str, ...] = ()  # entries name=url
    rejoinable: bool = (
        True  # --initial-cluster stands on a line of its own, so that it can be changed without touching the rest
    )
    initial_state: str = ""  # existing | new | "" (absent)
    cert_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    data_there: bool = False  # <data_dir>/member exists
    wal_files: int = 0
    db_size: int = 0  # bytes of member/snap/db; 0: missing
    data_mtime: int = 0  # newest of db and wal, epoch seconds
    listening: bool = False  # something answers on the client port
    status: Status | None = None  # None: no answer, or not understood
    members: tuple[Member, ...] = ()  # by this member's list
    linearizable: bool | None = None  # a linearizable read through this member worked; None: not asked
    objects: int | None = None  # keys under /registry, None: not told
    log_tail: tuple[str, ...] = ()  # last lines of the newest container log
    asked_with: str = ""  # curl | "" (no tool: could not tell)
    endpoint: str = ""  # the client URL it was asked at
    ask_error: str = ""  # why it did not answer: curl's words
    data_unreadable: str = ""  # why the data directory could not be looked at (it may be full of data), or empty
    db_used: int = -1  # bytes of pages in use in snap/db (the file grows in steps of 16 MiB); -1: not told
    held_dir: str = ""  # where manifests are put aside on this node
    manifests_dir: str = ""
    apiserver_manifest: str = ""  # path, in the manifests directory or put aside
    apiserver_held: str = ""  # where a run put kube-apiserver's manifest aside, or empty
    readd: str = ""  # ID of the new member that a run has begun to start here, or empty
    held_state: str = (
        ""  # what the member was judged to be when its manifest was put aside, while its data is still that
    )
    held_line: str = ""  # the evidence of then
    unit: str = ""  # systemd unit, where etcd is no static pod
    service: Unit | None = None  # what systemd says of that unit
    told_by: tuple[str, ...] = ()  # of a unit: the files that say how it joins (--initial-cluster)
    apiserver_unit: str = ""  # where kube-apiserver is no static pod
    log_mtime: int = 0  # of the newest log, epoch seconds
    log_previous: tuple[str, ...] = ()  # last lines of the log before it: only where the newest is short

    @property
    def here(self) -> bool:
        """Whether a member of this node is there to be run, as a static pod or as a unit."""
        return self.manifest is not None or bool(self.unit)

    @property
    def source(self) -> str:
        """What says how it runs: the manifest's path, or the unit."""
        return self.manifest.path if self.manifest is not None else f"unit {self.unit}"


def parse(section: Section) -> EtcdFacts:
    """Typed facts from the section's records."""
    manifest = section.file(section.value("manifest")) if section.value("manifest") else None
    unit = section.value("unit")
    if manifest is None and not unit:
        return EtcdFacts(present=False)
    service = unit_of(section, "etcd")
    held = section.value("held_dir")
    apiserver = section.value("apiserver_manifest")
    facts = EtcdFacts(
        present=True,
        manifest=manifest,
        manifest_held=manifest.path if manifest and _inside(manifest.path, held) else held_by(service),
        held_dir=held,
        manifests_dir=section.value("manifests_dir"),
        apiserver_manifest=apiserver,
        apiserver_held=apiserver if _inside(apiserver, held) else held_by(unit_of(section, "kube-apiserver")),
        readd=section.value("readd"),
        unit=unit,
        service=service,
        told_by=section.all("told_by"),
        apiserver_unit=section.value("apiserver_unit"),
    )
    facts = _of_unit(facts, section) if manifest is None else _with_flags(facts)
    return _with_answers(_with_reason(_with_data(facts, section), section), section)


def _inside(path: str, directory: str) -> bool:
    return bool(path and directory) and path.startswith(directory + "/")


def _with_flags(facts: EtcdFacts) -> EtcdFacts:
    pod = _pod(facts.manifest.content if facts.manifest else "")
    if pod is None:
        return facts
    container = pod["spec"]["containers"][0]
    words = [str(w) for w in [*(container.get("command") or []), *(container.get("args") or [])]]
    flags = _values(words)
    return replace(
        _told(facts, flags),
        parses=True,
        rejoinable=_OWN_LINE.search(facts.manifest.content if facts.manifest else "") is not None,
        data_unreadable=_elsewhere(pod, container, flags),
    )


def _of_unit(facts: EtcdFacts, section: Section) -> EtcdFacts:
    flags = _values(section.all("flag"))
    wal = flags.get("wal-dir", "")
    return replace(
        _told(facts, flags),
        parses=all(flags.get(flag) for flag in ("name", "data-dir", "initial-cluster")),
        rejoinable=len(facts.told_by) == 1,
        data_unreadable=_OTHER_WAL.format(wal) if wal else "",
    )


def _values(words: Iterable[str]) -> dict[str, str]:
    return {key: value for key, _, value in (word.lstrip("-").partition("=") for word in words)}


def _told(facts: EtcdFacts, flags: dict[str, str]) -> EtcdFacts:
    return replace(
        facts,
        name=flags.get("name", ""),
        data_dir=flags.get("data-dir", ""),
        peer_urls=_list(flags.get("initial-advertise-peer-urls", "")),
        client_urls=_list(flags.get("advertise-client-urls", "")),
        initial_cluster=_list(flags.get("initial-cluster", "")),
        initial_state=flags.get("initial-cluster-state", ""),
        cert_file=flags.get("cert-file", ""),
        key_file=flags.get("key-file", ""),
        ca_file=flags.get("trusted-ca-file", ""),
    )


def _pod(text: str) -> dict[str, Any] | None:
    """The manifest; None where the text is no Pod with a container."""
    try:
        pod = yaml.safe_load(text)
        container = pod["spec"]["containers"][0]
        words = [*(container.get("command") or []), *(container.get("args") or [])]
        return pod if pod["kind"] == "Pod" and all(isinstance(w, str) for w in words) else None
    except (yaml.YAMLError, KeyError, TypeError, IndexError, AttributeError):
        return None


def _elsewhere(pod: dict[str, Any], container: dict[str, Any], flags: dict[str, str]) -> str:
    """Why the node's directory of the flag's name is not where the data lies, or empty."""
    if flags.get("wal-dir"):
        return _OTHER_WAL.format(flags["wal-dir"])
    where = flags.get("data-dir", "") + "/"
    sources = {v.get("name"): (v.get("hostPath") or {}).get("path", "") for v in pod["spec"].get("volumes") or []}
    mounts = [(str(m.get("mountPath", "")).rstrip("/"), m.get("name")) for m in container.get("volumeMounts") or []]
    covering = [(place, name) for place, name in mounts if where.startswith(place + "/")]
    if not covering:
        return ""
    place, name = max(covering)
    source = str(sources.get(name) or "").rstrip("/")
    return "" if source == place else f"the manifest mounts {source or 'no hostPath'} there, which is not judged"


def _list(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)


def _with_data(facts: EtcdFacts, section: Section) -> EtcdFacts:
    states = [section.value(key, "not looked at") for key in ("data_state", "member_state", "wal_state")]
    unreadable = next((s for s in states if s not in ("ok", "missing")), "")
    directory = section.value("data_dir", facts.data_dir)
    db = section.file(f"{directory}/member/snap/db")
    times = [f.mtime for path, f in section.files.items() if path.startswith(f"{directory}/member/")]
    return replace(
        facts,
        data_dir=directory,
        data_there=states[1] == "ok",
        data_unreadable=facts.data_unreadable or unreadable,
        wal_files=section.number("wal_files"),
        db_size=db.size,
        db_used=_used(section.value("db_meta")),
        data_mtime=max(times, default=0),
    )


def _with_reason(facts: EtcdFacts, section: Section) -> EtcdFacts:
    """What a hold noted: state, WAL files, bytes of the database, when, evidence. It counts while the data is the same."""
    words = section.value("held_why").split(" ", 4)
    if len(words) != 5 or not words[3].isdigit() or not facts.manifest_held:
        return facts
    state, wal_files, db_size, at, line = words
    same = (wal_files, db_size) == (str(facts.wal_files), str(facts.db_size)) and facts.data_mtime <= int(at)
    return replace(facts, held_state=state, held_line=line) if same else facts


def _used(text: str) -> int:
    """The high-water mark of the newer of two meta pages: "pages txid pages txid"."""
    numbers = [int(word) for word in text.split() if word.isdigit()]
    if len(numbers) != 4:
        return -1
    pages, _ = max(((numbers[0], numbers[1]), (numbers[2], numbers[3])), key=lambda pair: pair[1])
    return pages * _PAGE if 0 < pages < 1 << 40 else -1


def _with_answers(facts: EtcdFacts, section: Section) -> EtcdFacts:
    newest = _log(section.outputs.get("log_0"))
    previous = _log(section.outputs.get("log_1"))
    facts = replace(
        facts,
        asked_with=section.value("asked_with"),
        endpoint=section.value("endpoint"),
        log_tail=newest,
        log_mtime=section.number("log_mtime_0"),
        log_previous=previous if len(newest) < 30 else (),
    )
    if facts.unit:
        words = last_words(section, "etcd")
        tail = tuple(dict.fromkeys(line.text for line in words.lines))
        facts = replace(facts, log_tail=tail, log_mtime=words.written, log_previous=())
    first = _reply(section, "status")
    if first is None:
        return facts
    read = _reply(section, "linearizable")
    listed = _reply(section, "members")
    objects = _reply(section, "objects")
    return replace(
        facts,
        listening=first.http > 0 or "curl: (7)" not in first.error,
        status=etcd_gateway.status(first),
        ask_error=first.error or (read.error if read else ""),
        members=etcd_gateway.members(listed) if listed else (),
        linearizable=read.ok if read else None,
        objects=etcd_gateway.count(objects) if objects else None,
    )


def _reply(section: Section, name: str) -> etcd_gateway.Reply | None:
    output = section.outputs.get(name)
    return etcd_gateway.reply(output.text) if output else None


_CRI = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (?:stdout|stderr) [FP] ")


def _log(output: Output | None) -> tuple[str, ...]:
    if output is None:
        return ()
    lines = [_message(line) for line in output.text.splitlines()]
    return tuple(dict.fromkeys(line for line in lines if line.strip()))


def _message(line: str) -> str:
    """The process's own words, without the runtime's frame around them."""
    if line.startswith('{"log":'):
        try:
            return str(json.loads(line)["log"]).rstrip("\n")
        except (ValueError, KeyError):
            # Cut at the probe's width: what is left is still worth reading.
            return line[len('{"log":') :].lstrip('"').replace('\\"', '"')
    return _CRI.sub("", line)
