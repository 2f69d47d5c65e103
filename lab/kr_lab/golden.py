"""Golden clusters: made once by kubeadm, stopped, kept; every lab starts as a copy of one."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import replace
from pathlib import Path

from kr_lab import podman, units
from kr_lab.base import base_key, ensure_base, tree_hash
from kr_lab.build import Profile
from kr_lab.cluster import create_cluster, init_documents
from kr_lab.health import wait_healthy
from kr_lab.host import LAB_DIR, each, step
from kr_lab.network import make_network, start_balancer
from kr_lab.node import boot, halt, personalise, wait_booted
from kr_lab.state import Lab
from kr_lab.store import STORE, attach, clone, detach
from kr_lab.workload import apply_workload

__all__ = ["copy_golden", "golden_indexes", "has_golden", "make_golden"]

_DAYS = 7
# Raise it when the code makes another cluster than before from the same configuration.
_RECIPE = 1


def _kind(lab: Lab) -> str:
    words = (lab.profile, lab.encryption, lab.control_plane.replace("pods", ""), f"{lab.masters}m{lab.workers}w")
    return "-".join(word for word in words if word)


def _family(profile: Profile, lab: Lab) -> str:
    pattern = replace(lab, name="golden", kubectl="", index=0)
    told = repr([init_documents(pattern, pattern.nodes[0], "", ""), _RECIPE])
    if lab.control_plane == "units":
        told += units.RECIPE
    digest = hashlib.sha256(f"{base_key(profile)}|{told}|{tree_hash(LAB_DIR / 'workload.yaml')}".encode())
    return f"{_kind(lab)}-{digest.hexdigest()[:12]}"


def _folder(profile: Profile, lab: Lab) -> Path:
    # The addresses are in the certificates, so each subnet has a golden cluster of its own.
    return STORE / "golden" / f"{_family(profile, lab)}-net{lab.index}"


def _fresh(folder: Path) -> bool:
    born = folder / "born"
    return born.exists() and time.time() - born.stat().st_mtime < _DAYS * 86400


def golden_indexes(profile: Profile, lab: Lab) -> list[int]:
    """The subnets that have a golden cluster of the lab's kind."""
    found = (STORE / "golden").glob(f"{_family(profile, lab)}-net*")
    return sorted(int(path.name.rsplit("-net", 1)[1]) for path in found if _fresh(path))


def has_golden(profile: Profile, lab: Lab) -> bool:
    """Whether the lab can be a copy."""
    return _fresh(_folder(profile, lab))


def make_golden(profile: Profile, lab: Lab) -> None:
    """Create the cluster in the lab's own place, stop it in good order and keep its disks."""
    base = ensure_base(profile)
    make_network(lab)
    start_balancer(lab)
    with step(f"{len(lab.nodes)} nodes booted"):
        for node in lab.nodes:
            clone(base, lab.disk(node))
            attach(lab.disk(node), lab.root(node))
            personalise(lab, node)
        each(lambda node: boot(lab, node), lab.nodes)
        each(lambda node: wait_booted(lab, node), lab.nodes)
    since = time.time()
    create_cluster(lab)
    if lab.control_plane == "units":
        units.convert(profile, lab)
    with step("workload running"):
        apply_workload(lab)
        wait_healthy(lab, since)
    with step("golden cluster stopped and kept"):
        # Workers first, so that the masters' apiservers still take their last words.
        each(lambda node: halt(lab, node), [node for node in lab.nodes if node.role == "worker"])
        each(lambda node: halt(lab, node), [node for node in lab.nodes if node.role == "master"])
        podman.remove(lab.balancer)
        _keep(profile, lab)


def _keep(profile: Profile, lab: Lab) -> None:
    folder = _folder(profile, lab)
    family = _family(profile, lab)
    for old in (STORE / "golden").glob(f"{_kind(lab)}-*"):
        # Of this subnet the old one goes, of the other subnets only what nobody will copy any more.
        if not old.name.startswith(family) or old.name.startswith(folder.name):
            shutil.rmtree(old)
    fresh = folder.with_name(folder.name + ".new")
    fresh.mkdir(parents=True)
    for node in lab.nodes:
        attach(lab.disk(node), lab.root(node))
        # Logs of the making would only confuse who reads the logs of a fault.
        shutil.rmtree(lab.root(node) / "var/log/journal")
        (lab.root(node) / "var/log/journal").mkdir()
        detach(lab.root(node))
        clone(lab.disk(node), fresh / f"{node.name}.ext4")
    shutil.copy2(lab.home / "kubeconfig", fresh / "kubeconfig")
    (fresh / "born").touch()
    fresh.rename(folder)


def copy_golden(profile: Profile, lab: Lab) -> None:
    """Give the lab disks that are copies of the golden ones."""
    folder = _folder(profile, lab)
    for node in lab.nodes:
        lab.disk(node).unlink(missing_ok=True)
        clone(folder / f"{node.name}.ext4", lab.disk(node))
    shutil.copy2(folder / "kubeconfig", lab.home / "kubeconfig")
