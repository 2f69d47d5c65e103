"""kubelet's probes of kube-apiserver: what they ask, whether they may, and the manifest in which they may."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import manifest_edit as edit
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.probes import anonymous_paths, parse_probes
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
EPOCH = int(NOW.timestamp())
PATH = "/etc/kubernetes/manifests/kube-apiserver.yaml"
MANIFEST = """\
# a comment of the operator's
apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.77.0.11:6443
  name: kube-apiserver
spec:
  containers:
  - command:
    - kube-apiserver
    - --anonymous-auth=false
    - --secure-port=6443
    image: registry.k8s.io/kube-apiserver:v1.36.3
    name: kube-apiserver
    livenessProbe:
      failureThreshold: 8
      httpGet: {host: 10.77.0.11, path: /livez, port: probe-port, scheme: HTTPS}
      initialDelaySeconds: 10
      periodSeconds: 10
    ports:
    - containerPort: 6443
      name: probe-port
    readinessProbe:
      failureThreshold: 3
      httpGet: {host: 10.77.0.11, path: /readyz, port: 6443, scheme: HTTPS}
      periodSeconds: 1
    startupProbe:
      failureThreshold: 24
      httpGet: {host: 10.77.0.11, path: /livez, port: 6443, scheme: HTTPS}
      initialDelaySeconds: 10
      periodSeconds: 10
    volumeMounts:
    - {mountPath: /etc/kubernetes/pki, name: k8s-certs, readOnly: true}
  volumes:
  - {name: k8s-certs, hostPath: {path: /etc/kubernetes/pki, type: DirectoryOrCreate}}
"""
CONFIGURATION = """\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
- issuer: {url: https://login.example, audiences: [kube]}
anonymous:
  enabled: false
"""


def master(manifest: str = MANIFEST, configuration: str = "", **changes: Any) -> Node:
    flags = tuple(w for w in yaml.safe_load(manifest)["spec"]["containers"][0]["command"] if w.startswith("-"))
    given = dict(f.lstrip("-").split("=", 1) for f in flags)
    api = ApiserverFacts(
        present=True,
        manifest=FileFact(PATH, "ok", len(manifest), "600", "root:root", content=manifest),
        parses=True,
        address="10.77.0.11",
        flags=flags,
        listening=True,
        asked=True,
        readyz=200,
        anonymous=False,
        now=EPOCH,
        started=EPOCH - 100,
        restarts=4,
        probes=parse_probes(manifest),
        open_paths=anonymous_paths(given.get("anonymous-auth", ""), configuration),
        authn_path="/etc/authn.yaml" if configuration else "",
        authn_file=FileFact("/srv/authn.yaml", "ok", content=configuration) if configuration else None,
    )
    kubelet = KubeletFacts(version="1.36.3", node_name="m1", running=True)
    return Node("m1", ("masters",), NOW, kubelet=kubelet, apiserver=replace(api, **changes))


def found(node: Node) -> dict[str, Finding]:
    findings, _ = judge(Cluster((node,), NOW), ["apiserver"])
    return {f.code: f for f in findings}


def planned(node: Node, **settings: Any) -> dict[str, Any]:
    cluster = Cluster((node,), NOW, settings=settings)
    steps, refusals = plan(cluster, judge(cluster, ["apiserver"])[0])
    assert refusals == ()
    (step,) = [s for s in steps if s.kind == "apiserver_probes"]
    return dict(step.args)


def text_of(args: dict[str, Any], key: str = "content") -> str:
    return base64.b64decode(args[key]).decode()


def test_every_probe_and_what_it_does() -> None:
    startup, liveness, readiness = parse_probes(MANIFEST)
    assert (startup.kind, startup.seconds, startup.kills) == ("startup", 250, True)
    assert (liveness.url, liveness.seconds) == ("https://10.77.0.11:6443/livez", 90)
    assert (readiness.kills, readiness.path) == (False, "/readyz")


@pytest.mark.parametrize(
    ("flag", "configuration", "paths"),
    [
        ("", "", None),
        ("true", "", None),
        ("false", "", ()),
        ("", CONFIGURATION, ()),
        ("", CONFIGURATION.replace("false", "true"), None),
        ("", edit.allow_health(CONFIGURATION), ("/livez", "/readyz", "/healthz")),
        ("", "kind: AuthenticationConfiguration\n", None),
    ],
)
def test_who_may_ask_without_a_name(flag: str, configuration: str, paths: tuple[str, ...] | None) -> None:
    assert anonymous_paths(flag, configuration) == paths


@pytest.mark.parametrize("text", ["kind: Other\n", "a: [b\n", "- x\n"])
def test_a_configuration_that_cannot_be_understood(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        anonymous_paths("", text)


def test_probes_that_may_not_ask() -> None:
    finding = found(master())["apiserver.probe_unauthorized"]
    assert finding.evidence[0] == "https://10.77.0.11:6443/livez: HTTP 401 without a credential"
    assert "startup probe https://10.77.0.11:6443/livez: kubelet ends it 250 s after its start" in finding.evidence
    assert "restarts: 4, running for 100 s" in finding.evidence
    assert "kubeadm join" in finding.evidence[-1]


def test_anonymous_requests_on_is_no_finding() -> None:
    assert found(master(MANIFEST.replace("--anonymous-auth=false", "--v=2"), anonymous=True)) == {}


def test_a_probe_with_a_credential_may_ask() -> None:
    manifest = MANIFEST.replace(
        "scheme: HTTPS}", "scheme: HTTPS, httpHeaders: [{name: Authorization, value: Bearer x}]}"
    )
    assert found(master(manifest)) == {}


def test_probes_of_an_open_port_may_ask() -> None:
    assert found(master(edit.tcp_probes(MANIFEST, ("startup", "liveness", "readiness"), 6443))) == {}


def test_the_one_that_runs_was_started_with_another_manifest() -> None:
    _, outcomes = judge(Cluster((master(anonymous=True),), NOW), ["apiserver"])
    (said,) = [o.why for o in outcomes if o.code == "apiserver.probe_unauthorized"]
    assert "still answers without a name" in said


def test_since_1_32_only_the_paths_of_health_are_opened() -> None:
    args = planned(master())
    pod = yaml.safe_load(text_of(args))
    container = pod["spec"]["containers"][0]
    place = "/etc/kubernetes/authentication-config.yaml"
    assert container["command"] == ["kube-apiserver", "--secure-port=6443", f"--authentication-config={place}"]
    assert {"mountPath": place, "name": "authentication-config", "readOnly": True} in container["volumeMounts"]
    assert {"hostPath": {"path": place, "type": "File"}, "name": "authentication-config"} in pod["spec"]["volumes"]
    assert text_of(args).startswith("# a comment of the operator's\n")
    told = yaml.safe_load(text_of(args, "authn"))
    assert told["apiVersion"] == "apiserver.config.k8s.io/v1"
    assert [c["path"] for c in told["anonymous"]["conditions"]] == ["/livez", "/readyz", "/healthz"]
    assert args["kubeadm"] == {"remove": ["anonymous-auth"], "add": {"authentication-config": place}, "mount": place}
    after = master(text_of(args), text_of(args, "authn"))
    assert found(after) == {}


def test_before_1_34_the_configuration_is_v1beta1() -> None:
    args = planned(master(MANIFEST.replace("v1.36.3", "v1.32.0")))
    assert yaml.safe_load(text_of(args, "authn"))["apiVersion"] == "apiserver.config.k8s.io/v1beta1"


def test_an_operators_configuration_is_extended_and_the_pod_started_anew() -> None:
    manifest = MANIFEST.replace("--anonymous-auth=false", "--authentication-config=/etc/authn.yaml")
    args = planned(master(manifest, CONFIGURATION))
    told = yaml.safe_load(text_of(args, "authn"))
    assert told["jwt"][0]["issuer"]["url"] == "https://login.example"
    assert (args["authn_file"], told["anonymous"]["enabled"]) == ("/srv/authn.yaml", True)
    pod = yaml.safe_load(text_of(args))
    assert pod["metadata"]["annotations"]["kuberevive/authentication-config"]
    assert pod["spec"] == yaml.safe_load(manifest)["spec"]


def test_older_versions_ask_for_the_open_port() -> None:
    args = planned(master(MANIFEST.replace("v1.36.3", "v1.28.15")))
    container = yaml.safe_load(text_of(args))["spec"]["containers"][0]
    for kind in ("startup", "liveness", "readiness"):
        probe = container[f"{kind}Probe"]
        assert probe["tcpSocket"] == {"host": "127.0.0.1", "port": 6443}
        assert "httpGet" not in probe
    assert "--anonymous-auth=false" in container["command"]
    assert args["patch_file"] == "/etc/kubernetes/patches/kube-apiserver+strategic.yaml"
    patch = yaml.safe_load(text_of(args, "patch"))["spec"]["containers"][0]
    assert patch["livenessProbe"]["tcpSocket"]["port"] == 6443
    assert patch["livenessProbe"]["httpGet"] is None


def test_everybody_may_ask_again_by_choice() -> None:
    args = planned(master(), kuberevive_anonymous_auth="true")
    command = yaml.safe_load(text_of(args))["spec"]["containers"][0]["command"]
    assert command == ["kube-apiserver", "--secure-port=6443"]
    assert (args["authn"], args["kubeadm"]["remove"]) == ("", ["anonymous-auth"])


def test_a_probe_of_a_port_that_is_not_served() -> None:
    manifest = (
        MANIFEST.replace("v1.36.3", "v1.20.15")
        .replace("--secure-port=6443", "--insecure-port=8080")
        .replace("{host: 10.77.0.11, path: /livez, port: probe-port, scheme: HTTPS}", "{path: /healthz, port: 8080}")
    )
    node = master(manifest, listening=False, asked=False, started=0)
    codes = found(node)
    assert {"apiserver.probe_misdirected", "apiserver.probe_unauthorized"} <= set(codes)
    args = planned(node)
    container = yaml.safe_load(text_of(args))["spec"]["containers"][0]
    assert container["command"] == ["kube-apiserver", "--anonymous-auth=false"]
    assert container["livenessProbe"]["tcpSocket"] == {"host": "127.0.0.1", "port": 6443}


def test_an_insecure_port_that_is_served_is_where_it_may_ask() -> None:
    manifest = MANIFEST.replace("v1.36.3", "v1.18.20").replace("--anonymous-auth=false", "--insecure-port=8080")
    manifest = manifest.replace("{host: 10.77.0.11, path: /livez, port: probe-port, scheme: HTTPS}", "{port: 8080}")
    assert found(master(manifest, anonymous=True)) == {}


@pytest.mark.parametrize(
    ("version", "before", "after"),
    [
        ("v1beta2", {"anonymous-auth": "false", "v": "2"}, {"v": "2", "authentication-config": "/x"}),
        (
            "v1beta4",
            [{"name": "anonymous-auth", "value": "false"}, {"name": "v", "value": "2"}],
            [{"name": "v", "value": "2"}, {"name": "authentication-config", "value": "/x"}],
        ),
    ],
)
def test_kubeadm_remembers(version: str, before: Any, after: Any) -> None:
    text = yaml.safe_dump(
        {"apiVersion": f"kubeadm.k8s.io/{version}", "kind": "ClusterConfiguration", "apiServer": {"extraArgs": before}}
    )
    new = yaml.safe_load(
        edit.edit_cluster_configuration(text, ("anonymous-auth",), {"authentication-config": "/x"}, "/x")
    )
    assert new["apiServer"]["extraArgs"] == after
    assert [v["mountPath"] for v in new["apiServer"]["extraVolumes"]] == ["/x"]
    again = edit.edit_cluster_configuration(
        yaml.safe_dump(new), ("anonymous-auth",), {"authentication-config": "/x"}, "/x"
    )
    assert yaml.safe_load(again) == new


@pytest.mark.parametrize("text", ["kind: Pod\n", "a: [\n", "kind: Pod\nspec: {containers: [{name: x}]}\n"])
def test_a_manifest_of_another_shape_is_left_alone(text: str) -> None:
    with pytest.raises(edit.ManifestError):
        edit.set_flags(text, ("x",))
    with pytest.raises(edit.ManifestError):
        edit.edit_cluster_configuration(text)
