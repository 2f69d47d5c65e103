"""Certificates near their end on a cluster that lives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders.etcd_nodes import facts as etcd_facts
from builders.pki_master import CAS, CONF, NOW, PKI, Authority, Master, after, decide

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.controllers import Controller, ControllersFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.controllers import outdated
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import cluster_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


@pytest.fixture
def master() -> Master:
    return Master({name: Authority(name) for name in CAS})


def test_half_of_a_short_life_is_soon_enough(master: Master) -> None:
    """Where a cluster gives its certificates 30 days, they are not renewed for ever."""
    master.age, master.days = {"etcd-server": 10}, {"etcd-server": 20}
    assert decide(master.node())[0] == {}
    master.age, master.days = {"etcd-server": 16}, {"etcd-server": 14}
    found, steps, _ = decide(master.node())
    assert (found, steps[0].args["within"]) == ({"pki.cert_near_expiry": "warning"}, 15)


def test_where_nothing_is_broken_yet_others_are_asked(master: Master) -> None:
    master.days = {"apiserver": 20}
    api = ApiserverFacts(True, address="10.0.0.1", listening=True, readyz=200)
    etcd = etcd_facts(1, client_urls=("https://10.0.0.1:2379",), ca_file="/ca", cert_file="/crt", key_file="/key")
    node = replace(master.node(), apiserver=api, etcd=etcd)
    other = replace(Master(master.cas, host="m2").node(), apiserver=replace(api, address="fd00::2"), etcd=etcd)
    args = decide(node, other)[1][0].args
    assert (args["living"], args["address"], args["peers"]) == ("yes", "10.0.0.1", ["https://[fd00::2]:6443"])
    assert (args["voters"], args["voter_ca"]) == (["https://10.0.0.1:2379", "https://10.0.0.1:2379"], "/ca")
    assert (args["peer"], args["peer_endpoint"], args["peer_key"]) == ("m1", "https://127.0.0.1:2379", "/key")
    assert args["shown"] == [f"10.0.0.1:6443|{PKI}/apiserver.crt"]
    master.days = {"apiserver": 20, "etcd-server": -1}
    broken = replace(master.node(), apiserver=api, etcd=etcd)
    assert decide(broken, other)[1][0].args["living"] == ""
    master.days = {"apiserver": 20}
    assert decide(replace(master.node(), apiserver=replace(api, readyz=500), etcd=etcd))[1][0].args["living"] == ""


def test_without_a_quorum_no_living_master_is_touched(master: Master) -> None:
    """No snapshot could be taken before."""
    master.days = {"apiserver": 20}
    api = ApiserverFacts(True, address="10.0.0.1", listening=True, readyz=200)
    _, steps, refused = decide(replace(master.node(), apiserver=api, etcd=etcd_facts(1, linearizable=False)))
    assert steps == ()
    assert "no snapshot" in refused[0].reason


def test_while_another_masters_clock_is_wrong_no_living_master_is_touched(master: Master) -> None:
    """What is signed here would not be valid there yet; where something is broken already, nobody waits for that clock."""
    master.days = {"apiserver": 20}
    api = ApiserverFacts(True, address="10.0.0.1", listening=True, readyz=200)
    others = [replace(Master(master.cas, host=f"m{n}").node(), apiserver=api) for n in (2, 3)]
    others[0] = replace(others[0], clock_skew=-7200.0)
    _, steps, refused = decide(replace(master.node(), apiserver=api), *others)
    assert steps == ()
    assert "the clock of m2 is 2.0 h behind the controller's, and what is signed here" in refused[0].reason
    master.days = {"apiserver": -1}
    assert [step.kind for step in decide(replace(master.node(), apiserver=api), *others)[1]][:1] == ["certs_renew"]


def test_all_are_renewed_where_the_operator_wants_it(master: Master) -> None:
    node = master.node()
    wanted = Cluster((node,), NOW, renew_all=frozenset(("m1",)))
    findings, _ = judge(wanted, ["pki"])
    assert {f.code: f.severity for f in findings} == {"pki.renewal_asked": "info"}
    (step,), refused = plan(wanted, findings)
    assert refused == ()
    assert (step.args["names"], step.args["within"]) == (["all"], 20000)
    assert decide(after(node, (step,))) == ({}, (), ())


def test_all_are_renewed_once_in_a_run(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    groups = {"masters": ["m1", "m2", "m3"]}

    def asked(value: object) -> frozenset[str]:
        return cluster_of(spool, groups, {"kuberevive_renew_all": value}, False).renew_all

    for host, *states in (("m1", "done", "done"), ("m2", "done", "failed"), ("m3", "refused")):
        for state in states:
            spool.add_step({"kind": "certs_renew", "host": host, "state": state})
    assert asked("true") == {"m2", "m3"}
    assert asked("false") == asked(None) == frozenset()


def test_check_foretells_the_restart_of_controllers(master: Master) -> None:
    """A renewed kubeconfig is read by no controller that runs."""
    master.days = {"apiserver": 20, "controller-manager.conf": 20}
    manager = Controller(
        "kube-controller-manager", kubeconfig=f"{CONF}/controller-manager.conf", kubeconfig_state="ok", started=500
    )
    node = replace(master.node(), controllers=ControllersFacts(controllers=(manager,), now=1000))
    _, steps, _ = decide(node)
    then = after(node, steps).controllers
    assert then is not None
    assert outdated(then.controllers[0])
    assert not outdated(manager)
