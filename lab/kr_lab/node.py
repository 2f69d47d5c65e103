"""A node: prepared on its disk, switched on, asked, switched off."""

from __future__ import annotations

import socket
import subprocess
import time
import uuid
from pathlib import Path

from kr_lab import podman
from kr_lab.host import LabError, run
from kr_lab.state import Lab, Node
from kr_lab.store import attach, detach

__all__ = [
    "boot",
    "disk_of",
    "halt",
    "identify",
    "inside",
    "is_on",
    "node_sh",
    "personalise",
    "try_sh",
    "wait_booted",
]


def identify(lab: Lab, node: Node) -> None:
    """What makes a copy of a base this machine: name, hosts file, host key. The disk is mounted."""
    root = lab.root(node)
    hosts = ["127.0.0.1 localhost", f"{lab.balancer_ip} {lab.endpoint}"]
    hosts += [f"{other.ip} {other.name}" for other in lab.nodes]
    (root / "etc/hosts").write_text("\n".join(hosts) + "\n", encoding="utf-8")
    (root / "etc/hostname").write_text(node.name + "\n", encoding="utf-8")
    (root / "etc/machine-id").write_text(uuid.uuid4().hex + "\n", encoding="utf-8")
    # Nothing listens there: names outside the cluster are refused at once, and CoreDNS has its forwarder.
    gateway = f"{node.ip.rsplit('.', 1)[0]}.1"
    (root / "etc/resolv.conf").write_text(f"nameserver {gateway}\n", encoding="utf-8")
    key = root / "etc/ssh/ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", node.name, "-f", key])


def personalise(lab: Lab, node: Node) -> None:
    """A node of the cluster: the machine, and its part of the pod network. The disk is mounted."""
    identify(lab, node)
    root = lab.root(node)
    nets = {other.name: f"10.244.{number}.0/24" for number, other in enumerate(lab.nodes)}
    routes = [f"{nets[other.name]} {other.ip}" for other in lab.nodes if other != node]
    (root / "etc/pod-routes").write_text("".join(line + "\n" for line in routes), encoding="utf-8")
    folder = root / "etc/cni/net.d"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "10-lab.conflist").write_text(_conflist(nets[node.name]), encoding="utf-8")


def _conflist(subnet: str) -> str:
    return f"""\
{{
  "cniVersion": "0.3.1",
  "name": "lab",
  "plugins": [
    {{
      "type": "bridge",
      "bridge": "cni0",
      "isGateway": true,
      "ipMasq": false,
      "hairpinMode": true,
      "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{subnet}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}
    }},
    {{"type": "portmap", "capabilities": {{"portMappings": true}}}}
  ]
}}
"""


def boot(lab: Lab, node: Node) -> None:
    """Switch the node on (again)."""
    name = lab.container(node)
    if podman.running(name):
        return
    podman.remove(name)
    attach(lab.disk(node), lab.root(node))
    last = node.ip.rsplit(".", 1)[1]
    mac = f"02:77:00:00:{lab.index:02x}:{int(last):02x}"
    network = ["--network", lab.network, "--ip", node.ip, "--mac-address", mac, "--dns", "none"]
    podman.run_machine(name, lab.root(node), hostname=node.name, lab=lab.name, extra=network)


def is_on(lab: Lab, node: Node) -> bool:
    """Whether the node runs."""
    return podman.running(lab.container(node))


def wait_booted(lab: Lab, node: Node) -> None:
    """Until sshd greets."""
    for _ in range(240):
        if _greeted(node.ip):
            return
        time.sleep(0.25)
    raise LabError(
        f"{node.name} of lab '{lab.name}' did not boot within 60 s: 'lab exec {node.name} journalctl' says why"
    )


def _greeted(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def halt(lab: Lab, node: Node) -> None:
    """An orderly shutdown; the disk is unmounted clean."""
    podman.stop(lab.container(node))
    detach(lab.root(node))


def disk_of(lab: Lab, node: Node) -> Path:
    """Where the node's files are on this machine, whether it is on or off."""
    attach(lab.disk(node), lab.root(node))
    return lab.root(node)


def inside(root: Path, path: str) -> Path:
    """The node's path as a path of this machine, through an absolute link as the node sees it."""
    here = root / path.lstrip("/")
    return root / str(here.readlink()).lstrip("/") if here.is_symlink() and here.readlink().is_absolute() else here


def try_sh(
    lab: Lab, node: Node, script: str, *words: str, stdin: str | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run sh on the node; on a node that is switched off, on its disk."""
    argv = ["/bin/sh", "-c", script, "sh", *words]
    if is_on(lab, node):
        flags = ["-i"] if stdin is not None else []
        return podman.podman("exec", *flags, lab.container(node), *argv, stdin=stdin, timeout=timeout, check=False)
    root = disk_of(lab, node)
    # A process list of its own, so that a script finds no process of this machine by name.
    alone = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={root / 'proc'}"]
    return run([*alone, "env", "SYSTEMD_OFFLINE=1", "chroot", root, *argv], stdin=stdin, timeout=timeout, check=False)


def node_sh(lab: Lab, node: Node, script: str, *words: str, stdin: str | None = None, timeout: float = 300) -> str:
    """As :func:`try_sh`; a failure is an error, the answer is what it printed."""
    done = try_sh(lab, node, script, *words, stdin=stdin, timeout=timeout)
    if done.returncode != 0:
        raise LabError(f"on {node.name} (rc {done.returncode}): {done.stderr.strip()[-800:]}\n{script.strip()[:200]}")
    return done.stdout
