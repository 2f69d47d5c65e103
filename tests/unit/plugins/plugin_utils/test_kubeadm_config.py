"""kubeadm's configuration told from what runs, beside what kubeadm generates from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.kubeadm_config import (
    COMPONENTS,
    KubeadmConfigError,
    Seen,
    compare,
    describe,
    text_of,
)

FLAGS = {
    "kube-apiserver": (
        "--advertise-address=10.0.0.11",
        "--secure-port=6443",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
        "--etcd-servers=https://127.0.0.1:2379",
    ),
    "kube-controller-manager": ("--cluster-name=home", "--cluster-cidr=10.244.0.0/16"),
    "kube-scheduler": ("--leader-elect=true",),
    "etcd": ("--data-dir=/data/etcd", "--name=m1", "--initial-cluster=m1=https://10.0.0.11:2380"),
}
NAMES = ("m1", "api.example.org", "extra.example.org", "10.96.0.1", "10.0.0.11", "kubernetes.default.svc.cluster.local")


def manifest(component: str, *more: str, **changes: Any) -> str:
    container = {
        "name": component,
        "image": f"registry.example.org/{component}:v1.30.2",
        "command": [component, *FLAGS[component], *more],
        "livenessProbe": {"periodSeconds": 10},
        **changes,
    }
    return yaml.safe_dump({"kind": "Pod", "spec": {"containers": [container]}})


def mounted(component: str, path: str) -> str:
    pod = yaml.safe_load(manifest(component))
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "v", "mountPath": path, "readOnly": True}]
    pod["spec"]["volumes"] = [{"name": "v", "hostPath": {"path": "/srv/v", "type": "Directory"}}]
    return yaml.safe_dump(pod)


GENERATED = {component: manifest(component) for component in COMPONENTS}
SEEN = Seen("kubeadm.k8s.io/v1beta4", GENERATED, "m1", "https://api.example.org:6443", "cluster.local", NAMES)


def seen(component: str, text: str) -> Seen:
    return replace(SEEN, manifests={**GENERATED, component: text})


def test_the_least_that_tells_the_cluster() -> None:
    assert describe(SEEN) == {
        "apiVersion": "kubeadm.k8s.io/v1beta4",
        "kind": "ClusterConfiguration",
        "kubernetesVersion": "v1.30.2",
        "imageRepository": "registry.example.org",
        "clusterName": "home",
        "certificatesDir": "/etc/kubernetes/pki",
        "controlPlaneEndpoint": "api.example.org:6443",
        "networking": {
            "dnsDomain": "cluster.local",
            "serviceSubnet": "10.96.0.0/12",
            "podSubnet": "10.244.0.0/16",
        },
        "apiServer": {"certSANs": ["extra.example.org"]},
        "controllerManager": {},
        "scheduler": {},
        "etcd": {"local": {"dataDir": "/data/etcd"}},
    }


def test_a_cluster_without_an_endpoint_of_its_own_gets_none() -> None:
    assert "controlPlaneEndpoint" not in describe(replace(SEEN, server="https://10.0.0.11:6443"))


def test_etcd_elsewhere() -> None:
    flags = (
        "--etcd-servers=https://a:2379,https://b:2379",
        "--etcd-cafile=/c",
        "--etcd-certfile=/d",
        "--etcd-keyfile=/e",
    )
    manifests = {c: text for c, text in GENERATED.items() if c != "etcd"}
    manifests["kube-apiserver"] = manifest("kube-apiserver", *flags)
    assert describe(replace(SEEN, manifests=manifests))["etcd"] == {
        "external": {
            "endpoints": ["https://a:2379", "https://b:2379"],
            "caFile": "/c",
            "certFile": "/d",
            "keyFile": "/e",
        }
    }


def test_kubeadm_reads_the_cluster_and_this_node() -> None:
    cluster, node = yaml.safe_load_all(text_of(describe(SEEN), SEEN))
    assert cluster == describe(SEEN)
    assert node["localAPIEndpoint"] == {"advertiseAddress": "10.0.0.11", "bindPort": 6443}
    assert node["nodeRegistration"] == {"name": "m1"}


def test_the_same_lacks_nothing() -> None:
    config = describe(SEEN)
    assert compare(config, SEEN, GENERATED) == (config, (), ())


def test_each_nodes_own_flags_are_nobody_elses() -> None:
    joined = manifest("etcd").replace("--initial-cluster=m1", "--initial-cluster=m2=https://10.0.0.12:2380,m1")
    assert compare(describe(SEEN), seen("etcd", joined), GENERATED)[1:] == ((), ())


@pytest.mark.parametrize(
    ("version", "kept"),
    [
        ("v1beta4", [{"name": "audit-log-path", "value": "/a"}, {"name": "profiling", "value": "false"}]),
        ("v1beta3", {"audit-log-path": "/a", "profiling": "false"}),
    ],
)
def test_other_flags_are_kept(version: str, kept: object) -> None:
    there = replace(
        seen("kube-apiserver", manifest("kube-apiserver", "--audit-log-path=/a", "--profiling=false")),
        api_version=f"kubeadm.k8s.io/{version}",
    )
    config, lacked, lost = compare(describe(there), there, GENERATED)
    assert config["apiServer"]["extraArgs"] == kept
    assert (lacked, lost) == (("kube-apiserver --audit-log-path", "kube-apiserver --profiling"), ())


def test_a_flag_given_twice() -> None:
    there = seen("kube-scheduler", manifest("kube-scheduler", "--vmodule=a=1", "--vmodule=b=2"))
    config, _, _ = compare(describe(there), there, GENERATED)
    assert [a["value"] for a in config["scheduler"]["extraArgs"]] == ["a=1", "b=2"]
    old = replace(there, api_version="kubeadm.k8s.io/v1beta3")
    with pytest.raises(KubeadmConfigError, match="--vmodule more than once"):
        compare(describe(old), old, GENERATED)


def test_a_mount_more_is_kept_of_all_but_etcd() -> None:
    there = seen("kube-apiserver", mounted("kube-apiserver", "/in"))
    config, lacked, lost = compare(describe(there), there, GENERATED)
    assert config["apiServer"]["extraVolumes"] == [
        {"name": "v", "hostPath": "/srv/v", "mountPath": "/in", "readOnly": True, "pathType": "Directory"}
    ]
    assert (lacked, lost) == (("kube-apiserver /in",), ())
    assert compare(describe(SEEN), seen("etcd", mounted("etcd", "/in")), GENERATED)[1:] == (
        (),
        ("etcd: the mount /in",),
    )


def test_the_tag_of_etcds_image() -> None:
    there = seen("etcd", manifest("etcd", image="registry.example.org/etcd:3.5.9-0"))
    config, lacked, _ = compare(describe(there), there, GENERATED)
    assert config["etcd"]["local"]["imageTag"] == "3.5.9-0"
    assert lacked == ("etcd image 3.5.9-0",)


def test_what_no_configuration_keeps_is_named() -> None:
    there = seen("kube-apiserver", manifest("kube-apiserver", livenessProbe={"periodSeconds": 12}))
    more = {**GENERATED, "kube-scheduler": manifest("kube-scheduler", "--port=0")}
    assert compare(describe(there), there, more)[1:] == (
        (),
        ("kube-apiserver: livenessProbe", "kube-scheduler: kubeadm adds --port"),
    )


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (seen("kube-apiserver", "spec: {}"), "the manifest of kube-apiserver cannot be read"),
        (seen("kube-apiserver", manifest("kube-apiserver", image="local")), "has no repository and tag"),
        (replace(SEEN, server=""), "admin.conf does not say where the cluster is"),
        (seen("kube-apiserver", manifest("kube-apiserver", "--tls-cert-file=")), "names no --tls-cert-file"),
    ],
)
def test_what_cannot_be_told(there: Seen, words: str) -> None:
    with pytest.raises(KubeadmConfigError, match=words):
        describe(there)


def test_kubeadm_that_generates_less() -> None:
    with pytest.raises(KubeadmConfigError, match="no manifest of etcd"):
        compare(describe(SEEN), SEEN, {c: t for c, t in GENERATED.items() if c != "etcd"})
