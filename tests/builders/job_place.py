"""kuberevive-run in a directory of its own: a jobs file, clusters that are this machine, and the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "roles" / "scheduled_renewal" / "files"
# Runs one command on the cluster's only host; the command changes something if it says so.
PLAYBOOK = [
    {
        "hosts": "all",
        "gather_facts": False,
        "tasks": [
            {
                "name": "Do it",
                "ansible.builtin.raw": "{{ command }}",
                "register": "done",
                "changed_when": "'CHANGED' in done.stdout",
            }
        ],
    }
]


def until(condition: Callable[[], Any], what: str, seconds: float = 180) -> Any:
    """The condition's first true value."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


@dataclass
class Place:
    """One test's directory: clusters, jobs file, state, metrics."""

    path: Path

    def __post_init__(self) -> None:
        for name in ("clusters", "metrics"):
            (self.path / name).mkdir()
        (self.path / "play.yml").write_text(yaml.safe_dump(PLAYBOOK), encoding="utf-8")

    def cluster(self, name: str, command: str = "true") -> None:
        """A cluster of this machine, on which the playbook does that."""
        (self.path / "clusters" / name).mkdir()
        hosts = {"m1": {"ansible_connection": "local", "command": command}}
        text = yaml.safe_dump({"all": {"hosts": hosts}})
        (self.path / "clusters" / name / "hosts.yml").write_text(text, encoding="utf-8")

    def jobs(self, top: dict[str, Any] | None = None, /, **job: Any) -> None:
        """The jobs file: job renew with these words besides the usual ones."""
        renew = {"playbook": "play.yml", "clusters_dir": "clusters", **job}
        data = {
            "state_dir": "state",
            "metrics_dir": "metrics",
            "min_free_mb": 1,
            "jobs": {"renew": renew},
            **(top or {}),
        }
        (self.path / "jobs.yml").write_text(yaml.safe_dump(data), encoding="utf-8")

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """kuberevive-run, running."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        env.update(PYTHONPATH=str(SOURCES), HOME=str(self.path), LC_ALL="C.UTF-8", **environment)
        argv = [sys.executable, "-m", "kuberevive_run", *(words or ("renew",)), "--jobs-file", "jobs.yml"]
        return subprocess.Popen(argv, cwd=self.path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """kuberevive-run to its end: exit code, standard output, standard error."""
        process = self.start(*words, **environment)
        out, err = process.communicate(timeout=300)
        assert "Traceback" not in out + err
        return process.returncode, out, err

    def result(self, cluster: str = "") -> dict[str, Any]:
        """What the state directory keeps of the newest run."""
        name = f"renew@{cluster}.json" if cluster else "renew.json"
        data: dict[str, Any] = json.loads((self.path / "state" / "results" / name).read_text(encoding="utf-8"))
        return data

    def series(self, cluster: str = "", job: str = "renew") -> dict[str, float]:
        """The metrics file, as name{other labels} -> value."""
        name = f"kuberevive-{job}@{cluster}.prom" if cluster else f"kuberevive-{job}.prom"
        text = (self.path / "metrics" / name).read_text(encoding="utf-8")
        return read_metrics(text)

    def outcome(self, cluster: str) -> list[str]:
        """The states that the cluster's metrics say."""
        mark = "kuberevive_job_outcome "
        return [
            name.removeprefix(mark) for name, value in self.series(cluster).items() if name.startswith(mark) and value
        ]


def read_metrics(text: str) -> dict[str, float]:
    """Name and the labels that are no job's and no cluster's -> value."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = [value for label, value in sorted(sample.labels.items()) if label not in ("job_name", "cluster")]
            key = " ".join([sample.name, *labels])
            assert key not in found
            found[key] = sample.value
    return found
