"""A control plane as units, from what real masters said: how it is judged when broken, and restarted."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Output, Section
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.podlog import last_words
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import held_by, read_units
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.apiserver import restart_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import observe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

FIXTURES = Path(__file__).parents[3] / "fixtures" / "probe" / "current" / "units"
SHOWN = """\
Id=kube-apiserver.service
LoadState=loaded
ActiveState=activating
UnitFileState=enabled
Result=exit-code
NRestarts=7
Restart=always
DropInPaths=/etc/systemd/system/kube-apiserver.service.d/10-a.conf {hold}
"""


def masters() -> Cluster:
    nodes: list[Node] = []
    now = datetime.min
    for path in sorted(FIXTURES.glob("*.txt")):
        head, _, answer = path.read_text(encoding="utf-8").partition("\n")
        found = re.search(r"groups=(\S+); at=(\S+)", head)
        assert found
        now = datetime.fromisoformat(found[2])
        nodes.append(observe(path.stem, tuple(found[1].split(",")), answer, LAYERS, now, now))
    return Cluster(tuple(nodes), now)


def test_a_unit_is_restarted_by_its_name_whatever_kubelet_does() -> None:
    node = masters().node("m1")
    assert node.kubelet
    stopped = replace(node, kubelet=replace(node.kubelet, running=False))
    args = restart_args(stopped, ("kube-scheduler", "kube-controller-manager"))
    assert isinstance(args, dict)
    assert args["units"] == ["kube-scheduler", "kube-controller-manager"]


def test_kubelets_back_off_is_not_spoken_of() -> None:
    _, outcomes = judge(masters())
    told = {o.code: o.why for o in outcomes if o.host == "m1" and o.state == "not_applicable"}
    assert told["apiserver.crash_loop_backoff"] == "systemd starts it, not kubelet: the unit kube-apiserver"
    assert told["controllers.crash_loop_backoff"] == "systemd starts them, not kubelet"
    assert told["apiserver.manifest_broken"] == "it is no static pod here, but the unit kube-apiserver"
    assert told["etcd.manifest_broken"] == "etcd is no static pod here, but the unit etcd"


def test_a_stopped_unit_is_the_root_cause_and_started() -> None:
    subject = masters()
    node = subject.node("m2")
    assert node.host
    assert node.apiserver
    units = tuple(replace(u, active="inactive") if u.name == "kube-apiserver" else u for u in node.host.units)
    host = replace(node.host, units=units, plane_units=("etcd", "kube-apiserver"))
    api = replace(node.apiserver, listening=False, started=0, asked=False, readyz=0, livez=0)
    broken = replace(
        subject, nodes=tuple(n if n.name != "m2" else replace(n, host=host, apiserver=api) for n in subject.nodes)
    )
    findings, _ = judge(broken)
    roots = [f.id for f in findings if not f.cause]
    assert roots == ["host.service_disabled@m2"]
    down = next(f for f in findings if f.code == "apiserver.down")
    assert any(line.startswith("systemctl show kube-apiserver: UnitFileState=enabled") for line in down.evidence)
    steps, _ = plan(broken, findings)
    assert [(s.id, s.args["begin"]) for s in steps] == [("service_start@m2", ["kube-apiserver"])]


def words(hold: str = "") -> Section:
    section = Section("apiserver", values={"kube-apiserver.log": "journalctl -u kube-apiserver"})
    section.outputs["kube-apiserver.unit_state"] = Output(0, SHOWN.format(hold=hold))
    section.outputs["kube-apiserver.tail"] = Output(
        0,
        "2026-11-21T13:05:08+0000 m1 systemd[1]: Started x.\n"
        "2026-11-21T14:05:10+01:00 m1 kube-apiserver[49]: E1121 13:05:10 x: Unauthorized\n",
    )
    return section


def test_the_journal_tells_when_what_was_said_and_systemd_counts_the_restarts() -> None:
    told = last_words(words(), "kube-apiserver")
    assert [line.text for line in told.lines] == ["Started x.", "E1121 13:05:10 x: Unauthorized"]
    assert (told.restarts, told.path) == (7, "journalctl -u kube-apiserver")
    assert told.written == int(datetime.fromisoformat("2026-11-21T13:05:10+00:00").timestamp())


def test_a_hold_is_seen_among_the_drop_ins() -> None:
    hold = "/etc/systemd/system/kube-apiserver.service.d/90-kuberevive-hold.conf"
    (free,), (held,) = (read_units(Output(0, SHOWN.format(hold=text))) for text in ("", hold))
    assert (held_by(free), held_by(held), held_by(None)) == ("", hold, "")
