"""The machine that did it: what it said, what is measured of it, the same over a relay, and that it goes without a trace."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from scenarios import unattended
from scenarios.client import served
from scenarios.nodes import ask, succeeds
from scenarios.runs import LIMIT, recap
from scenarios.story import ROOT, Story

pytestmark = pytest.mark.only.with_args(lambda story: story.unattended)
_BIN = ROOT / ".venv/bin"
# ansible-runner on the other side, as the user of the jobs.
_WORKER = (
    "exec runuser -u kuberevive -- env HOME=/var/lib/kuberevive-run PATH=/opt/kuberevive/venv/bin:/usr/bin:/bin"
    " ANSIBLE_COLLECTIONS_PATH=/opt/kuberevive/collections ansible-runner worker"
)


def _read(story: Story, name: str) -> Any:
    return json.loads((story.out / name).read_text(encoding="utf-8"))


def _end(story: Story, path: str) -> float:
    """Of a certificate on m1, in seconds since the epoch."""
    return float(ask(story, "m1", f'date -d "$(openssl x509 -noout -enddate -in {path} | cut -d= -f2)" +%s'))


def test_without_key_and_inventory_it_refused_and_somebody_was_told(story: Story) -> None:
    assert _read(story, "refused/job.json")["rc"] == 3
    journal = (story.out / "refused/journal.txt").read_text(encoding="utf-8")
    assert any(line.startswith("kuberevive-run: clusters_dir ") for line in journal.splitlines()), journal
    assert _read(story, "alerts.json")["refused"] == ["KubereviveJobCouldNotRun"]


def test_before_it_an_alert_told_of_certificates_that_end(story: Story) -> None:
    assert "KubereviveCertificateEnding" in _read(story, "alerts.json")["near"]


def test_the_timer_started_it_and_nobody_else(story: Story) -> None:
    said = ask(story, unattended.CONTROL, "journalctl -o json --no-pager -u kuberevive-run@renew.service _COMM=systemd")
    started = [line for line in said.splitlines() if '"JOB_TYPE":"start"' in line and "Starting" in line]
    assert len(started) == 3, said  # the one that was refused, the timer's, and the second run
    trigger = ask(story, unattended.CONTROL, "systemctl show -P LastTriggerUSec kuberevive-run@renew.timer").strip()
    assert trigger not in ("", "n/a")


@pytest.mark.only.with_args(lambda story: story.ends_well)
def test_both_runs_ended_well(story: Story) -> None:
    first, second = (_read(story, f"converge-{number}/{story.name}.json") for number in (1, 2))
    assert (first["state"], first["rc"]) == ("changed", 0)
    assert (second["state"], second["rc"], second["changed"]) == ("healthy", 0, 0)


@pytest.mark.only.with_args(lambda story: not story.ends_well)
def test_exit_code_and_metrics_say_that_it_failed(story: Story) -> None:
    state = "failed" if story.fails else "broken"  # broken: something critical is left
    for number in (1, 2):
        ended = _read(story, f"converge-{number}/{story.name}.json")
        assert (ended["state"], ended["rc"]) == (state, 2)
        assert _read(story, f"converge-{number}/job.json")["rc"] == 2
    found = unattended.metrics(story)
    job = f'cluster="{story.name}",job_name="renew"'
    assert found[f'kuberevive_job_outcome{{{job},outcome="{state}"}}'] == 1
    assert found[f'kuberevive_job_outcome{{{job},outcome="healthy"}}'] == 0
    assert found[f"kuberevive_job_last_success_timestamp_seconds{{{job}}}"] == 0
    assert found['kuberevive_run_exit_code{job_name="renew"}'] == 2
    unattended.until(60, lambda: "KubereviveJobFailed" in unattended.alerts(story), "the alert of a job that failed")


@pytest.mark.only.with_args(lambda story: story.beside)
def test_one_cluster_stops_no_other(story: Story) -> None:
    off = {lab["name"] for lab in story.beside if lab.get("cut")}
    found = {name: _read(story, f"converge-1/{name}.json") for name in story.labs}
    assert {name: each["state"] for name, each in found.items()} == {
        name: "broken" if name in off else "changed" for name in story.labs
    }
    assert _read(story, "converge-1/job.json")["rc"] == 2
    # Two at once: some two runs overlap, and never three.
    spans = [(each["started"], each["ended"]) for each in found.values()]
    together = [sum(begin <= start < end for begin, end in spans) for start, _ in spans]
    assert max(together) == 2


def test_it_ran_as_a_user_without_rights(story: Story) -> None:
    owners = ask(story, unattended.CONTROL, "stat -c %U /var/lib/kuberevive-run /var/lib/kuberevive-run/results/*")
    assert set(owners.split()) == {"kuberevive"}


@pytest.mark.only.with_args(lambda story: story.ends_well)
def test_metrics_tell_how_it_ended_and_when_every_certificate_does(story: Story) -> None:
    found = unattended.until(
        60, lambda: {k: v for k, v in unattended.metrics(story).items() if story.name in k}, "metrics of the cluster"
    )
    job = f'cluster="{story.name}",job_name="renew"'
    assert found[f'kuberevive_job_outcome{{{job},outcome="healthy"}}'] == 1
    assert found[f"kuberevive_job_last_success_timestamp_seconds{{{job}}}"] > time.time() - 3600
    series = f"kuberevive_certificate_not_after_timestamp_seconds{{{job},"
    ends = {k: v for k, v in found.items() if k.startswith(series)}
    assert {re.search(r'node="(\w+)"', k).group(1) for k in ends} == set(story.nodes)  # type: ignore[union-attr]  # each has one
    assert {k: v for k, v in ends.items() if v < time.time() + 300 * 86400} == {}


@pytest.mark.only.with_args(lambda story: not story.beside and story.ends_well)
def test_no_alert_is_left(story: Story) -> None:
    unattended.until(60, lambda: not unattended.alerts(story), "every alert of a job to be over")


@pytest.mark.only.with_args(lambda story: not story.beside and story.ends_well)
def test_by_force_over_a_relay(story: Story, tmp_path: Path) -> None:
    """ansible-runner transmit | worker | process: nothing is near its end, all is renewed, and no request fails."""
    run = tmp_path / "run"
    for folder in ("inventory", "env", "project"):
        (run / folder).mkdir(parents=True)
    data = yaml.safe_load(ask(story, unattended.CONTROL, f"cat /etc/kuberevive/clusters/{story.name}/hosts.yml"))
    (run / "inventory/hosts.yml").write_text(yaml.safe_dump(data), encoding="utf-8")
    known = "-o StrictHostKeyChecking=yes -o UserKnownHostsFile=/etc/kuberevive/known_hosts"
    settings = {
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_PRIVATE_KEY_FILE": "/etc/kuberevive/ssh_key",
        "ANSIBLE_SSH_COMMON_ARGS": known,
    }
    (run / "env/envvars").write_text(yaml.safe_dump(settings), encoding="utf-8")
    report = "{{ lookup('ansible.builtin.env', 'AWX_ISOLATED_DATA_DIR') }}/report"
    extra = {"kuberevive_report_dir": report, "kuberevive_renew_all": True}
    (run / "env/extravars").write_text(yaml.safe_dump(extra), encoding="utf-8")
    before = _end(story, "/etc/kubernetes/pki/apiserver.crt")
    words = f"{_BIN}/ansible-runner transmit {run} --playbook kuberevive.cluster.renew_certificates --ident weekly"
    there = f"ssh -F {story.out}/ssh_config {unattended.CONTROL} '{_WORKER}'"
    pipe = f"set -o pipefail; {words} | {there} | {_BIN}/ansible-runner process {run} --ident weekly"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "MOLECULE_"))}
    with served(story, wanted=True) as tallies:
        done = subprocess.run(
            ["bash", "-c", pipe], env=env, capture_output=True, text=True, timeout=LIMIT, check=False, cwd=tmp_path
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (run / "artifacts/weekly/rc").read_text() == "0"
    text = (run / "artifacts/weekly/stdout").read_text(encoding="utf-8")
    counts = recap(text)
    assert sum(c["changed"] for c in counts.values()) >= len(story.masters), text[-3000:]
    found = json.loads((run / "artifacts/weekly/report/report.json").read_text(encoding="utf-8"))
    assert found["findings"] == []
    assert {s["host"] for s in found["done"] if s["kind"] == "certs_renew"} == set(story.masters)
    assert _end(story, "/etc/kubernetes/pki/apiserver.crt") > before
    for tally in tallies:
        assert tally.sent, str(tally)
        assert tally.failed == [], str(tally)
    (story.out / "relayed.txt").write_text("".join(f"{tally}\n" for tally in tallies), encoding="utf-8")


def test_it_goes_without_a_trace_but_what_is_the_operators(story: Story) -> None:
    """Last of all."""
    assert unattended.install(story, "absent").rc == 0
    again = unattended.install(story, "absent")
    assert (again.rc, again.changed) == (0, 0)
    for path in ("/opt/kuberevive", "/etc/systemd/system/kuberevive-run@.service", "/etc/kuberevive/jobs.yml"):
        assert not succeeds(story, unattended.CONTROL, f"test -e {path}"), path
    assert succeeds(story, unattended.CONTROL, f"test -e /etc/kuberevive/clusters/{story.name}/hosts.yml")
    assert ask(story, unattended.CONTROL, "systemctl list-timers --all --no-legend 'kuberevive*'").strip() == ""
