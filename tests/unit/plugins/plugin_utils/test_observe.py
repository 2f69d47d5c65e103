"""From an answer that is not whole to a node of which that much is unknown, and no more."""

from __future__ import annotations

import base64
from datetime import datetime, timezone

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import merge, observe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def seen(*lines: str, asked: tuple[str, ...] = LAYERS) -> Node:
    text = "\n".join(["@kuberevive 1", "@uid 0", *lines, "@end", ""])
    return observe("m1", ("masters",), text, asked, NOW, NOW)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("end", "why"), [("timeout=15", "timeout"), ("val\tx\ty", "the answer was cut off in it")])
def test_of_half_a_section_nothing_is_believed(layer: str, end: str, why: str) -> None:
    begun = f"{layer}|val\tkubeconfig_path\t/etc/kubernetes/kubelet.conf"
    node = seen("@kubelet yes", begun, f"{layer}|val\tlistening\tyes", f"{layer}|val\tapi\tasked", f"{layer}|{end}")
    assert getattr(node, layer) is None
    assert node.sections[layer] == why
    findings, outcomes = judge(Cluster((node,), NOW), (layer,))
    assert findings == ()
    assert {o.state for o in outcomes} <= {"could_not_tell", "not_applicable"}
    assert plan(Cluster((node,), NOW), findings) == ((), ())


def test_a_file_that_the_probe_does_not_mention_is_not_a_missing_one() -> None:
    node = seen("@kubelet yes", "kubelet|val\tkubeconfig_path\t/etc/kubernetes/kubelet.conf", "kubelet|end=0")
    assert node.kubelet is None
    assert "did not tell of" in node.sections["kubelet"]


@pytest.mark.parametrize(
    ("layer", "key"), [("kubelet", "kubeconfig_path"), ("kubelet", "static_pod"), ("etcd", "manifest")]
)
def test_a_file_that_stayed_on_the_node_leaves_its_layer_unknown(layer: str, key: str) -> None:
    file = "file\t/etc/x.conf\twithheld\t9\t600\troot:root\t1\t\t"
    node = seen("@kubelet yes", f"{layer}|val\t{key}\t/etc/x.conf", f"{layer}|{file}", f"{layer}|end=0")
    assert getattr(node, layer) is None
    assert "/etc/x.conf is in a form" in node.sections[layer]


def test_a_node_whose_files_could_not_be_found_was_not_looked_at() -> None:
    node = seen("@stuck 15")
    assert not node.reachable
    assert "a file system of this node does not answer" in node.why


def test_the_time_of_an_older_look_does_not_stand_in_for_one_that_failed() -> None:
    told = base64.b64encode(b"@rc=0").decode()
    good = seen(f"host|val\tnode_time\t{NOW.timestamp()}", f"host|out\tdf\t{told}", "host|end=0", asked=("host",))
    assert good.clock_skew == 0
    assert merge(good, seen("etcd|timeout=15", asked=("etcd",))).clock_skew == 0
    assert merge(good, seen("host|timeout=15", asked=("host",))).clock_skew is None
