"""What the records prove: one true configuration, also against the majority; mixed keys; and where nothing is proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.apiserver import ApiserverFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import FileFact
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    EncryptionFacts,
    EncryptionProof,
    Key,
    Opened,
    Provider,
    Rule,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.etcd import EtcdFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.kubelet import KubeletFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.runtime import RuntimeFacts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_view import ranges, truth
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member, Status
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Judgement, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.report import order

NOW = datetime(2026, 1, 2, tzinfo=timezone.utc)
PATH = "/data/kubernetes/secrets.conf"
A, B, C = "a" * 64, "b" * 64, "c" * 64
_MEMBERS = tuple(Member(str(i), f"m{i}", (f"https://10.0.0.{i}:2380",)) for i in (1, 2, 3))


def rules(*prints: str, name: str = "key1") -> tuple[Rule, ...]:
    keys = tuple(Key(name, p) for p in prints)
    return (Rule(("secrets",), (Provider("aescbc", keys), Provider("identity"))),)


def master(number: int, told: tuple[Rule, ...] | None, **changes: Any) -> Node:
    file = FileFact(PATH, "ok", 300, "600", "root:root", mtime=1000)
    facts = EncryptionFacts("/etc/kubernetes/encryption/secrets.conf", file, rules=told) if told is not None else None
    facts = replace(facts, **changes) if facts is not None else None
    api = ApiserverFacts(
        True,
        manifest=FileFact("/etc/kubernetes/manifests/kube-apiserver.yaml", "ok"),
        parses=True,
        listening=True,
        asked=True,
        livez=200,
        readyz=200,
        encryption=facts,
        started=2000,
    )
    etcd = EtcdFacts(
        True,
        name=f"m{number}",
        status=Status(str(number), "7", 100, 1, 1, 1, "1"),
        linearizable=True,
        members=_MEMBERS,
        listening=True,
        endpoint="https://127.0.0.1:2379",
    )
    return Node(
        f"m{number}",
        ("masters",),
        NOW,
        sections={"apiserver": "ok"},
        apiserver=api,
        etcd=etcd,
        kubelet=KubeletFacts(running=True),
        runtime=RuntimeFacts("containerd", "/run/containerd.sock", True, "containerd"),
    )


def proof(
    opened: dict[str, int], *told: tuple[Rule, ...], beside: tuple[Rule, ...] = (), **more: Any
) -> EncryptionProof:
    candidates = [Candidate(f"m{i}", PATH, True, r) for i, r in enumerate(told, 1) if r]
    candidates += [Candidate("m2", f"{PATH}-bkp", False, beside)] if beside else []
    counted = tuple(Opened("secrets", "aescbc", "key1", print_, n) for print_, n in opened.items())
    more.setdefault("seen", ("secrets", "configmaps"))
    return EncryptionProof(NOW, read_at="m1", opened=counted, candidates=tuple(candidates), **more)


def cluster(known: EncryptionProof | None, *told: tuple[Rule, ...] | None, allow: tuple[str, ...] = ()) -> Cluster:
    nodes = tuple(master(i, r) for i, r in enumerate(told, 1))
    return Cluster(nodes, NOW, frozenset(allow), encryption=known)


def outcome(seen: Cluster) -> tuple[set[str], dict[str, str], dict[str, str]]:
    """(findings, step or refusal by host, could not tell) of encryption."""
    findings, outcomes = judge(seen, ("apiserver",))
    steps, refusals = plan(seen, findings)
    said = {s.host: s.title for s in steps} | {r.host: f"refused: {r.reason}" for r in refusals}
    blind = {f"{o.code}@{o.host}": o.why for o in outcomes if o.state == "could_not_tell"}
    return {f.id.removeprefix("apiserver.encryption_") for f in findings}, said, blind


def test_all_alike_and_proven_is_nothing() -> None:
    told = (rules(A), rules(A), rules(A))
    assert outcome(cluster(proof({A: 40}, *told), *told)) == (set(), {}, {})


def test_the_odd_one_gets_what_opens_the_records() -> None:
    told = (rules(A), rules(A), rules(B))
    found, said, blind = outcome(cluster(proof({A: 40}, *told), *told))
    assert (found, blind) == ({"key_differs@m3"}, {})
    assert "of m1), restart it" in said["m3"]


def test_the_majority_is_wrong_where_the_records_say_so() -> None:
    told = (rules(B), rules(B), rules(A))
    found, said, _ = outcome(cluster(proof({A: 40}, *told), *told))
    assert found == {"key_differs@m1", "key_differs@m2"}
    assert all("of m3), restart it" in said[host] for host in ("m1", "m2"))


def test_a_key_that_is_only_in_a_copy_beside_it() -> None:
    told = (rules(B), rules(B), rules(B))
    found, said, _ = outcome(cluster(proof({A: 40}, *told, beside=rules(A)), *told))
    assert found == {"key_differs@m1", "key_differs@m2", "key_differs@m3"}
    assert all(f"({PATH}-bkp of m2)" in title for title in said.values())


def test_mixed_keys_need_consent_and_explain_themselves_by_the_odd_one() -> None:
    told = (rules(A), rules(A), rules(B))
    seen = cluster(proof({A: 40, B: 3}, *told), *told)
    assert truth(seen).mixed
    found, said, _ = outcome(seen)
    assert found == {"key_differs@m3", "mixed_keys@m1"}
    assert "m3" not in said  # nothing is copied over a key that something was written with
    findings, _ = judge(seen, ("apiserver",))
    mixed = next(f for f in findings if f.code.endswith("mixed_keys"))
    assert mixed.cause == "apiserver.encryption_key_differs@m3"
    assert any("opens 3 records of secrets; known in m3" in line for line in mixed.evidence)


def test_what_is_rewritten_is_rewritten_through_a_master_that_serves() -> None:
    told = (rules(A), rules(A), rules(B))
    seen = cluster(proof({A: 40, B: 3}, *told), *told, allow=("apiserver.encryption_mixed_keys",))

    def peer_of(subject: Cluster) -> str:
        steps, refusals = plan(subject, judge(subject, ("apiserver",))[0])
        done = next((s for s in steps if s.kind == "encryption_rewrite"), None)
        return str(done.args["peer"]) if done else next(r.reason for r in refusals if r.kind == "encryption_rewrite")

    assert peer_of(seen) == "m1"
    for number, peer in ((0, "m2"), (1, "m3")):  # one after the other stops to serve
        nodes = list(seen.nodes)
        api = nodes[number].apiserver
        assert api is not None
        nodes[number] = replace(nodes[number], apiserver=replace(api, listening=False))
        seen = replace(seen, nodes=tuple(nodes))
        assert peer_of(seen) == peer
    last = seen.nodes[2]
    seen = replace(seen, nodes=(*seen.nodes[:2], replace(last, apiserver=replace(last.apiserver, listening=False))))  # type: ignore[type-var]
    assert "no master has both" in peer_of(seen)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (None, "not looked at"),
        (EncryptionProof(NOW, why="m1: etcdserver: request timed out"), "request timed out"),
        (proof({A: 2}, rules(A), rules(A), rules(B)), "2 records in etcd open with a known key, and 3 are needed"),
        (proof({A: 40}, rules(A), rules(A), rules(A, B)), "all open every record: which one is meant nobody can tell"),
        (proof({A: 40, C: 3}, rules(A), unread=("m3: no openssl",)), "not all were: m3: no openssl"),
    ],
)
def test_without_a_proof_nothing_is_copied(known: EncryptionProof | None, why: str) -> None:
    odd = (
        rules(A, B)
        if known is not None and len(known.candidates) > 2 and known.candidates[2].rules == rules(A, B)
        else rules(B)
    )
    found, said, blind = outcome(cluster(known, rules(A), rules(A), odd))
    assert "key_differs@m3" in found
    assert said["m3"].startswith("refused: which configuration is right is not proven")
    assert why in said["m3"]
    looked = known is not None and not known.why
    assert bool(blind) != looked


def test_a_key_that_was_not_read_may_be_the_one_of_the_closed_records() -> None:
    known = proof({A: 3}, rules(A), closed_count=500, unread=("m2: no openssl", "m3: no openssl"))
    _, said, _ = outcome(cluster(known, rules(A), rules(C), rules(C)))
    assert all("500 records open with no key that was read" in said[host] for host in said)
    odd = proof({A: 3}, rules(A), rules(A), closed_count=500)
    odd = replace(odd, candidates=(*odd.candidates, Candidate("m3", PATH, True, problem="no")))
    assert "m3: /data/kubernetes/secrets.conf is not understood" in truth(cluster(odd, rules(A), rules(A), None)).why


@pytest.mark.parametrize("other", [Opened("secrets", "kms", "vault", "", 9), Opened("secrets", "identity", "", "", 9)])
def test_what_a_plugin_encrypts_or_nothing_encrypts_has_to_be_readable_as_well(other: Opened) -> None:
    bare = (Rule(("secrets",), (Provider("aescbc", (Key("key1", A),)),)),)
    told = (bare, bare, rules(B))
    assert truth(cluster(proof({A: 40}, *told), *told)).candidate is not None
    found = truth(cluster(proof({A: 40}, *told, others=(other,)), *told))
    assert found.candidate is None
    assert found.mixed


@pytest.mark.parametrize(
    ("told", "others", "why"),
    [
        ((rules(A), (*rules(A), *rules(A)), rules(B)), (), "several groups"),
        ((rules(A), rules(A), (Rule(("secrets", "configmaps"), rules(B)[0].providers),)), (), "the same resources"),
        ((rules(A), rules(A), (Rule(("secrets",), (Provider("kms", name="v"), *rules(B)[0].providers)),)), (), "KMS"),
        (
            (rules(A), rules(A), (Rule(("secrets",), rules(B)[0].providers[:1]),)),
            (Opened("secrets", "identity", "", "", 5),),
            "plain text",
        ),
    ],
)
def test_what_a_union_would_not_do_justice_to_is_not_merged(
    told: tuple[tuple[Rule, ...], ...], others: tuple[Opened, ...], why: str
) -> None:
    known = proof({A: 40, B: 3}, *told, others=others)
    seen = cluster(known, *told, allow=("apiserver.encryption_mixed_keys",))
    assert truth(seen).mixed
    _, refusals = plan(seen, judge(seen, ("apiserver",))[0])
    assert [why in r.reason for r in refusals if r.kind == "encryption_rewrite"] == [True]


def test_the_first_master_that_is_reached_speaks_for_all() -> None:
    told = (rules(A), rules(A), rules(A))
    seen = cluster(proof({A: 40}, *told, closed=("/registry/secrets/x/y",), closed_count=1), *told)
    seen = replace(seen, nodes=(replace(seen.nodes[0], reachable=False, apiserver=None), *seen.nodes[1:]))
    findings, _ = judge(seen, ("apiserver",))
    assert "apiserver.encryption_records_unreadable@m2" in [f.id for f in findings]


def test_a_name_in_the_records_that_the_configuration_does_not_have_is_no_cover() -> None:
    told = (rules(A, name="new"), rules(A), rules(A))
    found, _, _ = outcome(cluster(proof({A: 40}, *told), *told))
    assert found == {"key_differs@m1"}


def test_two_keys_of_one_name_are_told_but_not_while_a_rewrite_needs_them() -> None:
    told = (rules(A, B), rules(A, B))
    known = proof({A: 40}, *told)
    findings, _ = judge(cluster(known, *told), ("apiserver",))
    assert {(f.id, f.severity) for f in findings} == {
        (f"apiserver.encryption_config_invalid@{host}", "warning") for host in ("m1", "m2")
    }
    ours = replace(known, candidates=tuple(replace(c, union=True) for c in known.candidates))
    findings, _ = judge(cluster(ours, *told), ("apiserver",))
    assert [f.id for f in findings] == ["apiserver.encryption_mixed_keys@m1"]
    assert "did not finish" in findings[0].summary
    half = cluster(replace(ours, candidates=ours.candidates[:1]), rules(A, B), rules(A))
    findings, _ = judge(half, ("apiserver",))
    assert [f.id for f in findings] == ["apiserver.encryption_mixed_keys@m1"]


def test_a_resource_that_the_cluster_does_not_have_is_told() -> None:
    told = ((Rule(("secrets", "secret"), rules(A)[0].providers),),) * 2
    findings, _ = judge(cluster(proof({A: 40}, *told), *told), ("apiserver",))
    assert {(f.id, f.severity) for f in findings} == {
        (f"apiserver.encryption_config_invalid@{host}", "info") for host in ("m1", "m2")
    }
    assert "nothing of secret, which" in findings[0].summary


def test_records_that_no_key_opens_are_named_and_never_touched() -> None:
    told = (rules(A), rules(A), rules(A))
    known = proof(
        {A: 40}, *told, closed=("/registry/secrets/x/y",), closed_count=1, odd=("/registry/secrets/x/z",), odd_count=1
    )
    seen = cluster(known, *told)
    found, said, _ = outcome(seen)
    assert (found, said) == ({"records_unreadable@m1"}, {})
    findings, _ = judge(seen, ("apiserver",))
    assert findings[0].evidence == ("/registry/secrets/x/y", "/registry/secrets/x/z (unknown format, or cut off)")


def test_a_file_written_after_the_process_began_is_not_what_it_works_with() -> None:
    known = proof({A: 40}, rules(A), rules(A))
    late = FileFact(PATH, "ok", 300, "600", "root:root", mtime=2010)
    nodes = (master(1, rules(A)), master(2, rules(A), file=late))
    found, said, _ = outcome(Cluster(nodes, NOW, encryption=known))
    assert found == {"config_not_loaded@m2"}
    assert "restart it" in said["m2"]
    again = replace(nodes[1].apiserver, encryption=replace(nodes[1].apiserver.encryption, reloads=True))  # type: ignore[union-attr,type-var]
    assert (
        "config_not_loaded@m2"
        not in outcome(Cluster((nodes[0], replace(nodes[1], apiserver=again)), NOW, encryption=known))[0]
    )


@pytest.mark.parametrize("state", ["missing", "empty", "nul"])
def test_a_file_that_is_gone_comes_back_and_check_mode_foretells_it(state: str) -> None:
    known = proof({A: 40}, rules(A), rules(A))
    broken = FileFact(PATH, state, 0, "" if state == "missing" else "600", "" if state == "missing" else "root:root")
    nodes = (master(1, rules(A)), master(2, rules(A)), master(3, (), file=broken))
    seen = Cluster(nodes, NOW, encryption=known)
    findings, _ = judge(seen, ("apiserver",))
    steps, _ = plan(seen, findings)
    step = next(s for s in steps if s.host == "m3")
    assert (step.phase, step.args["mode"]) == ("apiserver_encryption", "600")
    after = _steps.KINDS[step.kind].effect(nodes[2], step.args)
    left, _ = judge(Cluster((*nodes[:2], after), NOW, encryption=known), ("apiserver",))
    assert [f.id for f in left if f.host == "m3" and "exposed" not in f.code] == []


def test_only_clusters_with_encryption_have_its_play() -> None:
    findings, outcomes = judge(cluster(None, None, None, None), ("apiserver",))
    assert (findings, [o for o in outcomes if o.state == "could_not_tell"]) == ((), [])
    assert order(Judgement(findings, (), (), ()))["apiserver_encryption"] == []


def test_where_a_resource_lies_in_etcd() -> None:
    def places(*resources: str, prefix: str = "/registry") -> dict[str, tuple[str, ...]]:
        return ranges((Rule(resources, ()),), prefix)

    assert places("secrets", "deployments.apps") == {
        "secrets": ("/registry/secrets/",),
        "deployments.apps": ("/registry/deployments/",),
    }
    assert places("services", prefix="other/") == {"services": ("/other/services/specs/",)}
    assert places("things.example.com") == {"things.example.com": ("/registry/example.com/things/",)}
    assert places("leases.coordination.k8s.io")["leases.coordination.k8s.io"] == (
        "/registry/leases/",
        "/registry/coordination.k8s.io/leases/",
    )
    assert places("secrets", "*.apps") == {"*.apps": ("/registry/",)}
