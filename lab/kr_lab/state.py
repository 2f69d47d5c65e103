"""What is known of a running lab: a small JSON file beside its mounts."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from kr_lab.host import RUN, LabError
from kr_lab.store import STORE

__all__ = ["Lab", "Node", "all_labs", "check_name", "load", "node_names"]

_DOMAIN = "lab.internal"
_OWN = "control-plane"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True)
class Node:
    """One machine of a lab."""

    name: str
    ip: str
    role: str


def node_names(masters: int, workers: int) -> list[tuple[str, str]]:
    """Names and roles, masters first."""
    return [(f"m{n + 1}", "master") for n in range(masters)] + [(f"w{n + 1}", "worker") for n in range(workers)]


@dataclass(frozen=True)
class Lab:
    """A lab: which profile and topology it has, and where its things are."""

    name: str
    profile: str
    kubernetes: str
    runtime: str
    kubectl: str
    index: int
    masters: int
    workers: int
    encryption: str = ""  # the provider that encrypts secrets at rest, or empty
    control_plane: str = "pods"  # or units: what runs the control plane's components

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All machines that run Kubernetes, masters first."""
        made = []
        for name, role in node_names(self.masters, self.workers):
            last = (10 if role == "master" else 20) + int(name[1:])
            made.append(Node(name, f"10.77.{self.index}.{last}", role))
        return tuple(made)

    @property
    def control(self) -> Node:
        """The machine beside the cluster that jobs run on; whether there is one, its disk tells."""
        return Node("c1", f"10.77.{self.index}.30", "control")

    @property
    def machines(self) -> tuple[Node, ...]:
        """The nodes, and the control machine where there is one."""
        return (*self.nodes, *((self.control,) if self.disk(self.control).exists() else ()))

    @property
    def balancer_ip(self) -> str:
        """The address behind the control plane's endpoint."""
        return f"10.77.{self.index}.10"

    @property
    def endpoint(self) -> str:
        """The control plane's name, as kubeadm's controlPlaneEndpoint has it."""
        return f"api.{_DOMAIN}"

    @property
    def home(self) -> Path:
        """Mounts, keys and state of the running lab."""
        return RUN / "labs" / self.name

    @property
    def client(self) -> list[str]:
        """kubectl as the cluster's first administrator. What it keeps of the API goes with the lab: the next one has the same address."""
        return [self.kubectl, "--kubeconfig", str(self.home / "kubeconfig"), "--cache-dir", str(self.home / "kubectl")]

    @property
    def disks(self) -> Path:
        """The folder of the nodes' disks in the store."""
        return STORE / "labs" / self.name

    @property
    def network(self) -> str:
        """The podman network."""
        return f"kr-net{self.index}"

    def disk(self, node: Node) -> Path:
        """The node's disk."""
        return self.disks / f"{node.name}.ext4"

    def root(self, node: Node) -> Path:
        """Where the node's disk is mounted on this machine."""
        return self.home / "mnt" / node.name

    def container(self, node: Node) -> str:
        """The node's container."""
        return f"kr-{self.name}-{node.name}"

    @property
    def balancer(self) -> str:
        """The load balancer's container."""
        return f"kr-{self.name}-lb"

    def pick(self, names: list[str] | tuple[str, ...] | None) -> tuple[Node, ...]:
        """The nodes of these names; all of them when none is named."""
        if not names:
            return self.nodes
        known = {node.name: node for node in self.machines}
        for name in names:
            if name not in known:
                raise LabError(f"lab '{self.name}' has no node '{name}': it has {', '.join(known)}")
        return tuple(known[name] for name in dict.fromkeys(names))

    def save(self) -> None:
        """Write the state file."""
        self.home.mkdir(parents=True, exist_ok=True)
        told = asdict(self)
        # Every checkout on this machine reads every lab.json, older ones too, and they take no word they do not know.
        (self.home / _OWN).write_text(told.pop("control_plane") + "\n", encoding="utf-8")
        (self.home / "lab.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def check_name(name: str) -> str:
    """A lab's name becomes part of container names and paths."""
    if not _NAME.fullmatch(name):
        raise LabError(f"'{name}' is no lab name: small letters, digits and '-', a letter first, at most 20")
    return name


def all_labs() -> list[Lab]:
    """Every lab of this machine."""
    return [_read(path) for path in sorted((RUN / "labs").glob("*/lab.json"))]


def _read(path: Path) -> Lab:
    own = path.with_name(_OWN)
    told = json.loads(path.read_text(encoding="utf-8"))
    if own.exists():
        told["control_plane"] = own.read_text(encoding="utf-8").strip()
    return Lab(**told)


def load(name: str) -> Lab:
    """The lab of that name."""
    for lab in all_labs():
        if lab.name == check_name(name):
            return lab
    names = [lab.name for lab in all_labs()]
    hint = f"there is {', '.join(names)}" if names else "none is up"
    raise LabError(f"no lab '{name}' here ({hint}): 'lab up --name {name}' makes it")
