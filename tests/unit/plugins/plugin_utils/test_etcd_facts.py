"""etcd's section of the probe, read: where the data lies, how much is in it, and what a hold noted."""

from __future__ import annotations

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import etcd
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact, Section

PATH = "/etc/kubernetes/manifests/etcd.yaml"
HELD = "/etc/kubernetes/kuberevive-held"
MANIFEST = """apiVersion: v1
kind: Pod
spec:
  containers:
  - command:
    - etcd
    - --name=m2
    - --data-dir=/var/lib/etcd
    - --initial-cluster=m2=https://10.77.0.12:2380
    volumeMounts:
    - {mountPath: /etc/kubernetes/pki/etcd, name: etcd-certs}
    - {mountPath: /var/lib/etcd, name: etcd-data}
  volumes:
  - {hostPath: {path: /etc/kubernetes/pki/etcd}, name: etcd-certs}
  - {hostPath: {path: /var/lib/etcd}, name: etcd-data}
"""
LOOKED = {"data_state": "ok", "member_state": "ok", "wal_state": "ok", "wal_files": "1", "db_meta": "9 5 8 4"}


def read(text: str = MANIFEST, path: str = PATH, **values: str) -> etcd.EtcdFacts:
    told = {"manifest": path, "held_dir": HELD, "data_dir": "/var/lib/etcd", **values}
    files = {path: FileFact(path, "ok", len(text), content=text)}
    database = "/var/lib/etcd/member/snap/db"
    files[database] = FileFact(database, "ok", 16384, mtime=1000)
    return etcd.parse(Section("etcd", state="ok", values=told, files=files))


def test_a_member_as_kubeadm_makes_it() -> None:
    facts = read(**LOOKED)
    assert (facts.parses, facts.data_there, facts.data_unreadable, facts.rejoinable) == (True, True, "", True)
    assert facts.db_used == 9 * 4096


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("{path: /var/lib/etcd}", "{path: /var/lib/etcd-from-backup}", "mounts /var/lib/etcd-from-backup there"),
        ("hostPath: {path: /var/lib/etcd}", "emptyDir: {}", "mounts no hostPath there"),
        ("--name=m2", "--wal-dir=/wal", "--wal-dir=/wal"),
    ],
)
def test_data_that_lies_elsewhere_is_not_looked_for_in_the_flags_directory(old: str, new: str, why: str) -> None:
    assert why in read(MANIFEST.replace(old, new), **LOOKED).data_unreadable


@pytest.mark.parametrize("absent", ["data_state", "member_state", "wal_state"])
def test_a_directory_nobody_looked_at_is_not_called_missing(absent: str) -> None:
    assert read(**{k: v for k, v in LOOKED.items() if k != absent}).data_unreadable == "not looked at"


@pytest.mark.parametrize(("meta", "used"), [("0 0 0 0", -1), ("5 0 4 1", 4 * 4096), ("", -1), ("9 5", -1)])
def test_a_database_whose_head_is_torn_is_not_called_empty(meta: str, used: int) -> None:
    assert read(**{**LOOKED, "db_meta": meta}).db_used == used


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_an_argument_of_its_own_line_can_be_rewritten(quote: str) -> None:
    line = f"- {quote}--initial-cluster=m2=https://10.77.0.12:2380{quote}"
    assert read(MANIFEST.replace("- --initial-cluster=m2=https://10.77.0.12:2380", line)).rejoinable
    assert not read(MANIFEST.replace("    - --initial-cluster=", "    - --x\n    - --initial=")).rejoinable


@pytest.mark.parametrize(
    ("why", "state"),
    [
        ("unusable 1 16384 1000 panic: invalid freelist page", "unusable"),
        ("unusable 1 16384 999 panic: written to since", ""),
        ("unusable 1 99 1000 another database", ""),
        ("unusable 0 16384 1000 WAL files came", ""),
        ("torn", ""),
        ("unusable 1 16384 x y", ""),
    ],
)
def test_a_holds_note_counts_while_the_data_is_the_same(why: str, state: str) -> None:
    assert read(path=f"{HELD}/etcd.yaml", held_why=why, **LOOKED).held_state == state
    assert read(held_why=why, **LOOKED).held_state == ""  # and only while the manifest is put aside
