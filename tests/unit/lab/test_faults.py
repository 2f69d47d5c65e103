"""The fault files and how their steps are taken."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kr_lab import faults
from kr_lab.host import LabError

from .test_state import lab

CATALOGUE = {fault.name: fault for fault in faults.catalogue()}
LAYERS = {"host", "runtime", "pki", "kubelet", "etcd", "apiserver", "rbac", "controllers", "network", "incident"}


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_fault_says_what_happens_in_the_field(name: str) -> None:
    fault = CATALOGUE[name]
    assert name.split(".", maxsplit=1)[0] in LAYERS
    assert len(fault.says.split()) >= 10
    assert fault.on
    assert fault.steps


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_script_is_posix_sh(name: str) -> None:
    for step in CATALOGUE[name].steps:
        if step.verb == "sh":
            done = subprocess.run(["dash", "-n"], input=step.what, text=True, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def test_faults_made_of_others_name_real_ones() -> None:
    named = {str(step.what) for fault in CATALOGUE.values() for step in fault.steps if step.verb == "fault"}
    assert named
    assert named <= set(CATALOGUE)


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(LabError, match=r"no fault 'host\.nothing': 'lab faults' lists them"):
        faults.find("host.nothing")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nodes: [m1]\nsteps: []\n", "'says' is missing"),
        ("says: x\nnodes: [m1]\nsteps: [{sh: a, power: cut}]\n", "exactly one of"),
        ("says: x\nnodes: [m1]\nsteps: [{sh: a, where: b}]\n", "exactly one of"),
        ("says: x\nnodes: [m1]\nsteps: [{power: sideways}]\n", "not 'sideways'"),
    ],
)
def test_a_fault_file_with_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "host.x.yml"
    path.write_text(text)
    with pytest.raises(LabError, match=message):
        faults.read_fault(path)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What the steps would have done, with all nodes but m3 switched on."""
    seen: list[tuple[str, ...]] = []

    def record(kind: str) -> object:
        return lambda _lab, nodes, **_: seen.append((kind, *[node.name for node in nodes]))

    monkeypatch.setattr(faults, "is_on", lambda _lab, node: node.name != "m3")
    monkeypatch.setattr(faults, "cut", record("cut"))
    monkeypatch.setattr(faults, "start", record("start"))
    monkeypatch.setattr(faults, "halt", lambda _lab, node: seen.append(("halt", node.name)))
    monkeypatch.setattr(faults, "node_sh", lambda _lab, node, _script, *words: seen.append((node.name, *words)))
    return seen


def test_a_node_that_was_off_stays_off(taken: list[tuple[str, ...]]) -> None:
    faults.inject(lab(), faults.find("etcd.member_data_lost"), ["m2", "m3"])
    assert taken[0] == ("halt", "m2")
    assert taken[-1] == ("start", "m2")
    assert ("m3", "m3", "10.77.0.13") in taken


def test_a_peer_is_a_master_that_is_on_and_left_whole(taken: list[tuple[str, ...]]) -> None:
    faults.inject(lab(), faults.find("etcd.member_removed"), ["m1"])
    assert taken == [("m2", "m1", "10.77.0.11")]


def test_without_a_whole_master_there_is_no_peer(taken: list[tuple[str, ...]]) -> None:
    with pytest.raises(LabError, match="needs a master that is left whole"):
        faults.inject(lab(), faults.find("etcd.member_removed"), ["m1", "m2"])
    assert taken == []


def test_a_smaller_lab_gets_the_fault_on_what_it_has(taken: list[tuple[str, ...]]) -> None:
    with pytest.raises(LabError, match="has none of w1"):
        faults.inject(lab(masters=1, workers=0), faults.find("host.service_disabled"))
    assert taken == []
