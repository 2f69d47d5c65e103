"""Layer host: parser and checks from records, plans and their effects."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts import host as facts
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import read_probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.host import (
    Disk,
    Freeable,
    HostFacts,
    MissingMount,
    Unit,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.units import HOLD
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge import judge
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.host import clock_problem, exclusion
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Finding, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.plan import plan

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
GIB = 1024**3
ROOT = Disk("/", "/dev/vda1", "ext4", 40 * GIB, 20 * GIB, 2_000_000, 1_500_000, False, ("/", "/var/lib/kubelet"))
UNITS = (Unit("kubelet", "loaded", "active", "enabled"), Unit("containerd", "loaded", "active", "enabled"))
FINE = HostFacts(node_time=NOW.timestamp(), disks=(ROOT,), units=UNITS, runtime_unit="containerd", units_known=True)


def node(host: HostFacts, name: str = "m1", skew: float | None = 0.0) -> Node:
    return Node(name, ("masters",), NOW, host=host, clock_skew=skew)


def cluster(*nodes: Node) -> Cluster:
    return Cluster(nodes, NOW)


def found(*nodes: Node) -> list[Finding]:
    return list(judge(cluster(*nodes), layers=("host",))[0])


def disk(**change: object) -> HostFacts:
    return replace(FINE, disks=(replace(ROOT, **change),))  # type: ignore[arg-type]  # the dataclass checks the names


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


DF = """\
Filesystem     1024-blocks    Used Available Capacity Mounted on
/dev/loop7         6102624 1650000   4108188      29% /
/dev/loop7         6102624 1650000   4108188      29% /var/lib/kubelet
tmpfs              1024000       0   1024000       0% /tmp
@rc=0"""
DF_INODES = """\
Filesystem       Inodes IUsed   IFree IUse% Mounted on
/dev/loop7       393216 10821  382395    3% /
/dev/loop7       393216 10821  382395    3% /var/lib/kubelet
tmpfs           3000000    10 2999990    1% /tmp
@rc=0"""
SHOW = """\
Result=success
NRestarts=3
Id=kubelet.service
LoadState=loaded
ActiveState=activating
UnitFileState=enabled

Id=chrony.service
LoadState=not-found
ActiveState=inactive
Result=success
@rc=0"""
RECORDS = [
    "val\tnode_time\t1795219234.948437",
    "val\tpython\tPython 3.11.2",
    "val\truntime\tcontainerd",
    "val\tfail_swap_on\t",
    "val\tmount\t/ /dev/loop7 ext4 rw",
    "val\tmount\t/var/lib/kubelet /dev/loop7 ext4 rw",
    "val\tdisk_paths\t/ /var/lib/kubelet /tmp ",
    f"out\tdf\t{b64(DF)}",
    f"out\tdf_inodes\t{b64(DF_INODES)}",
    f"out\tunits\t{b64(SHOW)}",
    "val\tfstab_swap\t/swapfile",
    "val\tswap\t/swapfile file 65532 1024",
    "val\tfstab_missing\t/var/lib/etcd UUID=x ext4 nofail",
    "val\tfreeable\t6 recent 9 4548587520 /",
    "val\tfreeable\t1 rotated 2 100 /",
    "val\teater\t631021568 /var/log/with blank.log",
    "end=0",
]


def parsed(records: list[str]) -> HostFacts:
    text = "\n".join(["@kuberevive 1", *(f"host|{r}" for r in records), "@end"])
    return facts.parse(read_probe(text).sections["host"])


def test_records_become_facts() -> None:
    host = parsed(RECORDS)
    assert host.node_time == pytest.approx(1795219234.948437)
    assert host.python == "3.11.2"
    assert [(d.mount, d.free, d.holds) for d in host.disks] == [("/", 4108188 * 1024, ("/", "/var/lib/kubelet"))]
    assert host.disks[0].inodes_free == 382395
    assert host.unit("kubelet") == Unit("kubelet", "loaded", "activating", "enabled", "success", 3)
    assert (host.swaps, host.fstab_swaps, host.fail_swap_on) == (("/swapfile",), ("/swapfile",), True)
    assert host.active_swaps[0].size == 65532 * 1024
    assert host.absent_mounts == (MissingMount("/var/lib/etcd", "UUID=x", "ext4", False),)
    assert [f.rung for f in host.freeable] == ["rotated", "recent"]
    assert host.eaters[0].path == "/var/log/with blank.log"


@pytest.mark.parametrize("time", ["1795219234", "1795219234.", "1795219234.%N"])
def test_busybox_time_is_understood(time: str) -> None:
    assert parsed([f"val\tnode_time\t{time}", "end=0"]).node_time == 1795219234


def test_a_healthy_node_has_no_finding_and_a_silent_df_is_no_ok() -> None:
    assert found(node(FINE)) == []
    silent = node(replace(FINE, disks=(), units_known=False))
    _, outcomes = judge(cluster(silent), layers=("host",))
    codes = {"disk_full", "inodes_exhausted", "readonly_root", "mount_missing", "swap_on", "service_disabled"}
    assert {o.code for o in outcomes if o.state == "could_not_tell"} == {f"host.{code}" for code in codes}
    assert "df did not answer" in exclusion(silent)


def test_nothing_is_repaired_where_the_host_could_not_be_looked_at() -> None:
    lost = Node("m1", ("masters",), NOW, sections={"host": "timeout"})
    assert "could not be looked at (timeout)" in exclusion(lost)
    assert exclusion(Node("m1", ("masters",), NOW)) == "", "nobody asked"
    finding = Finding("kubelet.down", "m1", "critical", "down", repair="kubelet_start")
    steps, refusals = plan(cluster(lost), (finding,))
    assert steps == ()
    assert "nothing is repaired on m1" in refusals[0].reason


@pytest.mark.parametrize(
    ("kind", "device", "mode", "seen"),
    [
        ("overlay", "composefs", "ro", ()),
        ("composefs", "composefs", "ro", ()),
        ("erofs", "/dev/loop0", "ro", ()),
        ("squashfs", "/dev/loop0", "ro", ()),
        ("overlay", "overlay", "rw", (False,)),
        ("xfs", "/dev/vda4", "ro", (True,)),
    ],
)
def test_an_image_as_root_is_neither_full_nor_locked(kind: str, device: str, mode: str, seen: tuple[bool, ...]) -> None:
    df = f"Filesystem 1024-blocks Used Available Capacity Mounted on\n{device} 9000 9000 0 100% /\n@rc=0"
    records = [f"val\tmount\t/ {device} {kind} {mode}", "val\tdisk_paths\t/ ", f"out\tdf\t{b64(df)}", "end=0"]
    assert tuple(d.read_only for d in parsed(records).disks) == seen


@pytest.mark.parametrize(
    ("free", "severity"),
    [
        (0, "critical"),
        (99_000_000, "critical"),
        (int(0.019 * 40 * GIB), "critical"),
        (3 * GIB, "warning"),
        (5 * GIB, ""),
    ],
)
def test_disk_levels(free: int, severity: str) -> None:
    got = found(node(disk(free=free)))
    assert [f.severity for f in got if f.code == "host.disk_full"] == ([severity] if severity else [])


def test_disk_step_says_what_it_frees_and_its_effect_is_seen() -> None:
    full = replace(disk(free=0), freeable=(Freeable("/", "rotated", 3, 30 * GIB),))
    steps, refusals = plan(cluster(node(full)), tuple(found(node(full))))
    assert [s.title for s in steps] == ["free about 6.0 GiB on /, safe things first"]
    assert refusals == ()
    after = _steps.KINDS["disk_space"].effect(node(full), steps[0].args)
    assert found(after) == []


def test_nothing_that_may_go_is_a_refusal_with_names() -> None:
    full = replace(disk(free=0), eaters=(facts.Eater("/srv/dump", 30 * GIB),))
    steps, refusals = plan(cluster(node(full)), tuple(found(node(full))))
    assert steps == ()
    assert "30.0 GiB in /srv/dump" in refusals[0].reason


def test_inodes() -> None:
    full = replace(disk(inodes_free=0), freeable=(Freeable("/", "mail", 400_000, 0),))
    got = found(node(full))
    assert [f.code for f in got] == ["host.inodes_exhausted"]
    steps, _ = plan(cluster(node(full)), tuple(got))
    assert steps[0].args["wants"] == ["0 200000 /"]
    assert found(_steps.KINDS["disk_space"].effect(node(full), steps[0].args)) == []
    assert found(node(disk(inodes=0, inodes_free=0))) == []  # btrfs, xfs without a fixed number


def test_swap_is_wrong_only_where_kubelet_refuses_it() -> None:
    on = replace(
        FINE, active_swaps=(facts.Swap("/swapfile", "file", GIB, 0),), swaps=("/swapfile",), fstab_swaps=("/swapfile",)
    )
    assert [(f.code, f.severity) for f in found(node(on))] == [("host.swap_on", "critical")]
    assert found(node(replace(on, fail_swap_on=False))) == []
    later = replace(FINE, fstab_swaps=("/dev/sda2",))
    assert [f.severity for f in found(node(later))] == ["warning"]
    steps, _ = plan(cluster(node(on)), tuple(found(node(on))))
    assert found(_steps.KINDS["swap_off"].effect(node(on), steps[0].args)) == []


@pytest.mark.parametrize(
    ("skews", "wrong"),
    [
        ((0, 0, 0), ()),
        ((29, 0, 0), ()),
        ((0, 3600, 1), ("n1",)),
        ((-25, 10, 10), ("n0",)),
        ((90, 91, 92), ("n0", "n1", "n2")),
    ],
)
def test_clocks(skews: tuple[float, ...], wrong: tuple[str, ...]) -> None:
    nodes = tuple(node(FINE, f"n{i}", float(s)) for i, s in enumerate(skews))
    assert tuple(f.host for f in found(*nodes)) == wrong
    said = clock_problem(nodes[0], cluster(*nodes))
    assert ("agree with each other" in said) == (skews[0] == 90)


def test_an_unknown_clock_is_could_not_tell() -> None:
    _, outcomes = judge(cluster(node(FINE, skew=None)), layers=("host",))
    assert [o.state for o in outcomes if o.code == "host.clock_wrong"] == ["could_not_tell"]
    assert "nobody knows the time of m1" in clock_problem(node(FINE, skew=None), cluster())


def unit(name: str, **change: str) -> HostFacts:
    return replace(FINE, units=tuple(replace(u, **change) if u.name == name else u for u in UNITS))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "severity", "repair"),
    [
        (unit("kubelet", enabled="disabled", active="inactive"), "critical", "service_start"),
        (unit("containerd", enabled="disabled"), "warning", "service_start"),
        (unit("kubelet", active="failed", result="start-limit-hit"), "critical", "service_start"),
        (unit("kubelet", active="failed", result="exit-code", restart="always"), "critical", "service_start"),
        (unit("kubelet", load="masked", enabled="masked", active="inactive"), "critical", ""),
    ],
)
def test_services(host: HostFacts, severity: str, repair: str) -> None:
    got = found(node(host))
    assert [(f.code, f.severity, f.repair) for f in got] == [("host.service_disabled", severity, repair)]
    if repair:
        steps, _ = plan(cluster(node(host)), tuple(got))
        assert found(_steps.KINDS[repair].effect(node(host), steps[0].args)) == []


PLANE = (Unit("etcd", "loaded", "active", "enabled"), Unit("kube-apiserver", "loaded", "active", "enabled"))


@pytest.mark.parametrize(
    ("change", "severity", "begins"),
    [
        ({"active": "inactive"}, "critical", ["kube-apiserver"]),
        ({"active": "failed", "result": "start-limit-hit", "restart": "always"}, "critical", ["kube-apiserver"]),
        ({"enabled": "disabled"}, "warning", ["kube-apiserver"]),
        ({"active": "activating"}, "", []),  # systemd starts it again and again: whoever judges its layer says why
        ({"active": "inactive", "drop_ins": (f"/etc/systemd/system/x.d/{HOLD}",)}, "", []),
        ({"active": "inactive", "load": "masked", "enabled": "masked"}, "critical", []),
    ],
)
def test_a_component_that_is_a_stopped_unit_is_started(
    change: dict[str, Any], severity: str, begins: list[str]
) -> None:
    units = (*UNITS, PLANE[0], replace(PLANE[1], **change))
    host = replace(FINE, units=units, plane_units=("etcd", "kube-apiserver"))
    got = found(node(host))
    assert [(f.code, f.severity) for f in got] == ([("host.service_disabled", severity)] if severity else [])
    steps, _ = plan(cluster(node(host)), tuple(got))
    assert [s.args["begin"] for s in steps] == ([begins] if begins else [])
    if begins:
        assert found(_steps.KINDS["service_start"].effect(node(host), steps[0].args)) == []
    worker = replace(node(host, "w1"), groups=("workers",))
    assert found(worker) == []  # a package's unit there is nobody's control plane


def test_a_stopped_kubelet_alone_is_not_of_this_layer_and_is_never_started_here() -> None:
    assert found(node(unit("kubelet", active="inactive"))) == []
    host = unit("kubelet", enabled="disabled", active="inactive")
    steps, _ = plan(cluster(node(host)), tuple(found(node(host))))
    assert steps[0].args == {"start": [], "enable": ["kubelet"], "begin": []}
    assert _steps.KINDS["service_start"].effect(node(host), steps[0].args).host.unit("kubelet").active == "inactive"  # type: ignore[union-attr]


def test_read_only_and_missing_mounts_exclude_the_node() -> None:
    ro = replace(disk(read_only=True), kernel_errors=("EXT4-fs error (device vda1): bad", "other (device sdb)"))
    got = found(node(ro))
    assert [f.code for f in got] == ["host.readonly_root"]
    assert got[0].evidence[1:] == ("EXT4-fs error (device vda1): bad",)
    assert exclusion(node(ro))
    assert found(node(replace(ro, fstab_read_only=("/",)))) == []
    gone = replace(FINE, absent_mounts=(MissingMount("/var/lib/etcd", "/dev/sdb1", "ext4", True),))
    assert [(f.code, f.severity) for f in found(node(gone))] == [("host.mount_missing", "critical")]
    harmless = replace(FINE, absent_mounts=(MissingMount("/mnt/backup", "nas:/b", "nfs", False),))
    assert [f.severity for f in found(node(harmless))] == ["warning"]
    assert not exclusion(node(harmless))
    full = replace(gone, disks=(replace(ROOT, free=0),), freeable=(Freeable("/", "rotated", 1, GIB),))
    steps, refusals = plan(cluster(node(full)), tuple(found(node(full))))
    assert steps == ()
    assert "nothing is repaired on m1" in refusals[0].reason
