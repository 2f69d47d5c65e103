"""The gate before a member is taken out, what happens to the member list, and the gateway's answers."""

from __future__ import annotations

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_decide as decide
from ansible_collections.kuberevive.cluster.plugins.plugin_utils import etcd_gateway as gateway
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.etcd_gateway import Member


def member(number: int, *, learner: bool = False, name: str | None = None) -> Member:
    return Member(str(number), f"m{number}" if name is None else name, (f"https://m{number}:2380",), (), learner)


@pytest.mark.parametrize(
    ("voters", "healthy", "open_"),
    [
        (1, 0, False),
        (2, 1, False),  # one of two is no majority: the other one is needed
        (3, 1, False),
        (3, 2, True),
        (4, 2, False),
        (4, 3, True),
        (5, 2, False),
        (5, 3, True),
        (7, 3, False),
        (7, 4, True),
        (9, 4, False),
        (9, 5, True),
    ],
)
def test_the_gate_counts_the_majority_of_the_voters_without_the_lost_one(
    voters: int, healthy: int, open_: bool
) -> None:
    listed = [member(i) for i in range(1, voters + 1)]
    well = {str(i) for i in range(2, healthy + 2)}  # m1 is the lost one
    assert (decide.gate(listed, ["https://m1:2380"], well) == "") is open_


def test_the_lost_one_is_never_counted_even_when_it_answers() -> None:
    listed = [member(1), member(2), member(3)]
    assert decide.gate(listed, ["https://m1:2380"], {"1", "2"}).startswith("1 of 3 voters")


def test_learners_are_no_voters_and_block_another_change() -> None:
    listed = [member(1), member(2), member(3), member(4, learner=True)]
    assert "another member is being added: m4" in decide.gate(listed, ["https://m1:2380"], {"2", "3", "4"})
    assert decide.gate(listed, ["https://m4:2380"], {"1", "2"}) == ""
    unstarted = [member(1), member(2), member(3, name="")]
    assert "another member is being added" in decide.gate(unstarted, ["https://m9:2380"], {"1", "2"})


@pytest.mark.parametrize(
    ("entry", "readd", "expected"),
    [
        (None, "", decide.Change(add=True)),
        (member(2), "", decide.Change(remove="2", add=True)),
        (member(2, learner=True), "", decide.Change(remove="2", add=True)),
        (member(2, learner=True, name=""), "", decide.Change(keep="2")),
        (member(2, name=""), "", decide.Change(remove="2", add=True)),
        (member(2, learner=True), "2", decide.Change(keep="2")),
        (member(2), "2", decide.Change(keep="2")),
        (member(2), "8", decide.Change(remove="2", add=True)),
    ],
)
def test_a_run_that_was_killed_is_gone_on_with(entry: Member | None, readd: str, expected: decide.Change) -> None:
    assert decide.next_change(entry, readd) == expected


def test_the_new_member_gets_its_own_name_into_the_list() -> None:
    listed = [member(3), member(1), member(2, learner=True, name="")]
    text = decide.initial_cluster(listed, "m2", ["https://m2:2380"])
    assert text == "m3=https://m3:2380,m1=https://m1:2380,m2=https://m2:2380"


@pytest.mark.parametrize(("text", "version"), [("3.4.23", (3, 4)), ("3.6.16", (3, 6)), ("", (0, 0)), ("x.y", (0, 0))])
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert decide.version_of(text) == version


def test_numbers_are_decimal_strings_and_what_is_missing_is_zero() -> None:
    body = (
        '{"header":{"cluster_id":"18279088359085474780","member_id":"9758730494805324881","raft_term":"3"},'
        '"members":[{"ID":"9758730494805324881","peerURLs":["https://10.77.0.12:2380"],"isLearner":true}]}'
    )
    answer = gateway.reply(body + "\n@http=200")
    (only,) = gateway.members(answer)
    assert (only.id, only.name, only.client_urls, only.learner) == ("9758730494805324881", "", (), True)
    assert gateway.status(answer) is not None
    assert gateway.count(gateway.reply('{"header":{"cluster_id":"1"}}\n@http=200')) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("curl: (7) Failed to connect to 10.77.0.99 port 2380: Connection refused\n\n@http=000", True),
        ("curl: (28) Connection timed out after 4001 milliseconds\n\n@http=000", True),
        ("curl: (60) SSL certificate problem: certificate has expired\n\n@http=000", False),
        ("curl: (56) OpenSSL SSL_read: alert bad certificate\n\n@http=000", False),
        ("404 page not found\n@http=404", False),
        ("", False),
    ],
)
def test_only_a_refused_or_unanswered_connection_is_silence(text: str, expected: bool) -> None:
    assert decide.silent(gateway.reply(text)) is expected


def test_no_answer_and_an_error_say_why() -> None:
    refused = gateway.reply("curl: (7) Failed to connect to 127.0.0.1 port 2379: Connection refused\n\n@http=000")
    assert (refused.http, refused.ok) == (0, False)
    assert "Connection refused" in refused.error
    behind = gateway.reply("\n@http=000curl: (60) SSL certificate problem: certificate has expired\n")
    assert "certificate has expired" in behind.error
    unhealthy = gateway.reply('{"code":14,"message":"etcdserver: unhealthy cluster"}\n@http=503')
    assert (unhealthy.http, unhealthy.error) == (503, "etcdserver: unhealthy cluster")
    assert gateway.reply("").error == ""
    assert gateway.status(unhealthy) is None
