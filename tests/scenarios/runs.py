"""Runs a playbook as an operator does: in the checkout, with its ansible.cfg, and keeps all it said."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.story import ROOT, Story

__all__ = ["LIMIT", "Run", "command", "environment", "lab", "play", "recap"]

LIMIT = 1500  # seconds for one run; every wait inside has its own, shorter limit
_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+.*)$", re.MULTILINE)
_TALKATIVE = ("-vvvvv", "--diff")


@dataclass(frozen=True)
class Run:
    """One run of ansible-playbook."""

    rc: int
    text: str
    log: Path
    report: dict[str, Any]

    @property
    def changed(self) -> int:
        """Changed tasks over all hosts."""
        return sum(counts.get("changed", 0) for counts in recap(self.text).values())

    @property
    def findings(self) -> frozenset[tuple[str, str]]:
        """(code, host) of everything that is wrong in the run's last judgement."""
        return frozenset((f["code"], f["host"]) for f in self.report.get("findings", []))

    def steps(self, state: str) -> list[tuple[str, str]]:
        """(kind, host) of the steps that ended so, in order."""
        return [(s["kind"], s["host"]) for s in self.report.get("done", []) if s["state"] == state]

    @property
    def planned(self) -> list[tuple[str, str]]:
        """(kind, host) of the plan in the last judgement."""
        return [(s["kind"], s["host"]) for s in self.report.get("steps", [])]


def recap(text: str) -> dict[str, dict[str, int]]:
    """Host -> its counts in the last PLAY RECAP."""
    tail = text.rpartition("PLAY RECAP")[2]
    return {
        host: {key: int(value) for key, _, value in (part.partition("=") for part in counts.split())}
        for host, counts in _RECAP.findall(tail)
    }


def play(
    story: Story, playbook: str, name: str, *words: str, inventory: Path | None = None, debug: bool = False
) -> Run:
    """Run a playbook against the scenario's lab; output and report stay in tests/output/<scenario>/<name>*."""
    folder = story.out / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").unlink(missing_ok=True)
    done = subprocess.run(
        command(story, playbook, folder, *(_TALKATIVE if debug else ()), *words, inventory=inventory),
        cwd=ROOT,
        env=environment(debug),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=LIMIT,
        check=False,
    )
    log = folder / "output.txt"
    log.write_text(done.stdout, encoding="utf-8")
    report = folder / "report.json"
    data = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    return Run(done.returncode, done.stdout, log, data)


def command(story: Story, playbook: str, folder: Path, *words: str, inventory: Path | None = None) -> list[str]:
    """What the operator types; the report goes into the folder."""
    settings = {"kuberevive_report_dir": str(folder), "kuberevive_allow": list(story.allow)}
    argv = [str(ROOT / ".venv/bin/ansible-playbook"), "-i", str(inventory or story.inventory)]
    return [*argv, f"playbooks/{playbook}.yml", "-e", json.dumps(settings), *words]


def environment(debug: bool = False) -> dict[str, str]:
    """The operator's: nothing of Molecule's own settings; a pattern without hosts must not pass for success."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "MOLECULE_"))}
    kept.update(ANSIBLE_HOST_PATTERN_MISMATCH="error", ANSIBLE_NOCOLOR="1", LC_ALL="C.UTF-8")
    if debug:
        kept["ANSIBLE_DEBUG"] = "1"
    return kept


def lab(*words: str, timeout: float = 900) -> str:
    """One command of the lab's; its answer."""
    argv = [str(ROOT / "lab/lab"), *words]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"lab {' '.join(words)}: rc {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
