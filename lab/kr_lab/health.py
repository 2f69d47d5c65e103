"""Whether a cluster really works: every apiserver by its own address, every lease moving."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from datetime import datetime

from kr_lab.cluster import kubectl
from kr_lab.host import LabError
from kr_lab.state import Lab

__all__ = ["missing_for_health", "readyz", "stale_leases", "wait_healthy"]

_CONTROLLERS = ("kube-controller-manager", "kube-scheduler")


def readyz(address: str) -> str:
    """What that apiserver's /readyz says: 'ok', or why not."""
    # The certificate may be the fault that is looked at; no credential is sent.
    context = ssl._create_unverified_context()
    try:
        with urllib.request.urlopen(f"https://{address}:6443/readyz", timeout=3, context=context) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def stale_leases(leases: str, nodes: list[str], since: float) -> list[str]:
    """The nodes' and controllers' leases (``kubectl get leases -A -o json``) not renewed after that moment."""
    renewed = {}
    for item in json.loads(leases)["items"]:
        text = item["spec"].get("renewTime", "1970-01-01T00:00:00Z")
        moment = datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
        renewed[(item["metadata"]["namespace"], item["metadata"]["name"])] = moment
    wanted = [("kube-node-lease", node) for node in nodes] + [("kube-system", name) for name in _CONTROLLERS]
    return [name for space, name in wanted if renewed.get((space, name), 0.0) < since]


def missing_for_health(lab: Lab, since: float) -> list[str]:
    """What still lacks; empty when the cluster works."""
    lacks = []
    for node in lab.nodes:
        if node.role == "master" and (said := readyz(node.ip)) != "ok":
            lacks.append(f"apiserver of {node.name}: {said}")
    if lacks:
        return lacks
    try:
        leases = kubectl(lab, "get", "leases", "-A", "-o", "json", timeout=15)
    except LabError as error:
        return [str(error).splitlines()[-1]]
    return [f"lease of {name}" for name in stale_leases(leases, [node.name for node in lab.nodes], since)]


def wait_healthy(lab: Lab, since: float, seconds: float = 240) -> None:
    """Until every apiserver is ready and every lease was renewed after that moment."""
    deadline = time.monotonic() + seconds
    lacks = ["nothing was asked yet"]
    while time.monotonic() < deadline:
        lacks = missing_for_health(lab, since)
        if not lacks:
            return
        time.sleep(1)
    raise LabError(f"lab '{lab.name}' is not healthy after {seconds:.0f} s: {'; '.join(lacks)[:600]}")
