"""A machine beside a cluster that jobs run on: Debian with systemd, and what those jobs and who watches them need."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from kr_lab import podman
from kr_lab.base import bootstrap, tree_hash
from kr_lab.build import CACHE
from kr_lab.host import LAB_DIR, lock, run, say, step
from kr_lab.inventory import write_known_hosts
from kr_lab.network import make_network
from kr_lab.node import identify, wait_booted
from kr_lab.state import Lab
from kr_lab.store import STORE, attach, clone, new_disk, ssh_key

__all__ = ["control"]

_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "openssh-client", "sudo", "curl", "ca-certificates"),
    *("iproute2", "procps", "python3", "python3-venv", "python3-packaging", "python3-apt"),
    *("prometheus", "prometheus-node-exporter"),
)
_MASKED = (
    "systemd-udevd.service",
    "systemd-logind.service",
    "getty.target",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
)
# It has no way out, like many such machines: pip finds its packages in a directory.
_PIP = "[global]\nno-index = true\nfind-links = /opt/wheels\n"
_REQUIREMENTS = LAB_DIR.parent / "roles/scheduled_renewal/files/requirements.txt"
# Raise it when the code below makes another disk than before from the same data.
_RECIPE = 1


def control(lab: Lab, reaches: Sequence[Lab] = ()) -> None:
    """Switch the lab's control machine on; it also reaches the nodes of those labs."""
    node = lab.control
    if podman.running(lab.container(node)):
        say(f"{node.name} of lab '{lab.name}' is on already")
        return
    base = _ensure_base()
    with step(f"{node.name} of lab '{lab.name}' booted"):
        lab.disk(node).unlink(missing_ok=True)
        clone(base, lab.disk(node))
        attach(lab.disk(node), lab.root(node))
        identify(lab, node)
        networks: list[str] = []
        for each in dict.fromkeys((lab, *reaches)):
            make_network(each)
            networks += ["--network", f"{each.network}:ip={each.control.ip}"]
        podman.remove(lab.container(node))
        podman.run_machine(
            lab.container(node), lab.root(node), hostname=node.name, lab=lab.name, extra=[*networks, "--dns", "none"]
        )
        wait_booted(lab, node)
    write_known_hosts(lab)


def _wheels() -> Path:
    """The pinned packages of kuberevive-run, as files."""
    place = CACHE / "wheels" / hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()[:12]
    with lock("wheels"):
        if not place.exists():
            fresh = place.with_suffix(".new")
            shutil.rmtree(fresh, ignore_errors=True)
            with step("packages of kuberevive-run downloaded"):
                run(["/usr/bin/python3", "-m", "venv", fresh / "venv"])  # of the Debian that the machine has too
                run([fresh / "venv/bin/pip", "download", "-q", "-r", _REQUIREMENTS, "-d", fresh / "files"])
            (fresh / "files").rename(place)
            shutil.rmtree(fresh)
    return place


def _ensure_base() -> Path:
    wheels = _wheels()
    public = ssh_key().with_suffix(".pub").read_text(encoding="utf-8")
    told = repr((_RECIPE, _PACKAGES, _MASKED, _PIP, public, wheels.name, tree_hash(LAB_DIR / "node/common/etc/ssh")))
    disk = STORE / "base" / f"control-{hashlib.sha256(told.encode()).hexdigest()[:12]}.ext4"
    with lock("control"):
        if not disk.exists():
            for old in (STORE / "base").glob("control-*.ext4"):
                old.unlink()
            with step("base of the control machine (Debian bookworm)"):
                _make_base(disk, wheels, public)
    return disk


def _make_base(disk: Path, wheels: Path, public: str) -> None:
    root = STORE / "base" / "control-root"
    with new_disk(disk, root):
        bootstrap(list(_PACKAGES), root)
        shutil.copytree(LAB_DIR / "node/common/etc/ssh", root / "etc/ssh", dirs_exist_ok=True)
        shutil.copytree(wheels, root / "opt/wheels")
        (root / "etc/pip.conf").write_text(_PIP, encoding="utf-8")
        for key in (root / "etc/ssh").glob("ssh_host_*"):
            key.unlink()
        (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        (root / "root/.ssh/authorized_keys").write_text(public, encoding="utf-8")
        (root / "var/log/journal").mkdir(exist_ok=True)
        run(["chroot", root, "systemctl", "mask", *_MASKED])
        run(["chroot", root, "systemctl", "disable", "prometheus", "prometheus-node-exporter"])
