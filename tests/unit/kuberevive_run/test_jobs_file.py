"""The jobs file: what it says, and the one sentence for each thing that is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberevive_run import jobs
from kuberevive_run.outcome import BadInput

FILE = Path("/etc/kuberevive/jobs.yml")
RENEW = {"playbook": "kuberevive.cluster.renew_certificates", "clusters_dir": "clusters"}


def parse(data: Any, name: str = "renew") -> tuple[jobs.Settings, jobs.Job]:
    return jobs.parse(data, FILE, name)


def test_little_is_needed() -> None:
    settings, job = parse({"jobs": {"renew": RENEW}})
    assert settings == jobs.Settings(Path("/var/lib/kuberevive-run"), None, 500, None)
    assert job.clusters_dir == Path("/etc/kuberevive/clusters")
    assert (job.side_by_side, job.time_limit, job.keep, job.notify) == (4, 7200, 20, None)


def test_a_job_overrides_the_defaults() -> None:
    defaults = {"keep": 3, "time_limit": 60, "clusters_dir": "all", "ssh_key": "key"}
    own = {"playbook": "mine/renew.yml", "inventories": ["a/hosts.yml", "/b"], "time_limit": 90}
    _, job = parse({"defaults": defaults, "jobs": {"renew": own}})
    assert (job.keep, job.time_limit, job.clusters_dir) == (3, 90, None)
    assert job.inventories == (Path("/etc/kuberevive/a/hosts.yml"), Path("/b"))
    assert job.playbook == "/etc/kuberevive/mine/renew.yml"
    assert job.ssh_key == Path("/etc/kuberevive/key")


def test_who_is_told_of_what() -> None:
    _, job = parse({"jobs": {"renew": {**RENEW, "notify": {"command": ["mail", "ops"]}}}})
    assert job.notify
    assert set(job.notify.outcomes) == {"changed", "refused", "cancelled", "timeout", "failed", "broken"}
    _, job = parse({"jobs": {"renew": {**RENEW, "notify": {"command": ["x"], "outcomes": ["broken", "healthy"]}}}})
    assert job.notify == jobs.Notify(("x",), ("healthy", "broken"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "/etc/kuberevive/jobs.yml must be a mapping, not None"),
        ({"jobs": {}}, "has no job 'renew': its jobs are none"),
        ({"jobs": {"diagnose": RENEW}}, "has no job 'renew': its jobs are diagnose"),
        (
            {"jobs": {"renew": RENEW}, "state": "x"},
            "jobs.yml has the unknown key 'state': remove it, or use one of state_dir",
        ),
        ({"jobs": {"renew": {**RENEW, "sshkey": "x"}}}, "job renew has the unknown key 'sshkey'"),
        ({"defaults": {"kep": 1}, "jobs": {"renew": RENEW}}, "defaults has the unknown key 'kep'"),
        ({"jobs": {"renew": None}}, "job renew must be a mapping, not None"),
        ({"jobs": {"renew": {**RENEW, "keep": "many"}}}, "keep must be a whole number, not 'many'"),
        ({"jobs": {"renew": {**RENEW, "keep": True}}}, "keep must be a whole number, not True"),
        ({"jobs": {"renew": {**RENEW, "side_by_side": 0}}}, "side_by_side is 0, and must be at least 1"),
        ({"jobs": {"renew": {**RENEW, "extra_vars": ["a"]}}}, "extra_vars must be a mapping, not ['a']"),
        ({"jobs": {"renew": {"clusters_dir": "x"}}}, "names no playbook"),
        ({"jobs": {"renew": {"playbook": "x.yml"}}}, "either clusters_dir or inventories"),
        ({"jobs": {"renew": {**RENEW, "inventories": ["x"]}}}, "either clusters_dir or inventories"),
        ({"jobs": {"renew": {"playbook": "x.yml", "inventories": [1]}}}, "inventories must be a list of words"),
        ({"jobs": {"renew": {**RENEW, "notify": {"outcomes": ["broken"]}}}}, "notify names no command"),
        ({"jobs": {"renew": {**RENEW, "notify": {"command": "mail"}}}}, "command must be a list, not 'mail'"),
        ({"jobs": {"renew": {**RENEW, "notify": {"command": ["x"], "outcomes": ["bad"]}}}}, "'bad' is no outcome"),
        ({"jobs": {"renew": {**RENEW, "notify": {"cmd": ["x"]}}}}, "notify has the unknown key 'cmd'"),
    ],
)
def test_what_is_wrong_is_said(data: Any, sentence: str) -> None:
    with pytest.raises(BadInput) as bad:
        parse(data)
    assert sentence in str(bad.value)
    assert "\n" not in str(bad.value)


def test_a_name_that_is_no_file_name() -> None:
    with pytest.raises(BadInput, match="may hold letters, digits"):
        parse({"jobs": {"../renew": RENEW}}, "../renew")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "there is no jobs file"), ("jobs: [", "is no YAML"), (b"\xff\xfe\xff", "cannot be read")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str | bytes | None, sentence: str) -> None:
    path = tmp_path / "jobs.yml"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(BadInput, match=sentence):
        jobs.read(path)


def test_metrics_are_known_of_a_file_that_is_wrong_elsewhere() -> None:
    data = yaml.safe_load("{metrics_dir: m, jobs: [], nonsense: 1}")
    assert jobs.metrics_dir(data, FILE) == Path("/etc/kuberevive/m")
    assert jobs.metrics_dir({"metrics_dir": 5}, FILE) is None
    assert jobs.metrics_dir(None, FILE) is None
