"""Results as text files for node_exporter's textfile collector: one for each job and cluster, one for the job."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kuberevive_run.outcome import STATES, Result

__all__ = ["forget", "of_cluster", "of_job", "write"]

# Not "job": that is the scrape's own label, and Prometheus would rename ours.
_LABELS = ("job_name", "cluster")


def of_cluster(result: Result) -> bytes:
    """Everything known of one cluster."""
    registry = CollectorRegistry()
    ours = (result.job, result.cluster)

    def gauge(name: str, text: str, *more: str) -> Gauge:
        return Gauge(f"kuberevive_{name}", text, (*_LABELS, *more), registry=registry)

    gauge("job_last_end_timestamp_seconds", "When the job last ended on the cluster, whatever came of it.").labels(
        *ours
    ).set(result.ended)
    gauge("job_last_run_timestamp_seconds", "When Ansible last ran on the cluster for this job; 0: never.").labels(
        *ours
    ).set(result.last_run)
    gauge("job_last_success_timestamp_seconds", "When the job last left the cluster healthy; 0: never.").labels(
        *ours
    ).set(result.last_success)
    gauge("job_duration_seconds", "How long the job took on the cluster.").labels(*ours).set(
        max(0.0, result.ended - result.started)
    )
    gauge("job_changed_tasks", "How many tasks changed something.").labels(*ours).set(result.changed)
    outcome = gauge("job_outcome", "1 for how the job ended on the cluster, 0 for every other end.", "outcome")
    for state in STATES:
        outcome.labels(*ours, state).set(int(state == result.state))
    report = result.report
    if report:
        gauge("job_report_timestamp_seconds", "From when findings and certificates are.").labels(*ours).set(
            report.seen_at
        )
        gauge("could_not_tell", "Checks that could not tell.").labels(*ours).set(report.could_not_tell)
        findings = gauge("findings", "What is wrong on the cluster's nodes, counted.", "code", "severity")
        for (code, severity), count in sorted(Counter((f.code, f.severity) for f in report.findings).items()):
            findings.labels(*ours, code, severity).set(count)
        ends = gauge(
            "certificate_not_after_timestamp_seconds",
            "When the file's first certificate of a kind ends.",
            *("node", "path", "kind", "relied_on"),
        )
        for each in report.certificates:
            ends.labels(*ours, each.node, each.path, each.kind, each.relied_on).set(each.not_after)
    return generate_latest(registry)


def of_job(job: str, exit_code: int, now: float) -> bytes:
    """The job as a whole, also when it could not run at all."""
    registry = CollectorRegistry()
    for name, text, value in (
        (
            "kuberevive_run_exit_code",
            "How kuberevive-run ended: 0 is well, 75 means that another job was there.",
            exit_code,
        ),
        ("kuberevive_run_timestamp_seconds", "When kuberevive-run last ended.", now),
    ):
        Gauge(name, text, ("job_name",), registry=registry).labels(job).set(value)
    return generate_latest(registry)


def write(directory: Path, job: str, cluster: str, text: bytes) -> None:
    """Replace the file in one step; node_exporter reads no name that does not end in .prom."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".kuberevive-", delete=False) as file:
        try:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.replace(file.name, directory / _name(job, cluster))
        except BaseException:
            os.unlink(file.name)
            raise


def forget(directory: Path, job: str, clusters: Collection[str]) -> None:
    """Remove the files of clusters that are no longer the job's."""
    kept = {_name(job, cluster) for cluster in clusters}
    for path in directory.glob("kuberevive-*@*.prom"):
        if path.name.startswith(f"kuberevive-{job}@") and path.name not in kept:
            path.unlink(missing_ok=True)


def _name(job: str, cluster: str) -> str:
    return f"kuberevive-{job}@{cluster}.prom" if cluster else f"kuberevive-{job}.prom"
