"""kuberevive-run itself: real runs of ansible-runner on clusters that are this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import yaml
from builders.job_place import ROOT, SOURCES, Place, until

REPORT = {
    "verdict": "Verdict: 1 critical, 0 warnings (1 of 1 nodes looked at).",
    "findings": [{"code": "pki.cert_expired", "severity": "critical", "host": "m1"}],
    "could_not_tell": [],
}
PATH = "/etc/kubernetes/pki/apiserver.crt"
CERTIFICATES = [{"node": "m1", "path": PATH, "not_after": "2030-01-01T00:00:00Z", "kind": "serving", "relied_on": True}]
BROKEN = f"echo '{json.dumps(REPORT)}' >{{{{ kuberevive_report_dir }}}}/report.json; exit 1"
CALENDAR = f"echo '{json.dumps(CERTIFICATES)}' >{{{{ kuberevive_report_dir }}}}/certificates.json"
HANGS = "echo $$ >{{ kuberevive_report_dir }}/pid; exec sleep 600"


def gone(pid: int) -> bool:
    """Whether no process has that number, or only its remains."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def hanging(place: Place, cluster: str) -> int:
    """The process that the playbook waits for, once it is there."""
    pattern = f"runs/renew/{cluster}/artifacts/*/report/pid"

    def pid() -> int:
        texts = [path.read_text(encoding="utf-8") for path in (place.path / "state").glob(pattern)]
        return int(texts[0]) if texts and texts[0].strip() else 0

    return int(until(pid, f"the playbook on {cluster}"))


def test_one_failing_cluster_does_not_stop_the_others(place: Place) -> None:
    place.cluster("broken", BROKEN)
    place.cluster("changed", f"echo CHANGED; {CALENDAR}")
    place.cluster("failed", "echo what I said >&2; exit 1")
    place.cluster("healthy")
    place.jobs(side_by_side=2)
    rc, out, err = place.run(SECRET_OF_THE_OPERATOR="dont-keep-this")
    assert rc == 2, out + err
    assert {name: place.outcome(name) for name in ("broken", "changed", "failed", "healthy")} == {
        "broken": ["broken"],
        "changed": ["changed"],
        "failed": ["failed"],
        "healthy": ["healthy"],
    }
    assert place.series()["kuberevive_run_exit_code"] == 2
    assert place.series("broken")["kuberevive_findings pki.cert_expired critical"] == 1
    assert place.series("broken")["kuberevive_job_last_success_timestamp_seconds"] == 0
    end = f"kuberevive_certificate_not_after_timestamp_seconds serving m1 {PATH} true"
    assert place.series("changed")[end] == 1893456000
    assert place.series("changed")["kuberevive_job_changed_tasks"] == 1
    assert place.series("healthy")["kuberevive_job_last_success_timestamp_seconds"] > time.time() - 600
    assert "broken: broken in" in out
    assert "Critical: pki.cert_expired." in out
    assert "failed: failed in" in out
    assert "ansible-playbook ended with rc 2: m1: non-zero return code" in out
    assert [c["cluster"] for c in place.result()["clusters"]] == ["broken", "failed", "changed", "healthy"]
    # Nothing of the environment that Ansible has no use for, and nothing that others may read.
    for path in (place.path / "state").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
        assert not path.is_file() or "dont-keep-this" not in path.read_text(encoding="utf-8"), path
    assert not list((place.path / ".ansible" / "tmp").glob("*"))


def test_artifacts_are_kept_for_so_many_runs(place: Place) -> None:
    place.cluster("prod")
    for variables in ({"command": f"true; {CALENDAR}"}, {}):
        place.jobs(keep=1, extra_vars=variables)
        assert place.run()[0] == 0
    kept = sorted((place.path / "state/runs/renew/prod/artifacts").iterdir())
    assert [str(path) for path in kept] == [place.result("prod")["artifacts"]]
    # What an earlier run was given is not given to the next one …
    env = json.loads((place.path / "state/runs/renew/prod/env/extravars").read_text(encoding="utf-8"))
    assert env == {"kuberevive_report_dir": str(kept[-1] / "report")}
    # … but what it saw is known until somebody looks again.
    assert any(name.startswith("kuberevive_certificate") for name in place.series("prod"))


def test_sigterm_ends_the_run_and_all_that_it_started(place: Place) -> None:
    for name in ("first", "second", "third"):
        place.cluster(name, HANGS)
    place.jobs(side_by_side=2, notify={"command": ["sh", "-c", f"cat >{place.path}/told"]})
    process = place.start()
    pids = [hanging(place, "first"), hanging(place, "second")]
    process.terminate()
    out, err = process.communicate(timeout=180)
    assert process.returncode == 2, out + err
    assert "first: cancelled in" in out
    assert "ended by SIGTERM" in out
    assert "third: cancelled: not started: ended by SIGTERM" in out
    for name in ("first", "second", "third"):
        assert place.outcome(name) == ["cancelled"]
    for pid in pids:
        until(partial(gone, pid), f"the end of process {pid}", 30)
    assert "3 cancelled" in (place.path / "told").read_text(encoding="utf-8")
    # Ansible was asked, not killed: it took its temporary files away.
    assert not list((place.path / ".ansible" / "tmp").glob("*"))


def test_a_run_without_end_is_ended(place: Place) -> None:
    place.cluster("prod", HANGS)
    place.jobs(time_limit=8)
    rc, out, _ = place.run()
    assert rc == 2
    assert "not ready within the time limit of 8 seconds" in out
    assert place.outcome("prod") == ["timeout"]
    for path in (place.path / "state").glob("runs/renew/prod/artifacts/*/report/pid"):
        pid = int(path.read_text(encoding="utf-8"))
        until(partial(gone, pid), "the end of what hung", 30)


def test_the_second_job_is_told_who_has_the_cluster(place: Place) -> None:
    place.cluster("other")
    place.cluster("prod", HANGS)
    place.jobs()
    first = place.start()
    try:
        pid = hanging(place, "prod")
        jobs = yaml.safe_load((place.path / "jobs.yml").read_text(encoding="utf-8"))
        jobs["jobs"]["diagnose"] = jobs["jobs"]["renew"]
        (place.path / "jobs.yml").write_text(yaml.safe_dump(jobs), encoding="utf-8")
        rc, out, _ = place.run("diagnose")
        assert rc == 75
        assert f"prod: locked: cluster prod is left alone: job renew (pid {first.pid}) has had it since 20" in out
        assert "other: healthy" in out
        assert not gone(pid)
        # The holder dies at once: its cluster's process sees that, ends Ansible, and the lock is free again.
        first.kill()
        first.wait()
        until(lambda: gone(pid), "the end of the orphan", 30)
    finally:
        first.kill()
        first.communicate()
    (place.path / "clusters/prod/hosts.yml").write_text("{}", encoding="utf-8")
    until(lambda: "prod: locked" not in place.run("diagnose")[1], "the lock of a dead process to be free")


def test_a_failing_notification_changes_nothing(place: Place) -> None:
    place.cluster("prod", "echo CHANGED")
    place.jobs(notify={"command": ["sh", "-c", "cat >/dev/null; exit 9"]})
    rc, out, err = place.run()
    assert rc == 0, out + err
    assert "prod: changed in" in out
    assert "kuberevive-run: the notify command sh ended with 9" in err


def test_nobody_is_told_of_what_is_as_it_should_be(place: Place) -> None:
    place.cluster("prod")
    place.jobs({"metrics_dir": "nowhere"}, notify={"command": ["touch", str(place.path / "told")]})
    rc, _, err = place.run()
    assert rc == 0
    assert not (place.path / "told").exists()
    assert "metrics cannot be written to" in err


@pytest.mark.parametrize(
    ("words", "top", "job", "sentence"),
    [
        (["renewal"], {}, {}, "has no job 'renewal': its jobs are renew"),
        (["renew"], {"min_free_mb": 10**9}, {}, "MiB free, and artifacts want"),
        (["renew"], {"colour": 1}, {}, "has the unknown key 'colour'"),
        (["renew"], {}, {"ssh_key": "gone"}, "gone cannot be read: No such file or directory"),
        (["renew"], {}, {"playbook": "gone.yml"}, "gone.yml cannot be read"),
        (["renew"], {}, {"clusters_dir": "gone"}, "gone cannot be read"),
    ],
)
def test_bad_input(
    place: Place, words: list[str], top: dict[str, object], job: dict[str, object], sentence: str
) -> None:
    place.cluster("prod")
    place.jobs(top, **job)
    rc, out, err = place.run(*words)
    assert rc == 3
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert place.series(job=words[0])["kuberevive_run_exit_code"] == 3
    assert not list((place.path).glob("state/runs/*"))
    if "prod" in out:
        assert place.outcome("prod") == ["refused"]


def test_the_operator_is_told_of_bad_input(place: Place) -> None:
    place.cluster("prod")
    place.jobs(ssh_key="gone", notify={"command": ["sh", "-c", f"cat >{place.path}/told"]})
    assert place.run()[0] == 3
    told = (place.path / "told").read_text(encoding="utf-8")
    assert told.startswith("kuberevive job renew could not run: ssh_key ")


def test_an_inventory_that_cannot_be_read_stops_only_its_cluster(place: Place) -> None:
    place.cluster("prod")
    (place.path / "clusters/empty").mkdir()
    (place.path / "clusters/torn").mkdir()
    (place.path / "clusters/torn/hosts.yml").write_text("all: [", encoding="utf-8")
    place.jobs()
    rc, out, err = place.run()
    assert rc == 2, out + err
    assert place.outcome("prod") == ["healthy"]
    assert place.outcome("empty") == ["refused"]
    assert place.outcome("torn") == ["failed"]
    assert "hosts.yml" in next(line for line in out.splitlines() if line.startswith("torn: "))


def test_validation_runs_nothing(place: Place) -> None:
    place.cluster("prod")
    place.jobs()
    assert place.run("renew", "--validate") == (0, "job renew can run on prod\n", "")
    (place.path / "clusters/empty").mkdir()
    rc, _, err = place.run("renew", "--validate")
    assert rc == 3
    assert "empty is an empty directory" in err
    assert not list(place.path.glob("metrics/*"))


def test_the_collections_own_playbook(place: Place) -> None:
    """diagnose on a node that nobody reaches: a report, findings by code, a broken cluster."""
    place.cluster("prod")
    hosts = {"masters": {"hosts": {"m1": {"ansible_host": "127.0.0.1", "ansible_port": 1}}}}
    (place.path / "clusters/prod/hosts.yml").write_text(yaml.safe_dump({"all": {"children": hosts}}), encoding="utf-8")
    (place.path / "ansible.cfg").write_text(
        f"[defaults]\ncollections_path = {ROOT / 'collections'}\n", encoding="utf-8"
    )
    place.jobs(playbook="kuberevive.cluster.diagnose")
    rc, out, err = place.run()
    assert rc == 2, out + err
    assert place.outcome("prod") == ["broken"]
    assert place.series("prod")["kuberevive_findings host.unreachable critical"] == 1
    assert "Critical: host.unreachable." in out


def test_help_says_what_the_exit_codes_mean() -> None:
    env = {**os.environ, "PYTHONPATH": str(SOURCES), "COLUMNS": "200"}
    argv = [sys.executable, "-m", "kuberevive_run", "--help"]
    said = subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout
    assert "0 every cluster is healthy; 2 a cluster is left broken" in said
