"""The lab's network and its load balancer."""

from __future__ import annotations

import shutil
from pathlib import Path

from kr_lab import podman
from kr_lab.host import LabError, run
from kr_lab.state import Lab, all_labs

__all__ = ["free_index", "make_network", "remove_network", "start_balancer"]

_MOST = 10
# Podman 4.3 with its CNI back end keeps given-out addresses here, also after a crash.
_LEASES = Path("/var/lib/cni/networks")

_HAPROXY = """\
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 2s
    timeout client 1h
    timeout server 1h
    timeout check 5s
frontend api
    bind {ip}:6443
    default_backend masters
backend masters
    balance roundrobin
    option httpchk GET /readyz
    # One that lets nobody ask without a name (401) still serves those who have one.
    http-check expect rstatus ^(200|401)$
    # Who is refused by a server that is just ending gets the next one.
    retries 3
    option redispatch 1
    default-server check check-ssl verify none inter 1s fall 3 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def free_index(preferred: list[int]) -> int:
    """A third octet that no lab uses; one that has a golden cluster first."""
    taken = {lab.index for lab in all_labs()}
    free: list[int] = [index for index in [*preferred, *range(_MOST)] if index not in taken]
    if free:
        return free[0]
    raise LabError(f"{_MOST} labs are up already: take one down with 'lab down --name N'")


def make_network(lab: Lab) -> None:
    """A bridge of the lab's own."""
    if podman.podman("network", "exists", lab.network, check=False).returncode == 0:
        return
    shutil.rmtree(_LEASES / lab.network, ignore_errors=True)
    podman.podman(
        *("network", "create", "--label", f"{podman.LABEL}={lab.name}", "--disable-dns"),
        *("--subnet", f"10.77.{lab.index}.0/24", "--gateway", f"10.77.{lab.index}.1", lab.network),
    )


def remove_network(name: str) -> None:
    """Remove the bridge and the addresses that were given out on it."""
    podman.podman("network", "rm", "-f", name, check=False)
    shutil.rmtree(_LEASES / name, ignore_errors=True)


def haproxy_config(lab: Lab) -> str:
    """One TCP frontend; a master whose apiserver is not ready gets no traffic."""
    masters = [node for node in lab.nodes if node.role == "master"]
    servers = "\n".join(f"    server {node.name} {node.ip}:6443" for node in masters)
    return _HAPROXY.format(ip=lab.balancer_ip, servers=servers)


def start_balancer(lab: Lab) -> None:
    """A container with nothing in it but haproxy, as an appliance beside the cluster."""
    if podman.running(lab.balancer):
        return
    podman.remove(lab.balancer)
    root = lab.home / "lb"
    if not root.exists():
        _haproxy_tree(root)
    (root / "haproxy.cfg").write_text(haproxy_config(lab), encoding="utf-8")
    podman.podman(
        *("run", "-d", "--name", lab.balancer, "--label", f"{podman.LABEL}={lab.name}"),
        *("--network", lab.network, "--ip", lab.balancer_ip, "--log-driver", "none", "--dns", "none"),
        *podman.limits(),
        *("--rootfs", root, "/usr/sbin/haproxy", "-db", "-f", "/haproxy.cfg"),
    )


def _haproxy_tree(root: Path) -> None:
    binary = Path("/usr/sbin/haproxy")
    for line in run(["ldd", binary]).stdout.splitlines():
        for word in line.split():
            if word.startswith("/"):
                target = root / word.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(word, target)
    for folder in ("usr/sbin", "etc", "dev", "proc", "sys", "run", "tmp"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, root / "usr/sbin/haproxy")
