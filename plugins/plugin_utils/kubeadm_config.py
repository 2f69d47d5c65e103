"""kubeadm's memory of how a cluster was made, told anew from what runs. kubeadm itself is asked what it would generate from it. Pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["COMPONENTS", "KubeadmConfigError", "Seen", "compare", "describe", "text_of"]

COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_IMAGE = re.compile(r"(?P<repository>.+)/(?P<name>[^/:]+):(?P<tag>[^:@]+)$")
# kubeadm makes them for each node anew: no two masters have the same.
_OWN = {
    *("name", "initial-cluster", "initial-cluster-state", "advertise-client-urls", "initial-advertise-peer-urls"),
    *("listen-client-urls", "listen-peer-urls", "listen-metrics-urls", "advertise-address"),
}
_SETS = {"command", "args", "volumeMounts", "image"}  # of a container, told by the configuration
Flags = dict[str, list[str]]


class KubeadmConfigError(ValueError):
    """What runs cannot be told in a ClusterConfiguration; the message says why."""


@dataclass(frozen=True)
class Seen:
    """What one master shows."""

    api_version: str  # of what its kubeadm writes: kubeadm.k8s.io/v1beta4
    manifests: Mapping[str, str]  # by component; etcd only where it is local
    node: str
    server: str  # https://host:port of the administrator's kubeconfig
    domain: str  # of services: cluster.local
    names: tuple[str, ...]  # alternative names in the API server's certificate, without DNS: and IP:

    def pod(self, component: str) -> dict[str, Any]:
        """The component's manifest."""
        return _pod(self.manifests, component)

    def flag(self, component: str, name: str, default: str = "") -> str:
        """The last value of a flag."""
        return (_flags(self.pod(component)).get(name) or [default])[-1]


def _pod(manifests: Mapping[str, str], component: str) -> dict[str, Any]:
    try:
        pod: dict[str, Any] = yaml.safe_load(manifests[component])
        _ = pod["spec"]["containers"][0]["command"][0], pod["spec"]["containers"][0]["image"]
    except (KeyError, IndexError, TypeError, yaml.YAMLError):
        raise KubeadmConfigError(f"the manifest of {component} cannot be read as a Pod with a command") from None
    return pod


def _flags(pod: Mapping[str, Any]) -> Flags:
    container = pod["spec"]["containers"][0]
    found: Flags = {}
    for word in [*container["command"][1:], *(container.get("args") or [])]:
        name, equals, value = str(word).lstrip("-").partition("=")
        found.setdefault(name, []).append(value if equals else "true")
    return found


def _image(pod: Mapping[str, Any], component: str) -> re.Match[str]:
    found = _IMAGE.match(str(pod["spec"]["containers"][0]["image"]))
    if not found:
        raise KubeadmConfigError(f"the image of {component} has no repository and tag, so its version cannot be told")
    return found


def describe(seen: Seen) -> dict[str, Any]:
    """The least that tells this cluster from a default one; what else differs kubeadm's own answer shows, see compare."""
    image = _image(seen.pod("kube-apiserver"), "kube-apiserver")
    tls = seen.flag("kube-apiserver", "tls-cert-file")
    if not tls or not seen.server:
        lack = "kube-apiserver names no --tls-cert-file" if not tls else "admin.conf does not say where the cluster is"
        raise KubeadmConfigError(lack)
    services = seen.flag("kube-apiserver", "service-cluster-ip-range")
    pods = seen.flag("kube-controller-manager", "cluster-cidr")
    network = {"dnsDomain": seen.domain, "serviceSubnet": services, "podSubnet": pods}
    server = seen.server.removeprefix("https://").rstrip("/")
    address = seen.flag("kube-apiserver", "advertise-address")
    named = server.rpartition(":")[0].strip("[]") != address
    own = {seen.node, address, "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
    own |= {f"kubernetes.default.svc.{seen.domain}", server.rpartition(":")[0].strip("[]"), _first_of(services)}
    names = [name for name in seen.names if name not in own]
    return {
        "apiVersion": seen.api_version,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": image["tag"],
        "imageRepository": image["repository"],
        "clusterName": seen.flag("kube-controller-manager", "cluster-name", "kubernetes"),
        "certificatesDir": tls.rpartition("/")[0],
        **({"controlPlaneEndpoint": server} if named else {}),
        "networking": {key: value for key, value in network.items() if value},
        "apiServer": {"certSANs": names} if names else {},
        "controllerManager": {},
        "scheduler": {},
        "etcd": _etcd(seen),
    }


def _first_of(subnets: str) -> str:
    """10.96.0.1 of 10.96.0.0/12: kubeadm puts it into the certificate by itself."""
    address = subnets.partition(",")[0].partition("/")[0]
    head, dot, last = address.rpartition(".")
    return f"{head}.{int(last) + 1}" if dot and last.isdigit() else ""


def _etcd(seen: Seen) -> dict[str, Any]:
    if "etcd" in seen.manifests:
        return {"local": {"dataDir": seen.flag("etcd", "data-dir", "/var/lib/etcd")}}
    words = {"caFile": "etcd-cafile", "certFile": "etcd-certfile", "keyFile": "etcd-keyfile"}
    files = {key: seen.flag("kube-apiserver", flag) for key, flag in words.items()}
    return {"external": {"endpoints": seen.flag("kube-apiserver", "etcd-servers").split(","), **files}}


def text_of(config: Mapping[str, Any], seen: Seen) -> str:
    """What kubeadm reads: the cluster's part, and this node's beside it, which nobody keeps."""
    node = {
        "apiVersion": seen.api_version,
        "kind": "InitConfiguration",
        "localAPIEndpoint": {
            "advertiseAddress": seen.flag("kube-apiserver", "advertise-address"),
            "bindPort": int(seen.flag("kube-apiserver", "secure-port", "6443")),
        },
        "nodeRegistration": {"name": seen.node},
    }
    return yaml.safe_dump_all([dict(config), node], sort_keys=False)


def compare(
    config: Mapping[str, Any], seen: Seen, generated: Mapping[str, str]
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """(the configuration with what was lacking, what it lacked, what no configuration can keep), both in words.

    generated: what kubeadm makes of config, by component.
    """
    told: dict[str, Any] = copy.deepcopy(dict(config))
    lacked: list[str] = []
    lost: list[str] = []
    for component in seen.manifests:
        if component not in generated:
            raise KubeadmConfigError(f"kubeadm generated no manifest of {component}")
        want = seen.pod(component)
        have = _pod(generated, component)
        section = told["etcd"]["local"] if component == "etcd" else told[_SECTIONS[component]]
        lacked += _more_flags(section, component, _flags(want), _flags(have), told["apiVersion"])
        lost += [f"{component}: kubeadm adds --{name}" for name in _flags(have) if name not in {*_flags(want), *_OWN}]
        more, no_place = _more_mounts(section, component, want, have)
        lacked += more
        lost += no_place
        lacked += _other_image(section, component, want, have)
        lost += _rest(component, want, have)
    return told, tuple(lacked), tuple(lost)


_SECTIONS = {
    "kube-apiserver": "apiServer",
    "kube-controller-manager": "controllerManager",
    "kube-scheduler": "scheduler",
}


def _more_flags(section: dict[str, Any], component: str, want: Flags, have: Flags, api_version: str) -> list[str]:
    """Puts the flags that differ into extraArgs: a mapping up to v1beta3, a list since."""
    more = {name: values for name, values in want.items() if name not in _OWN and have.get(name) != values}
    if not more:
        return []
    if not api_version.endswith(("v1beta1", "v1beta2", "v1beta3")):
        kept = [a for a in section.get("extraArgs") or [] if a["name"] not in more]
        section["extraArgs"] = [
            *kept,
            *({"name": name, "value": value} for name, values in more.items() for value in values),
        ]
    elif twice := [name for name, values in more.items() if len(values) > 1]:
        raise KubeadmConfigError(f"{component} has --{twice[0]} more than once, which this kubeadm cannot keep")
    else:
        section["extraArgs"] = {
            **(section.get("extraArgs") or {}),
            **{name: values[0] for name, values in more.items()},
        }
    return [f"{component} --{name}" for name in more]


def _mounts(pod: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    volumes = {v["name"]: v.get("hostPath") or {} for v in pod["spec"].get("volumes") or []}
    found = {}
    for mount in pod["spec"]["containers"][0].get("volumeMounts") or []:
        source = volumes.get(mount["name"]) or {}
        found[str(mount["mountPath"])] = {
            "name": mount["name"],
            "hostPath": source.get("path", ""),
            "mountPath": mount["mountPath"],
            "readOnly": bool(mount.get("readOnly")),
            "pathType": source.get("type", ""),
        }
    return found


def _more_mounts(
    section: dict[str, Any], component: str, want: Mapping[str, Any], have: Mapping[str, Any]
) -> tuple[list[str], list[str]]:
    there = {path: {**m, "name": ""} for path, m in _mounts(have).items()}
    more = [m for path, m in _mounts(want).items() if there.get(path) != {**m, "name": ""}]
    keep = [m for m in more if m["hostPath"] and component != "etcd" and m["mountPath"] not in there]
    if keep:
        section["extraVolumes"] = [*(section.get("extraVolumes") or []), *keep]
    return (
        [f"{component} {m['mountPath']}" for m in keep],
        [f"{component}: the mount {m['mountPath']}" for m in more if m not in keep],
    )


def _other_image(
    section: dict[str, Any], component: str, want: Mapping[str, Any], have: Mapping[str, Any]
) -> list[str]:
    """Only etcd's can be told apart from the version."""
    if want["spec"]["containers"][0]["image"] == have["spec"]["containers"][0]["image"] or component != "etcd":
        return []
    image = _image(want, component)
    section.update(imageRepository=image["repository"], imageTag=image["tag"])
    return [f"{component} image {image['tag']}"]


def _rest(component: str, want: Mapping[str, Any], have: Mapping[str, Any]) -> list[str]:
    """Probes, resources and the like: kept only by patches (kubeadm --patches)."""
    one, other = want["spec"]["containers"][0], have["spec"]["containers"][0]
    keys = [key for key in sorted({*one, *other} - _SETS) if one.get(key) != other.get(key)]
    if component != "etcd" and one["image"] != other["image"]:
        keys.append(f"image {one['image']}")
    return [f"{component}: {key}" for key in keys]
