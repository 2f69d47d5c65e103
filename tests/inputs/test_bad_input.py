"""Wrong inventories, wrong words, hosts that are no nodes: one sentence, nothing done. No lab: hosts are this machine or nobody."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.captured import FIXTURES

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.preflight import problems

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = ("diagnose", "recover-power-loss")
REPORT = "certificate-report"
# Nobody listens on port 1: whoever asks is refused at once.
NOBODY = {"ansible_host": "127.0.0.1", "ansible_port": 1}


def inventory(path: Path, **groups: dict[str, Any] | None) -> Path:
    """An inventory file with these groups."""
    children = {name: {"hosts": hosts} for name, hosts in groups.items()}
    path.write_text(yaml.safe_dump({"all": {"children": children}}), encoding="utf-8")
    return path


def play(hosts: Path, playbook: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The operator's command."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_NOCOLOR="1", LC_ALL="C.UTF-8", COLUMNS="400")
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(hosts), f"playbooks/{playbook}.yml"]
    argv += ["-e", json.dumps({"kuberevive_report_dir": str(hosts.parent)}), *words]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=180, check=False)


def ssh_that(path: Path, then: str) -> dict[str, Any]:
    """Host variables whose ssh runs the command here, among no other machine's processes, and does this to the answer."""
    here = "exec 2>&1; for word; do command=$word; done\n"
    path.write_text(f'#!/bin/bash\n{here}unshare --pid --fork --mount-proc sh -c "$command" {then}\n', encoding="utf-8")
    path.chmod(0o755)
    return {"ansible_host": "192.0.2.1", "ansible_ssh_executable": str(path)}


@pytest.mark.parametrize("playbook", [*PLAYBOOKS, REPORT])
@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ({"workers": {"w1": NOBODY}}, "the inventory has no group 'masters'"),
        ({"masters": {}, "workers": {"w1": NOBODY}}, "the inventory's group 'masters' is empty"),
        (
            {"masters": {"m1": NOBODY, "x": NOBODY}, "workers": {"x": NOBODY}},
            "host x is in both groups, masters and workers",
        ),
    ],
    ids=["no masters", "empty masters", "in both"],
)
def test_an_inventory_that_cannot_be_right(
    tmp_path: Path, playbook: str, groups: dict[str, Any], sentence: str
) -> None:
    done = play(inventory(tmp_path / "hosts.yml", **groups), playbook)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"Nothing was done: {sentence}" in done.stdout
    assert "Look at every node" not in done.stdout.partition("PLAY RECAP")[0].partition("TASK")[2]
    assert not list(tmp_path.glob("*.json"))


def test_an_inventory_that_is_not_there(tmp_path: Path) -> None:
    done = play(tmp_path / "nowhere.yml", "diagnose")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Nothing was done: the inventory has no group 'masters'" in done.stdout


@pytest.mark.parametrize(
    ("allow", "sentence"),
    [
        (
            ["etcd.everything"],
            "kuberevive_allow names 'etcd.everything', which nothing asks for; known names: apiserver.",
        ),
        ("etcd.member_data_lost", "kuberevive_allow must be a list of names"),
    ],
    ids=["unknown name", "no list"],
)
def test_consent_that_nothing_asks_for(tmp_path: Path, allow: object, sentence: str) -> None:
    hosts = inventory(tmp_path / "hosts.yml", masters={"m1": NOBODY})
    done = play(hosts, "recover-power-loss", "-e", json.dumps({"kuberevive_allow": allow}))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"Nothing was done: {sentence}" in done.stdout


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_hosts_that_nobody_reaches(tmp_path: Path, playbook: str) -> None:
    done = play(inventory(tmp_path / "hosts.yml", masters={"m1": NOBODY}, workers={"w1": NOBODY}), playbook)
    assert done.returncode == 2, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [(f["code"], f["host"]) for f in report["findings"]] == [
        ("host.unreachable", "m1"),
        ("host.unreachable", "w1"),
    ]
    assert all("Connection refused" in node["why"] for node in report["nodes"])
    assert "changed=0" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_machine_that_is_no_kubernetes_node(tmp_path: Path, playbook: str) -> None:
    hosts = inventory(tmp_path / "hosts.yml", masters={"m1": ssh_that(tmp_path / "ssh", "")})
    done = play(hosts, playbook)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "there is nothing of a kubelet on this machine" in done.stdout
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["steps"] == []


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_machine_that_says_something_else(tmp_path: Path, playbook: str) -> None:
    hosts = inventory(tmp_path / "hosts.yml", masters={"m1": ssh_that(tmp_path / "ssh", "| sed 's/^/Welcome! /'")})
    done = play(hosts, playbook)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "the node's answer does not begin with the probe's mark" in done.stdout


def test_an_ansible_core_that_is_too_old() -> None:
    groups = {"masters": ["m1"], "workers": []}
    assert problems(groups, [], "2.15.13") == [
        "this is ansible-core 2.15.13: install 2.16 or newer on the machine you run from"
    ]
    assert problems(groups, [], "2.16.0") == []


@pytest.mark.parametrize(
    "written",
    ["{{ inventory_hostname }}.nodes.invalid", "{{ long_name }}"],
    ids=["by the host's name", "by a variable"],
)
def test_a_delegated_look_reaches_the_host_it_names(tmp_path: Path, written: str) -> None:
    """An inventory as many write it: every address by a template of the host's own name."""
    variables = ssh_that(tmp_path / "ssh", "")
    log = tmp_path / "reached"
    fake = (
        (tmp_path / "ssh").read_text(encoding="utf-8").replace("exec 2>&1;", f'echo "${{@: -2:1}}" >>{log}; exec 2>&1;')
    )
    (tmp_path / "ssh").write_text(fake, encoding="utf-8")
    names = {
        name: {**variables, "ansible_host": written, "long_name": f"{name}.nodes.invalid"} for name in ("m1", "m2")
    }
    for own in names.values():
        if "long_name" not in written:
            del own["long_name"]
    play(inventory(tmp_path / "hosts.yml", masters=names), "diagnose", "--limit", "m1")
    assert sorted(set(log.read_text(encoding="utf-8").split())) == ["m1.nodes.invalid", "m2.nodes.invalid"]


def calendar_of(
    folder: Path, playbook: str, *words: str, **answers: str | None
) -> tuple[subprocess.CompletedProcess[str], Any]:
    """What the operator sees of nodes that answer so (None: nobody reaches them), and certificates.json."""
    for host, answer in answers.items():
        if answer is not None:
            (folder / f"{host}.txt").write_text(answer, encoding="utf-8")
    ssh = folder / "ssh"
    fake = "for word; do case $word in *.node) host=${word%.node} ;; esac; done; cat >/dev/null"
    ssh.write_text(f"#!/bin/sh\n{fake}; cat '{folder}'/$host.txt\n", encoding="utf-8")
    ssh.chmod(0o755)
    hosts = {
        host: NOBODY if answer is None else {"ansible_host": f"{host}.node", "ansible_ssh_executable": str(ssh)}
        for host, answer in answers.items()
    }
    groups = {"masters": {h: v for h, v in hosts.items() if h[0] == "m"}, "workers": {"w1": hosts["w1"]}}
    done = play(inventory(folder / "hosts.yml", **groups), playbook, *words)
    assert "Traceback" not in done.stdout + done.stderr
    assert "changed=0" in done.stdout
    path = folder / "certificates.json"
    return done, json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def answers(situation: str) -> dict[str, str | None]:
    """What the four nodes of a real cluster said."""
    folder = FIXTURES / "current" / situation
    return {host: (folder / f"{host}.txt").read_text(encoding="utf-8") for host in ("m1", "m2", "m3", "w1")}


@pytest.mark.parametrize("check", [(), ("--check",)], ids=["", "check"])
def test_the_calendar_of_a_cluster_whose_certificates_expired(tmp_path: Path, check: tuple[str, ...]) -> None:
    done, data = calendar_of(tmp_path, REPORT, *check, **answers("power-loss"))
    assert done.returncode == 2
    assert (
        "certificates that the cluster relies on cannot be used: m1:/etc/kubernetes/admin.conf (expired)" in done.stdout
    )
    with (tmp_path / "certificates.csv").open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert [(row["node"], row["path"], row["not_after"]) for row in read] == [
        (row["node"], row["path"], row["not_after"]) for row in data["certificates"]
    ]
    assert {row["node"] for row in read} == {"m1", "m2", "m3", "w1"}
    assert data["counts"]["expired"] >= 35
    assert data["could_not_tell"] == []
    assert "PRIVATE KEY" not in done.stdout
    table = done.stdout.partition("ENDS (UTC)")[2].partition("\n\n")[0].splitlines()[1:]
    assert [line.split()[0] for line in table] == [row["not_after"][:10] for row in read]


def test_what_the_calendar_lacks_is_named(tmp_path: Path) -> None:
    whole = answers("healthy")
    torn = str(whole["m3"])
    done, data = calendar_of(
        tmp_path, REPORT, **{**whole, "m2": "Welcome!\n", "m3": torn[: torn.index("pki|val\tkubeadm")], "w1": None}
    )
    assert done.returncode == 2
    told = {(each["node"], each["what"]): each["why"] for each in data["could_not_tell"]}
    assert "does not begin with the probe's mark" in told.pop(("m2", "all of it"))
    assert "Connection refused" in told.pop(("w1", "all of it"))
    assert told == {
        ("m3", "the control plane's certificates and the kubeconfigs"): "the answer was cut off in it",
        ("m3", "the kubelet's certificates"): "the answer was cut off before it",
    }
    assert {row["node"] for row in data["certificates"]} == {"m1"}
    assert "not everything could be looked at on m2, m3, w1" in done.stdout


def test_the_calendar_of_one_node_also_has_the_control_plane(tmp_path: Path) -> None:
    done, data = calendar_of(tmp_path, REPORT, "--limit", "m2", **answers("healthy"))
    assert {row["node"] for row in data["certificates"]} == {"m1", "m2", "m3"}
    assert [(each["node"], each["critical"]) for each in data["could_not_tell"]] == [("w1", False)]
    assert done.returncode == (2 if any(row["critical"] for row in data["certificates"]) else 0)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("kuberevive_renew_within=soon", "argument 'kuberevive_renew_within' is of type str"),
        ("kuberevive_report_dir=/proc/nowhere", "the calendar above could not be written into /proc/nowhere"),
    ],
)
def test_words_that_the_calendar_cannot_follow(tmp_path: Path, word: str, sentence: str) -> None:
    done, data = calendar_of(tmp_path, REPORT, "-e", word, **answers("healthy"))
    assert (done.returncode, data) == (2, None)
    assert sentence in done.stdout


@pytest.mark.parametrize(("playbook", "words"), [("diagnose", ()), ("renew-certificates", ("--check",))])
def test_the_calendar_lies_beside_the_report_and_ends_nothing(
    tmp_path: Path, playbook: str, words: tuple[str, ...]
) -> None:
    done, data = calendar_of(tmp_path, playbook, *words, **answers("power-loss"))
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert done.returncode == 2, "something critical is wrong, says the judgement"
    assert "certificates that the cluster relies on" not in done.stdout
    assert "ENDS (UTC)" not in done.stdout
    assert not (tmp_path / "certificates.csv").exists()
    assert (data["run"], data["nodes"]) == (report["run"], report["nodes"])
    assert data["counts"]["expired"] >= 35


def test_a_calendar_that_cannot_be_made_changes_no_end(tmp_path: Path) -> None:
    done, data = calendar_of(tmp_path, "diagnose", "-e", "kuberevive_renew_within=soon", **answers("power-loss"))
    assert data is None
    assert "[WARNING]: There is no calendar of certificates beside the report: kuberevive_renew_within" in done.stderr
    assert (done.returncode, "critical findings: " in done.stdout) == (2, True)


def test_a_schedule_without_a_control_machine(tmp_path: Path) -> None:
    done = play(inventory(tmp_path / "hosts.yml", masters={"m1": NOBODY}), "schedule-renewal")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Nothing was done: the inventory has no host in group 'control'" in done.stdout


def test_a_control_machine_without_systemd(tmp_path: Path) -> None:
    control = ssh_that(tmp_path / "ssh", "")
    fake = (
        (tmp_path / "ssh")
        .read_text(encoding="utf-8")
        .replace("exec 2>&1; ", "")
        .replace("--mount-proc sh", "--mount-proc timeout 60 sh")
    )
    (tmp_path / "ssh").write_text(fake, encoding="utf-8")
    hosts = inventory(tmp_path / "hosts.yml", control={"c1": {**control, "ansible_python_interpreter": sys.executable}})
    done = play(hosts, "schedule-renewal")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Nothing was done: c1 runs timeout, not systemd, so it has no timers" in done.stdout
    assert "changed=0" in done.stdout
