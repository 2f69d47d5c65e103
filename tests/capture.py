"""Keeps what the probe says on real nodes as fixtures: tests/fixtures/probe/<profile>/<situation>/<host>.txt.

    .venv/bin/python tests/capture.py INVENTORY PROFILE SITUATION

The answer holds no key (the probe prints none). It is stored as it came; the first line has the groups and the moment.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._probe import LIMITS, assemble  # noqa: E402 # path first


def hosts(inventory: str) -> dict[str, dict[str, Any]]:
    """Host name -> its variables and groups, as ansible-inventory resolves them."""
    command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", inventory, "--list"]
    data = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    found: dict[str, dict[str, Any]] = data["_meta"]["hostvars"]
    for name, variables in found.items():
        variables["groups"] = [g for g in ("masters", "workers") if name in data.get(g, {}).get("hosts", [])]
    return found


def capture(variables: dict[str, Any]) -> str:
    """One node's answer, over the connection the inventory describes."""
    words = ["ssh", "-i", variables["ansible_ssh_private_key_file"], *shlex.split(variables["ansible_ssh_common_args"])]
    words += [f"{variables['ansible_user']}@{variables['ansible_host']}", "/bin/sh -s"]
    done = subprocess.run(words, input=assemble(LIMITS).encode(), capture_output=True, check=True)
    return done.stdout.decode("utf-8", errors="replace")


def main(inventory: str, profile: str, situation: str) -> None:
    """Ask every node and store its answer."""
    folder = ROOT / "tests" / "fixtures" / "probe" / profile / situation
    folder.mkdir(parents=True, exist_ok=True)
    for name, variables in hosts(inventory).items():
        answer = capture(variables)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        head = f"# tests/capture.py {profile} {situation}; groups={','.join(variables['groups'])}; at={now}\n"
        (folder / f"{name}.txt").write_text(head + answer, encoding="utf-8")
        print(f"{folder / name}.txt: {len(answer)} characters")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
