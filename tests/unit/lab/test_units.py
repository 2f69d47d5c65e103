"""A control plane as systemd units: the same flags, each component in another form."""

from __future__ import annotations

import dataclasses
import json

import pytest

from kr_lab import state, units
from kr_lab.host import LabError

from .test_state import lab

MANIFEST = """\
spec:
  containers:
  - name: kube-apiserver
    command:
    - kube-apiserver
    - --encryption-provider-config=/etc/kubernetes/encryption/secrets.conf
    - --etcd-servers=https://127.0.0.1:2379
    - --secure-port=6443
    volumeMounts:
    - {name: encryption, mountPath: /etc/kubernetes/encryption}
    - {name: all, mountPath: /etc/kubernetes}
  volumes:
  - {name: encryption, hostPath: {path: /data/kubernetes}}
  - {name: all, hostPath: {path: /etc/kubernetes}}
"""
ETCD = "--etcd-servers=https://127.0.0.1:2379"


def test_paths_of_the_container_become_those_of_the_node() -> None:
    assert units.flags_on_the_node(MANIFEST) == [
        "--encryption-provider-config=/data/kubernetes/secrets.conf",
        ETCD,
        "--secure-port=6443",
    ]


def test_what_would_need_quotes_is_refused() -> None:
    with pytest.raises(LabError, match="would need quotes"):
        units.flags_on_the_node(MANIFEST.replace("6443", "$PORT"))


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"])
def test_every_flag_is_in_the_files_of_its_unit(name: str) -> None:
    flags = [ETCD, "--kubeconfig=/etc/kubernetes/x.conf", "--v=2"]
    files = units.unit_files(name, flags)
    text = "".join(files.values()).replace("${KUBE_SCHEDULER_CONF}", "/etc/kubernetes/x.conf")
    assert all(flag in text for flag in flags)
    assert f"ExecStart=/usr/local/bin/{name}" in files[f"etc/systemd/system/{name}.service"]
    assert "RestartSec=5" in files[f"etc/systemd/system/{name}.service"]


def test_an_unknown_control_plane_is_named() -> None:
    with pytest.raises(LabError, match="no control plane as 'snaps': pods, units"):
        units.check_control_plane("snaps")


def test_an_older_checkout_can_read_the_state(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(state, "RUN", tmp_path)
    mine = dataclasses.replace(lab(), control_plane="units")
    mine.save()
    assert "control_plane" not in json.loads((mine.home / "lab.json").read_text())
    assert state.all_labs() == [mine]
