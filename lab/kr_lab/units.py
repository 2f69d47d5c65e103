"""A control plane without static pods: the same flags, run by systemd, in the forms that are met in the field."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import yaml

from kr_lab.build import CONTROL_PLANE, Profile
from kr_lab.cluster import kubectl
from kr_lab.health import readyz
from kr_lab.host import LabError, step
from kr_lab.node import node_sh
from kr_lab.state import Lab, Node

__all__ = ["CONTROL_PLANES", "RECIPE", "check_control_plane", "convert", "flags_on_the_node", "unit_files"]

CONTROL_PLANES = ("pods", "units")
# Raise it when the code below makes other units than before.
RECIPE = "1"
_MANIFESTS = "etc/kubernetes/manifests"
_SYSTEM = "etc/systemd/system"
_PLAIN = re.compile(r"--[A-Za-z0-9-]+=[^\s\"'\\$%]*")

_UNIT = """\
[Unit]
Description={name}
After=network-online.target
Wants=network-online.target

[Service]
{service}
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
"""


def check_control_plane(name: str) -> str:
    """What runs the control plane."""
    if name not in CONTROL_PLANES:
        raise LabError(f"no control plane as '{name}': {', '.join(CONTROL_PLANES)}")
    return name


def flags_on_the_node(manifest: str) -> list[str]:
    """The flags of a static pod, with the paths of its container as they are on the node."""
    spec = yaml.safe_load(manifest)["spec"]
    container = spec["containers"][0]
    places = {volume["name"]: volume["hostPath"]["path"] for volume in spec.get("volumes", ())}
    mounts = {mount["mountPath"]: places[mount["name"]] for mount in container.get("volumeMounts", ())}
    flags = [str(word) for word in container["command"][1:]]
    for flag in flags:
        if not _PLAIN.fullmatch(flag):
            raise LabError(f"{container['name']} is told '{flag}', which would need quotes in a unit")
    return [_at_home(flag, mounts) for flag in flags]


def _at_home(flag: str, mounts: dict[str, str]) -> str:
    name, _, value = flag.partition("=")
    inside = [place for place in mounts if value == place or value.startswith(place + "/")]
    if not inside:
        return flag
    place = max(inside, key=len)
    return f"{name}={mounts[place]}{value[len(place) :]}"


def unit_files(name: str, flags: list[str]) -> dict[str, str]:
    """Path -> text. Each component has its flags where another kind of installer would have put them."""
    program, unit = f"/usr/local/bin/{name}", f"{_SYSTEM}/{name}.service"
    lines = f" \\\n  {(' ' + chr(92) + chr(10) + '  ').join(flags)}"
    if name == "kube-apiserver":
        etcd = [flag for flag in flags if flag.startswith("--etcd-")]
        others = [flag for flag in flags if flag not in etcd]
        words = f'# How this API server is told to run.\nKUBE_ETCD_ARGS="{" ".join(etcd)}"\n'
        words += f'KUBE_APISERVER_ARGS="{" ".join(others)}"\n'
        service = (
            f"EnvironmentFile=-/etc/kubernetes/{name}.env\nExecStart={program} $KUBE_ETCD_ARGS $KUBE_APISERVER_ARGS"
        )
        return {f"etc/kubernetes/{name}.env": words, unit: _UNIT.format(name=name, service=service)}
    if name == "kube-scheduler":
        usual = f'Environment="KUBE_SCHEDULER_OPTS=--leader-elect=false"\nExecStart={program} $KUBE_SCHEDULER_OPTS'
        conf = next(flag.partition("=")[2] for flag in flags if flag.startswith("--kubeconfig="))
        told = [flag.replace(f"--kubeconfig={conf}", "--kubeconfig=${KUBE_SCHEDULER_CONF}") for flag in flags]
        own = f"[Service]\nEnvironment=KUBE_SCHEDULER_CONF={conf}\nExecStart=\nExecStart={program} {' '.join(told)}\n"
        return {unit: _UNIT.format(name=name, service=usual), f"{unit}.d/10-cluster.conf": own}
    kind = "Type=notify\nLimitNOFILE=40000\n" if name == "etcd" else ""
    return {unit: _UNIT.format(name=name, service=f"{kind}ExecStart={program}{lines}")}


def convert(profile: Profile, lab: Lab) -> None:
    """One master after the other, so that etcd keeps its quorum."""
    masters = [node for node in lab.nodes if node.role == "master"]
    for node in masters:
        with step(f"control plane of {node.name} as systemd units"):
            _convert(profile, lab, node)
    with step("no static pod left"):
        _wait_gone(lab)


def _convert(profile: Profile, lab: Lab, node: Node) -> None:
    root = lab.root(node)
    for name in CONTROL_PLANE:
        _write_unit(root, name)
        shutil.copy2(profile.control_plane[name], root / "usr/local/bin" / name)
    node_sh(lab, node, _TAKE_OVER, " ".join(f"{name}.yaml" for name in CONTROL_PLANE))
    for _ in range(180):
        if readyz(node.ip) == "ok":
            return
        time.sleep(1)
    log = node_sh(lab, node, "journalctl -u etcd -u kube-apiserver -n 20 --no-pager")
    raise LabError(f"kube-apiserver of {node.name} is not ready as a unit:\n{log}")


# kubelet ends the pods when their manifests go; their ports must be free before the units start.
_TAKE_OVER = """\
set -eu
mkdir -p /root/static-pods
cd /etc/kubernetes/manifests
mv $1 /root/static-pods
tries=0
while pgrep -x 'etcd|kube-apiserver|kube-controller|kube-scheduler' >/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 150 ] || { echo "kubelet does not end the static pods" >&2; exit 1; }
    sleep 1
done
systemctl daemon-reload
systemctl enable etcd kube-apiserver kube-controller-manager kube-scheduler
systemctl start --no-block etcd kube-apiserver kube-controller-manager kube-scheduler
"""


def _write_unit(root: Path, name: str) -> None:
    flags = flags_on_the_node((root / _MANIFESTS / f"{name}.yaml").read_text(encoding="utf-8"))
    for path, text in unit_files(name, flags).items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def _wait_gone(lab: Lab) -> None:
    left = ""
    for _ in range(120):
        left = kubectl(lab, "get", "pods", "-n", "kube-system", "-l", "tier=control-plane", "-o", "name")
        if not left.strip():
            return
        time.sleep(1)
    raise LabError(f"static pods of lab '{lab.name}' are still there: {' '.join(left.split())}")
