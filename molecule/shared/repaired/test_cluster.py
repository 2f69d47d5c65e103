"""The cluster at the end, asked without the product: is it whole, does it work, is everything still there?"""

from __future__ import annotations

import json
import time
from datetime import datetime

import pytest

from scenarios.nodes import ask, node_address
from scenarios.runs import lab
from scenarios.story import Story

pytestmark = pytest.mark.only.with_args(lambda story: story.ends != "refused")
_ADMIN = "kubectl --kubeconfig /etc/kubernetes/admin.conf --request-timeout=15s"
_SERVED = "echo | openssl s_client -connect {address} 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
_ON_DISK = "openssl x509 -noout -fingerprint -sha256 -in {path}"
# A controller of its own makes each of these: account, CA, replica set, pod, endpoints; in the end all of it goes.
_WAIT = "for i in $(seq 90); do {} && exit 0; sleep 1; done; exit 1"
_WORK = "\n".join(
    (
        f"{_ADMIN} create namespace after",
        _WAIT.format("KUBECTL get serviceaccount default"),
        "KUBECTL create deployment web --image registry.k8s.io/kuberevive/web:1",
        "KUBECTL expose deployment web --port 80",
        "KUBECTL scale deployment web --replicas 2",
        _WAIT.format('[ "$(KUBECTL get deployment web -o jsonpath={.status.availableReplicas})" = 2 ]'),
        _WAIT.format(
            "[ $(KUBECTL get endpoints web -o jsonpath={.subsets[*].addresses[*].ip} 2>/dev/null | wc -w) = 2 ]"
        ),
        f"{_ADMIN} delete namespace after --timeout 90s",
    )
)
_ETCD = """
pki=/etc/kubernetes/pki/etcd
ask() { curl -s -m 10 --cacert $pki/ca.crt --cert $pki/server.crt --key $pki/server.key -d "$2" "https://127.0.0.1:2379/v3/$1"; }
"""


def _masters(story: Story) -> list[str]:
    return [name for name in story.masters if name in story.on]


def _leases(story: Story) -> dict[str, float]:
    master = _masters(story)[0]
    items = json.loads(ask(story, master, f"{_ADMIN} get leases -A -o json"))["items"]
    return {
        f"{item['metadata']['namespace']}/{item['metadata']['name']}": datetime.fromisoformat(
            item["spec"]["renewTime"].replace("Z", "+00:00")
        ).timestamp()
        for item in items
        if item["spec"].get("renewTime")
    }


def test_every_apiserver_is_ready_at_its_own_address(story: Story) -> None:
    for name in _masters(story):
        url = f"https://{node_address(story, name)}:6443"
        assert ask(story, name, f"{_ADMIN} --server {url} get --raw /readyz").strip() == "ok", name


def test_canary_through_every_apiserver(story: Story) -> None:
    for name in _masters(story):
        kubectl = f"{_ADMIN} --server https://{node_address(story, name)}:6443 -n default"
        ask(story, name, f"{kubectl} create secret generic after-{name} --from-literal=word={name}-{story.name}")
        for other in _masters(story):
            reader = f"{_ADMIN} --server https://{node_address(story, other)}:6443 -n default"
            said = ask(story, other, f"{reader} get secret after-{name} -o jsonpath='{{.data.word}}' | base64 -d")
            assert said == f"{name}-{story.name}"
        ask(story, name, f"{kubectl} delete secret after-{name}")


def test_every_lease_moves(story: Story) -> None:
    wanted = {f"kube-node-lease/{name}" for name in story.on}
    wanted |= {"kube-system/kube-controller-manager", "kube-system/kube-scheduler"}
    before = _leases(story)
    deadline = time.monotonic() + 45
    still: set[str] = wanted
    while still and time.monotonic() < deadline:
        time.sleep(2)
        now = _leases(story)
        still = {name for name in wanted if now.get(name, 0) <= before.get(name, 0)}
    assert still == set()


def _takes_pods(story: Story) -> bool:
    """Whether the worker does: kubelet keeps pods off for five minutes after its disk was full, and no registry gives back the images."""
    return "w1" in story.on and not {("host.disk_full", "w1"), ("host.inodes_exhausted", "w1")} & story.finds


@pytest.mark.only.with_args(_takes_pods)
def test_controllers_do_their_work(story: Story) -> None:
    master = _masters(story)[0]
    for line in _WORK.strip().splitlines():
        ask(story, master, line.replace("KUBECTL", f"{_ADMIN} -n after"))


def test_every_node_is_ready(story: Story) -> None:
    columns = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}'
    said = ask(story, _masters(story)[0], f"{_ADMIN} get nodes -o jsonpath='{columns}'").split()
    assert {f"{name}=True" for name in story.on} <= set(said)
    assert len(said) == len(story.nodes)


def test_etcd_has_its_voters(story: Story) -> None:
    for name in _masters(story):
        members = json.loads(ask(story, name, f"{_ETCD} ask cluster/member/list '{{}}'"))["members"]
        assert sorted(m.get("name", "") for m in members) == list(story.masters), name
        assert not [m for m in members if m.get("isLearner")]
        # A linearizable read, which only a member with a quorum answers.
        assert "header" in ask(story, name, f'{_ETCD} ask kv/range \'{{"key":"AA==","range_end":"AA==","limit":"1"}}\'')


def test_one_etcd_cluster_with_one_history(story: Story) -> None:
    clusters, revisions = set(), []
    for name in _masters(story):
        header = json.loads(ask(story, name, f"{_ETCD} ask maintenance/status '{{}}'"))["header"]
        clusters.add(header["cluster_id"])
        revisions.append(int(header["revision"]))
    assert len(clusters) == 1
    assert max(revisions) - min(revisions) < 500


def test_the_certificates_served_are_those_on_disk(story: Story) -> None:
    pki = "/etc/kubernetes/pki"
    for name in _masters(story):
        address = node_address(story, name)
        for port, path in ((6443, f"{pki}/apiserver.crt"), (2379, f"{pki}/etcd/server.crt")):
            served = ask(story, name, _SERVED.format(address=f"{address}:{port}"))
            assert served == ask(story, name, _ON_DISK.format(path=path)), (name, port)


@pytest.mark.only.with_args(lambda story: not story.fails and "pki.cert_near_expiry" not in story.refuses)
def test_no_certificate_is_near_its_end(story: Story) -> None:
    script = (
        "for f in /etc/kubernetes/pki/*.crt /etc/kubernetes/pki/etcd/*.crt /var/lib/kubelet/pki/kubelet-client-current.pem; do"
        " [ ! -e $f ] || openssl x509 -noout -checkend 2592000 -in $f >/dev/null || echo $f; done"
    )
    for name in story.on:
        assert ask(story, name, script) == "", name


def test_no_worker_has_more_than_its_own_credential(story: Story) -> None:
    for name in story.on:
        subject = ask(story, name, "openssl x509 -noout -subject -in /var/lib/kubelet/pki/kubelet-client-current.pem")
        assert f"CN = system:node:{name}" in subject, subject
        assert "O = system:nodes" in subject, subject


@pytest.mark.only.with_args(lambda story: "m1" in story.on)
def test_roots_own_kubectl_works(story: Story) -> None:
    assert ask(story, "m1", "kubectl --request-timeout=15s get nodes -o name").split() == [
        f"node/{name}" for name in story.nodes
    ]


def test_every_object_is_still_there_and_the_same(story: Story) -> None:
    before = json.loads((story.out / "data.json").read_text(encoding="utf-8"))
    after = json.loads(lab("snapshot-data", "--name", story.name))
    assert len(before) >= 8
    assert {key: after.get(key) for key in before} == before


def test_backups_are_roots_alone(story: Story) -> None:
    script = "[ ! -e /var/lib/kuberevive ] || find /var/lib/kuberevive -maxdepth 1 -perm /077"
    assert {name: ask(story, name, script) for name in story.on} == dict.fromkeys(story.on, "")


@pytest.mark.only.with_args(lambda story: story.prove)
def test_what_the_scenario_itself_proves(story: Story) -> None:
    for name, script in story.prove:
        ask(story, name, script)
