"""Text files for node_exporter: by the format's rules, whatever a node puts into a name."""

from __future__ import annotations

import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from kuberevive_run import metrics
from kuberevive_run.outcome import Result
from kuberevive_run.reports import Certificate, Finding, Report

NASTY = '/etc/"quoted"\\back\nslash'
REPORT = Report(
    seen_at=1000.0,
    findings=(
        Finding("pki.cert_expired", "critical"),
        Finding("pki.cert_expired", "critical"),
        Finding("host.swap_on", "warning"),
    ),
    could_not_tell=3,
    certificates=(Certificate("m1", NASTY, 2e9, "serving", "true"), Certificate("m1", NASTY, 1e9, "ca", "false")),
)
RESULT = Result("renew", "prod", "broken", "", 100.0, 130.5, 2, 4, "/a", REPORT, last_success=50.0, last_run=130.5)


def test_promtool_likes_them() -> None:
    for text in (metrics.of_cluster(RESULT), metrics.of_job("renew", 2, 130.5)):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_they_say_what_is_known() -> None:
    text = metrics.of_cluster(RESULT).decode()
    samples = {
        (s.name, *(v for k, v in sorted(s.labels.items()) if k not in ("cluster", "job_name"))): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert samples["kuberevive_findings", "pki.cert_expired", "critical"] == 2
    assert samples["kuberevive_findings", "host.swap_on", "warning"] == 1
    assert samples["kuberevive_could_not_tell",] == 3
    assert samples["kuberevive_certificate_not_after_timestamp_seconds", "serving", "m1", NASTY, "true"] == 2e9
    assert samples["kuberevive_certificate_not_after_timestamp_seconds", "ca", "m1", NASTY, "false"] == 1e9
    assert samples["kuberevive_job_duration_seconds",] == 30.5
    assert samples["kuberevive_job_last_success_timestamp_seconds",] == 50.0
    assert samples["kuberevive_job_changed_tasks",] == 4
    assert [key[1] for key, value in samples.items() if key[0] == "kuberevive_job_outcome" and value] == ["broken"]


def test_every_series_says_job_and_cluster() -> None:
    for family in text_string_to_metric_families(metrics.of_cluster(RESULT).decode()):
        for sample in family.samples:
            assert (sample.labels["job_name"], sample.labels["cluster"]) == ("renew", "prod")
            assert "job" not in sample.labels


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    metrics.write(tmp_path, "renew", "prod", b"one\n")
    with (tmp_path / "kuberevive-renew@prod.prom").open("rb") as reader:
        metrics.write(tmp_path, "renew", "prod", b"two\n")
        assert reader.read() == b"one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["kuberevive-renew@prod.prom"]
    assert (tmp_path / "kuberevive-renew@prod.prom").read_bytes() == b"two\n"
    assert (tmp_path / "kuberevive-renew@prod.prom").stat().st_mode & 0o777 == 0o644


def test_clusters_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    for job, cluster in (("renew", "prod"), ("renew", "gone"), ("renew-all", "gone"), ("renew", "")):
        metrics.write(tmp_path, job, cluster, b"")
    (tmp_path / "other.prom").touch()
    metrics.forget(tmp_path, "renew", ["prod"])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "kuberevive-renew-all@gone.prom",
        "kuberevive-renew.prom",
        "kuberevive-renew@prod.prom",
        "other.prom",
    ]
