"""The lab as an Ansible inventory, and how to log in."""

from __future__ import annotations

from typing import Any

import yaml

from kr_lab.base import OPSPW_PASSWORD
from kr_lab.state import Lab, Node
from kr_lab.store import ssh_key

__all__ = ["USERS", "inventory", "ssh_argv", "ssh_options", "write_known_hosts"]

USERS = ("root", "ops", "opspw")


def write_known_hosts(lab: Lab) -> None:
    """The machines' host keys, read from their disks: strict checking stays on."""
    lines = []
    for node in lab.machines:
        key = (lab.root(node) / "etc/ssh/ssh_host_ed25519_key.pub").read_text(encoding="utf-8").split()
        lines.append(f"{node.ip} {key[0]} {key[1]}")
    (lab.home / "known_hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ssh_options(lab: Lab) -> list[str]:
    """Options for ssh besides the key; the control path keeps connections of one lab from the next."""
    return [
        f"-oUserKnownHostsFile={lab.home / 'known_hosts'}",
        "-oGlobalKnownHostsFile=/dev/null",
        "-oStrictHostKeyChecking=yes",
        "-oIdentitiesOnly=yes",
        f"-oControlPath={lab.home / 'cp' / '%C'}",
    ]


def ssh_argv(lab: Lab, node: Node, user: str) -> list[str]:
    """The ssh command into a node."""
    return ["ssh", "-i", str(ssh_key()), *ssh_options(lab), f"{user}@{node.ip}"]


def inventory(lab: Lab, user: str) -> str:
    """A YAML inventory with the groups ``masters`` and ``workers``, and ``control`` where the lab has such a machine."""
    common: dict[str, Any] = {
        "ansible_user": user,
        "ansible_ssh_private_key_file": str(ssh_key()),
        "ansible_ssh_common_args": " ".join(ssh_options(lab)),
    }
    if user != "root":
        common["ansible_become"] = True
    if user == "opspw":
        common["ansible_become_password"] = OPSPW_PASSWORD
    groups: dict[str, Any] = {}
    for group, role in (("masters", "master"), ("workers", "worker"), ("control", "control")):
        hosts = {node.name: {"ansible_host": node.ip} for node in lab.machines if node.role == role}
        if hosts or role != "control":
            groups[group] = {"hosts": hosts}
    return yaml.safe_dump({"all": {"vars": common, "children": groups}}, sort_keys=False, width=1000)
