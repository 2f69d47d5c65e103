"""Names, addresses and state files of labs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from kr_lab import inventory, network, state
from kr_lab.host import LabError


def lab(name: str = "lab", index: int = 0, masters: int = 3, workers: int = 1) -> state.Lab:
    return state.Lab(name, "current", "1.36.3", "containerd", "/bin/kubectl", index, masters, workers)


def test_nodes_have_fixed_addresses_in_the_labs_own_subnet() -> None:
    found = [(node.name, node.ip, node.role) for node in lab(index=4).nodes]
    assert found == [
        ("m1", "10.77.4.11", "master"),
        ("m2", "10.77.4.12", "master"),
        ("m3", "10.77.4.13", "master"),
        ("w1", "10.77.4.21", "worker"),
    ]


@pytest.mark.parametrize("name", ["lab", "two-labs", "a1"])
def test_good_names_are_taken(name: str) -> None:
    assert state.check_name(name) == name


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "../lab", "a" * 21, "my lab"])
def test_names_that_would_break_paths_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="is no lab name"):
        state.check_name(name)


def test_pick_takes_all_nodes_when_none_is_named() -> None:
    assert [node.name for node in lab().pick([])] == ["m1", "m2", "m3", "w1"]


def test_pick_keeps_the_asked_order_and_drops_repeats() -> None:
    assert [node.name for node in lab().pick(["w1", "m1", "w1"])] == ["w1", "m1"]


def test_pick_says_which_nodes_there_are() -> None:
    with pytest.raises(LabError, match="has no node 'm9': it has m1, m2, m3, w1"):
        lab().pick(["m9"])


def test_state_survives_saving(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "RUN", tmp_path)
    lab("one").save()
    lab("two", index=1).save()
    assert [found.index for found in state.all_labs()] == [0, 1]
    assert state.load("two") == lab("two", index=1)


def test_what_kubectl_keeps_of_an_api_goes_with_its_lab() -> None:
    """The next lab has the same address, and may be of another version."""
    words = lab().client
    assert Path(words[words.index("--cache-dir") + 1]).parent == lab().home


def test_an_unknown_lab_is_named_with_those_that_are_up(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "RUN", tmp_path)
    lab("one").save()
    with pytest.raises(LabError, match=r"no lab 'three' here \(there is one\)"):
        state.load("three")


def test_a_subnet_with_a_golden_cluster_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "all_labs", lambda: [lab(index=0), lab(index=2)])
    assert network.free_index([0, 3]) == 3
    assert network.free_index([]) == 1


def test_ten_labs_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "all_labs", lambda: [lab(index=index) for index in range(10)])
    with pytest.raises(LabError, match="10 labs are up already"):
        network.free_index([])


def test_the_balancer_asks_every_master_whether_it_is_ready() -> None:
    config = network.haproxy_config(lab(index=1))
    assert "bind 10.77.1.10:6443" in config
    assert "option httpchk GET /readyz" in config
    assert [line.split()[1:] for line in config.splitlines() if line.strip().startswith("server ")] == [
        ["m1", "10.77.1.11:6443"],
        ["m2", "10.77.1.12:6443"],
        ["m3", "10.77.1.13:6443"],
    ]


def test_the_control_machine_is_there_once_it_has_a_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "STORE", tmp_path)
    monkeypatch.setattr(inventory, "ssh_key", lambda: tmp_path / "key")
    made = lab(index=4)
    assert "control" not in yaml.safe_load(inventory.inventory(made, "root"))["all"]["children"]
    with pytest.raises(LabError, match="has no node 'c1'"):
        made.pick(["c1"])
    made.disk(made.control).parent.mkdir(parents=True)
    made.disk(made.control).touch()
    assert [node.name for node in made.pick(["c1"])] == ["c1"]
    assert "c1" not in [node.name for node in (*made.nodes, *made.pick(None))]
    groups = yaml.safe_load(inventory.inventory(made, "root"))["all"]["children"]
    assert groups["control"] == {"hosts": {"c1": {"ansible_host": "10.77.4.30"}}}
