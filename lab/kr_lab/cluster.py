"""A cluster by the real kubeadm: init, join --control-plane, join."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from typing import Any

import yaml

from kr_lab.encryption import api_server, write_configuration
from kr_lab.host import LabError, run, step
from kr_lab.node import node_sh, try_sh
from kr_lab.state import Lab, Node

__all__ = ["create_cluster", "init_documents", "join_document", "kubectl"]

_SOCKETS = {"containerd": "unix:///run/containerd/containerd.sock", "docker": "/var/run/dockershim.sock"}
_CONFIG = "/root/kubeadm.yaml"


def _minor(lab: Lab) -> int:
    return int(lab.kubernetes.split(".")[1])


def _api_version(lab: Lab) -> str:
    minor = _minor(lab)
    if minor >= 31:
        return "kubeadm.k8s.io/v1beta4"
    return "kubeadm.k8s.io/v1beta3" if minor >= 22 else "kubeadm.k8s.io/v1beta2"


def _registration(lab: Lab, node: Node) -> dict[str, Any]:
    arguments: Any = {"node-ip": node.ip}
    if _minor(lab) >= 31:
        arguments = [{"name": name, "value": value} for name, value in arguments.items()]
    elif lab.runtime == "docker":
        arguments = {**arguments, "network-plugin": "cni"}
    registration = {"name": node.name, "criSocket": _SOCKETS[lab.runtime], "kubeletExtraArgs": arguments}
    if lab.workers == 0:
        # Somebody has to run the workload.
        registration["taints"] = []
    return registration


def init_documents(lab: Lab, node: Node, token: str, certificate_key: str) -> list[dict[str, Any]]:
    """The configuration for ``kubeadm init``."""
    api = _api_version(lab)
    kubelet: dict[str, Any] = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "cgroupfs",
    }
    if _minor(lab) >= 35:
        kubelet["failCgroupV1"] = False
    return [
        {
            "apiVersion": api,
            "kind": "InitConfiguration",
            "bootstrapTokens": [{"token": token, "ttl": "2h0m0s"}],
            "certificateKey": certificate_key,
            "localAPIEndpoint": {"advertiseAddress": node.ip, "bindPort": 6443},
            "nodeRegistration": _registration(lab, node),
        },
        {
            "apiVersion": api,
            "kind": "ClusterConfiguration",
            "kubernetesVersion": f"v{lab.kubernetes}",
            "controlPlaneEndpoint": f"{lab.endpoint}:6443",
            "apiServer": {
                "certSANs": [lab.endpoint, lab.balancer_ip, "localhost", "127.0.0.1"],
                **api_server(lab, listed=_minor(lab) >= 31),
            },
        },
        kubelet,
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "conntrack": {"maxPerCore": 0, "min": 0},
        },
    ]


def join_document(lab: Lab, node: Node, token: str, ca_hash: str, certificate_key: str) -> dict[str, Any]:
    """The configuration for ``kubeadm join``."""
    document: dict[str, Any] = {
        "apiVersion": _api_version(lab),
        "kind": "JoinConfiguration",
        "discovery": {
            "bootstrapToken": {
                "apiServerEndpoint": f"{lab.endpoint}:6443",
                "token": token,
                "caCertHashes": [ca_hash],
            }
        },
        "nodeRegistration": _registration(lab, node),
    }
    if node.role == "master":
        document["controlPlane"] = {
            "certificateKey": certificate_key,
            "localAPIEndpoint": {"advertiseAddress": node.ip, "bindPort": 6443},
        }
    return document


def kubectl(lab: Lab, *words: str, stdin: str | None = None, timeout: float = 60) -> str:
    """kubectl with the kubeconfig from the cluster's birth, through the load balancer."""
    return run([*lab.client, *words], stdin=stdin, timeout=timeout).stdout


def _kubeadm(lab: Lab, node: Node, verb: str, config: str, skip: str = "", extra: str = "") -> None:
    """Without preflight: some versions insist there on crictl, with which nothing is done on these nodes."""
    node_sh(lab, node, f"umask 077; cat > {_CONFIG}", stdin=config)
    words = f"kubeadm {verb} --config {_CONFIG} --skip-phases=preflight{skip} -v=1 {extra}"
    done = try_sh(lab, node, f"{words} >/var/log/kubeadm.log 2>&1", timeout=420)
    if done.returncode != 0:
        log = node_sh(lab, node, "tail -n 30 /var/log/kubeadm.log; journalctl -u kubelet -n 10 --no-pager")
        raise LabError(f"kubeadm {verb} failed on {node.name} of lab '{lab.name}':\n{log}")
    node_sh(lab, node, f"rm -f {_CONFIG} /var/log/kubeadm.log")


def _ca_hash(lab: Lab, node: Node) -> str:
    script = "openssl x509 -pubkey -noout -in /etc/kubernetes/pki/ca.crt | openssl pkey -pubin -outform der | sha256sum"
    return "sha256:" + node_sh(lab, node, script).split()[0]


def create_cluster(lab: Lab) -> None:
    """From booted nodes to a cluster whose nodes are Ready."""
    first, *others = lab.nodes
    token = f"{secrets.token_hex(3)}.{secrets.token_hex(8)}"
    certificate_key = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
    addons = ",addon/coredns,addon/kube-proxy" if lab.runtime == "docker" else ""
    if lab.encryption:
        write_configuration(lab)
    with step("kubeadm init on m1"):
        documents = init_documents(lab, first, token, certificate_key)
        _kubeadm(lab, first, "init", yaml.safe_dump_all(documents, sort_keys=False), addons, "--upload-certs")
    node_sh(lab, first, "mkdir -p /root/.kube && cp /etc/kubernetes/admin.conf /root/.kube/config")
    save_kubeconfig(lab)
    ca_hash = _ca_hash(lab, first)
    for node in others:
        with step(f"kubeadm join of {node.name}"):
            document = join_document(lab, node, token, ca_hash, certificate_key)
            _kubeadm(lab, node, "join", yaml.safe_dump(document, sort_keys=False))
    with step("all nodes Ready"):
        _wait_ready(lab)


def save_kubeconfig(lab: Lab) -> None:
    """Keep admin.conf for this side, with the balancer's address: this machine does not know the name."""
    text = (lab.root(lab.nodes[0]) / "etc/kubernetes/admin.conf").read_text(encoding="utf-8")
    config = lab.home / "kubeconfig"
    config.write_text(re.sub(r"server: \S+", f"server: https://{lab.balancer_ip}:6443", text), encoding="utf-8")
    config.chmod(0o600)


def _wait_ready(lab: Lab) -> None:
    template = '{range .items[*]}{.metadata.name}={range .status.conditions[?(@.type=="Ready")]}{.status}{end} {end}'
    answer = ""
    for _ in range(120):
        answer = kubectl(lab, "get", "nodes", "-o", f"jsonpath={template}")
        if answer.split() and all(word.endswith("=True") for word in answer.split()):
            return
        time.sleep(1)
    raise LabError(f"not all nodes of lab '{lab.name}' became Ready: {answer}")
