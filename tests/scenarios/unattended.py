"""The operator's run as a machine takes it: kuberevive-run on the lab's control machine c1, started by its timer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from scenarios.nodes import ask, put, succeeds
from scenarios.runs import LIMIT, Run, lab, play
from scenarios.story import ROOT, Story

__all__ = ["CONTROL", "alerts", "arm", "by_hand", "by_timer", "install", "metrics", "schedule", "until"]

CONTROL = "c1"
_CONFIG = "/etc/kuberevive"
_RESULTS = "/var/lib/kuberevive-run/results"
_METRICS = "/var/lib/prometheus/node-exporter"
_SETTINGS: dict[str, Any] = {
    "scheduled_renewal_metrics_dir": _METRICS,
    "scheduled_renewal_defaults": {
        "clusters_dir": "clusters",
        "ssh_key": "ssh_key",
        "known_hosts": "known_hosts",
        "side_by_side": 2,
    },
    "scheduled_renewal_timers": {"renew": {"on_calendar": "weekly", "randomized_delay": "5s"}},
}
_PROMETHEUS: dict[str, Any] = {
    "global": {"scrape_interval": "2s", "evaluation_interval": "2s"},
    "rule_files": ["/etc/prometheus/kuberevive.rules.yml"],
    "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": ["localhost:9100"]}]}],
}


def install(story: Story, state: str = "present") -> Run:
    """What the operator runs once on the control machine, or to be rid of it."""
    words = json.dumps({**_SETTINGS, "scheduled_renewal_state": state})
    return play(story, "schedule-renewal", f"schedule-{state}", "-e", words)


def schedule(story: Story) -> None:
    """Install it, see it refuse and an alert fire while nothing was brought yet, then bring what the operator has to.

    The first diagnosis then has another alert fire: of what will be renewed. Both stay in alerts.json.
    """
    done = install(story)
    if done.rc:
        raise SystemExit(f"scenario {story.name}: schedule-renewal ended with rc {done.rc}: see {done.log}")
    _watch(story)
    told = {"refused": _refused_first(story)}
    arm(story)
    by_hand(story, "diagnose", "diagnosed")
    until(60, lambda: "KubereviveCertificateEnding" in alerts(story), "the alert of certificates that end soon")
    told["near"] = sorted(alerts(story))
    (story.out / "alerts.json").write_text(json.dumps(told, indent=1), encoding="utf-8")


def _watch(story: Story) -> None:
    """Debian's own Prometheus and node exporter, with the project's rules."""
    put(story, CONTROL, "/etc/prometheus/prometheus.yml", yaml.safe_dump(_PROMETHEUS))
    rules = (ROOT / "extras/prometheus/kuberevive.rules.yml").read_text(encoding="utf-8")
    put(story, CONTROL, "/etc/prometheus/kuberevive.rules.yml", rules)
    ask(story, CONTROL, "systemctl start prometheus-node-exporter prometheus")


def alerts(story: Story) -> set[str]:
    """What Prometheus has firing about jobs and certificates."""
    said = ask(story, CONTROL, "curl -s -m 5 http://localhost:9090/api/v1/alerts", rc=None)
    found = json.loads(said)["data"]["alerts"] if said.startswith("{") else []
    return {
        a["labels"]["alertname"] for a in found if a["state"] == "firing" and {"job_name", "cluster"} & set(a["labels"])
    }


def metrics(story: Story) -> dict[str, float]:
    """What the node exporter shows of ours: name with labels -> value."""
    said = ask(story, CONTROL, "curl -s -m 5 http://localhost:9100/metrics | grep ^kuberevive_")
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in said.splitlines())}


def until(seconds: float, happens: Callable[[], Any], what: str) -> Any:
    """Whatever it gives once that is not empty."""
    deadline = time.monotonic() + seconds
    while not (found := happens()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:.0f} s for {what}")
        time.sleep(1)
    return found


def arm(story: Story) -> None:
    """What the operator brings: an inventory for each cluster, key, known hosts; nothing of it is the role's."""
    known = key = ""
    for name in story.labs:
        data = yaml.safe_load(lab("inventory", "--name", name))
        common = data["all"]["vars"]
        words = [word[2:].partition("=") for word in common.pop("ansible_ssh_common_args").split()]
        known += Path(next(value for option, _, value in words if option == "UserKnownHostsFile")).read_text(
            encoding="utf-8"
        )
        key = Path(common.pop("ansible_ssh_private_key_file")).read_text(encoding="utf-8")
        data["all"]["children"].pop("control", None)
        folder = f"{_CONFIG}/clusters/{name}"
        ask(story, CONTROL, f"mkdir -p {folder}")
        put(story, CONTROL, f"{folder}/hosts.yml", yaml.safe_dump(data))
    put(story, CONTROL, f"{_CONFIG}/ssh_key", key, mode="0600", owner="kuberevive")
    put(story, CONTROL, f"{_CONFIG}/known_hosts", known)


def by_timer(story: Story, job: str, name: str) -> Run:
    """The timer's time has come: its last run was eight days ago. Waits for the job's end."""
    before = _when(story, job)
    unit = f"kuberevive-run@{job}"
    stamp = f"/var/lib/systemd/timers/stamp-{unit}.timer"
    ask(story, CONTROL, f"systemctl stop {unit}.timer && touch -d '8 days ago' {stamp} && systemctl start {unit}.timer")
    until(LIMIT, lambda: _when(story, job) != before, f"{unit} to be started by its timer and to end")
    return _collect(story, job, name)


def by_hand(story: Story, job: str, name: str) -> Run:
    """systemctl start; waits for its end."""
    ask(story, CONTROL, f"timeout {LIMIT} systemctl start kuberevive-run@{job}.service", rc=None)
    return _collect(story, job, name)


def _when(story: Story, job: str) -> str:
    """The job's result was written."""
    return ask(story, CONTROL, f"stat -c %y {_RESULTS}/{job}.json", rc=None)


def _load(story: Story, path: str) -> dict[str, Any]:
    said = ask(story, CONTROL, f"cat {path}", rc=None)
    found: dict[str, Any] = json.loads(said) if said else {}
    return found


def _collect(story: Story, job: str, name: str) -> Run:
    """The run as an operator's own would be; its files lie beside those of the others."""
    folder = story.out / name
    folder.mkdir(parents=True, exist_ok=True)
    results = {cluster: _load(story, f"{_RESULTS}/{job}@{cluster}.json") for cluster in story.labs}
    result = results[story.name]
    texts: dict[str, str] = {}
    for file, path in (("output.txt", "stdout"), ("report.json", "report/report.json")):
        texts[file] = ask(story, CONTROL, f"cat {result.get('artifacts', '')}/{path}", rc=None)
        (folder / file).write_text(texts[file], encoding="utf-8")
    for cluster, each in results.items():
        (folder / f"{cluster}.json").write_text(json.dumps(each, indent=1), encoding="utf-8")
    unit = f"kuberevive-run@{job}.service"
    status = int(ask(story, CONTROL, f"systemctl show -P ExecMainStatus {unit}"))
    (folder / "job.json").write_text(json.dumps({"rc": status}, indent=1), encoding="utf-8")
    journal = ask(story, CONTROL, f"journalctl -u {unit} -o cat --no-pager -n 30", rc=None)
    (folder / "journal.txt").write_text(journal, encoding="utf-8")
    report = json.loads(texts["report.json"]) if texts["report.json"] else {}
    return Run(int(result.get("rc") or 0), texts["output.txt"] or journal, folder / "output.txt", report)


def _refused_first(story: Story) -> list[str]:
    """Installed and not yet given anything: the job refuses, its unit fails, alerts fire."""
    if succeeds(story, CONTROL, "systemctl start kuberevive-run@renew.service"):
        raise SystemExit(f"scenario {story.name}: a job without inventory and key ended well")
    _collect(story, "renew", "refused")
    return sorted(until(60, lambda: alerts(story), "an alert of the job that was refused"))
