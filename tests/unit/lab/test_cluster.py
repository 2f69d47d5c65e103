"""What kubeadm is told, what health and kept data mean, what the command line understands."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
import yaml

from kr_lab import cli, cluster, encryption, health, inventory, workload
from kr_lab.host import LabError

from .test_state import lab

LEGACY = dataclasses.replace(lab(), profile="legacy", kubernetes="1.20.15", runtime="docker")
MIDDLE = dataclasses.replace(lab(), kubernetes="1.28.15")


@pytest.mark.parametrize(
    ("which", "api", "arguments"),
    [
        (lab(), "kubeadm.k8s.io/v1beta4", [{"name": "node-ip", "value": "10.77.0.11"}]),
        (MIDDLE, "kubeadm.k8s.io/v1beta3", {"node-ip": "10.77.0.11"}),
        (LEGACY, "kubeadm.k8s.io/v1beta2", {"node-ip": "10.77.0.11", "network-plugin": "cni"}),
    ],
)
def test_kubeadm_gets_the_configuration_of_its_time(which: Any, api: str, arguments: Any) -> None:
    init, config, kubelet, _proxy = cluster.init_documents(which, which.nodes[0], "abcdef.0123456789abcdef", "00")
    assert init["apiVersion"] == config["apiVersion"] == api
    assert init["nodeRegistration"]["kubeletExtraArgs"] == arguments
    assert config["controlPlaneEndpoint"] == "api.lab.internal:6443"
    assert ("failCgroupV1" in kubelet) == (which.kubernetes == "1.36.3")


@pytest.mark.parametrize(
    ("which", "arguments"),
    [
        (lab(), [{"name": "encryption-provider-config", "value": "/etc/kubernetes/encryption/secrets.conf"}]),
        (LEGACY, {"encryption-provider-config": "/etc/kubernetes/encryption/secrets.conf"}),
    ],
)
def test_secrets_are_encrypted_only_where_it_is_asked_for(which: Any, arguments: Any) -> None:
    plain = cluster.init_documents(which, which.nodes[0], "a.b", "00")[1]["apiServer"]
    assert set(plain) == {"certSANs"}
    secret = dataclasses.replace(which, encryption="aescbc")
    served = cluster.init_documents(secret, secret.nodes[0], "a.b", "00")[1]["apiServer"]
    assert served["extraArgs"] == arguments
    assert [v["hostPath"] for v in served["extraVolumes"]] == ["/data/kubernetes"]


@pytest.mark.parametrize("provider", encryption.PROVIDERS)
def test_the_configuration_has_one_key_and_reads_what_is_not_encrypted(provider: str) -> None:
    (rule,) = yaml.safe_load(encryption.configuration(provider, b"0123456789abcdef" * 2))["resources"]
    first, last = rule["providers"]
    assert base64.b64decode(first[provider]["keys"][0]["secret"]) == b"0123456789abcdef" * 2
    assert (rule["resources"], last) == (["secrets"], {"identity": {}})


def test_an_unknown_provider_is_named() -> None:
    with pytest.raises(LabError, match="no encryption provider 'rot13': aescbc, aesgcm, secretbox"):
        encryption.check_provider("rot13")


def test_only_a_master_joins_the_control_plane() -> None:
    joins = [cluster.join_document(lab(), node, "a.b", "sha256:0", "00") for node in lab().nodes]
    assert ["controlPlane" in document for document in joins] == [True, True, True, False]


def test_masters_without_workers_take_the_workload() -> None:
    alone = lab(masters=1, workers=0)
    init = cluster.init_documents(alone, alone.nodes[0], "a.b", "00")[0]
    assert init["nodeRegistration"]["taints"] == []
    assert "taints" not in cluster.init_documents(lab(), lab().nodes[0], "a.b", "00")[0]["nodeRegistration"]


def lease(space: str, name: str, renewed: str) -> dict[str, Any]:
    return {"metadata": {"namespace": space, "name": name}, "spec": {"renewTime": renewed}}


def test_health_is_that_every_lease_moved() -> None:
    items = [
        lease("kube-node-lease", "m1", "2026-01-01T00:00:10.000000Z"),
        lease("kube-node-lease", "w1", "2025-12-31T23:59:59.000000Z"),
        lease("kube-system", "kube-scheduler", "2026-01-01T00:00:11.000000Z"),
    ]
    since = 1767225600.0
    stale = health.stale_leases(json.dumps({"items": items}), ["m1", "w1"], since)
    assert stale == ["w1", "kube-controller-manager"]


def test_the_fingerprint_sees_data_and_uid_but_no_bookkeeping() -> None:
    secret: dict[str, Any] = {"kind": "Secret", "metadata": {"uid": "u", "resourceVersion": "1"}, "data": {"a": "YQ=="}}
    touched = {**secret, "metadata": {"uid": "u", "resourceVersion": "9"}}
    changed = {**secret, "data": {"a": "Yg=="}}
    assert workload.fingerprint(secret) == workload.fingerprint(touched)
    assert workload.fingerprint(secret) != workload.fingerprint(changed)
    assert workload.fingerprint(secret)["uid"] == "u"


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("root", set()),
        ("ops", {"ansible_become"}),
        ("opspw", {"ansible_become", "ansible_become_password"}),
    ],
)
def test_the_inventory_has_what_the_user_needs(user: str, wanted: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "ssh_key", lambda: "/keys/id_ed25519")
    everything = yaml.safe_load(inventory.inventory(lab(), user))["all"]
    assert list(everything["children"]["masters"]["hosts"]) == ["m1", "m2", "m3"]
    assert everything["children"]["workers"]["hosts"]["w1"] == {"ansible_host": "10.77.0.21"}
    assert {key for key in everything["vars"] if "become" in key} == wanted
    assert "-oStrictHostKeyChecking=yes" in everything["vars"]["ansible_ssh_common_args"]


@pytest.mark.parametrize(
    ("words", "own", "command"),
    [
        (["kubectl", "get", "pods", "-A"], ["kubectl"], ["get", "pods", "-A"]),
        (["kubectl", "--name", "two", "get", "ns"], ["kubectl", "--name", "two"], ["get", "ns"]),
        (["kubectl", "--", "get", "--help"], ["kubectl"], ["get", "--help"]),
        (["kubectl", "--help"], ["kubectl", "--help"], []),
        (["exec", "m1", "--", "ls", "-l"], ["exec", "m1"], ["ls", "-l"]),
        (["exec", "--name", "two", "m1", "ls", "-l"], ["exec", "--name", "two", "m1"], ["ls", "-l"]),
        (["exec", "m1", "--name", "two", "--", "ls"], ["exec", "m1", "--name", "two"], ["ls"]),
        (["ssh", "w1"], ["ssh", "w1"], []),
        (["cut", "--torn", "m1"], ["cut", "--torn", "m1"], []),
    ],
)
def test_the_command_behind_the_labs_own_words(words: list[str], own: list[str], command: list[str]) -> None:
    assert cli.split_command(words) == (own, command)


def test_every_command_has_help_and_takes_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    for word in (
        "up",
        "list",
        "status",
        "inventory",
        "exec",
        "kubectl",
        "ssh",
        "faults",
        "break",
        "cut",
        "start",
        "down",
    ):
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args([word, "--help"])
        assert ended.value.code == 0
        assert "--name NAME" in capsys.readouterr().out


def test_an_error_is_one_sentence_and_rc_1(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str) -> None:
        raise LabError("no lab 'x' here")

    monkeypatch.setattr(cli, "load", fail)
    assert cli.main(["status", "--name", "x"]) == 1
    assert capsys.readouterr().err == "lab: no lab 'x' here\n"
