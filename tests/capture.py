"""Keeps what the probe says on real nodes as a fixture: tests/fixtures/probe/<profile>/<situation>/<host>.txt.

    .venv/bin/python tests/capture.py INVENTORY PROFILE SITUATION

The answer holds no key (the probe prints none); it is stored as it came, with the command in the first line.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._probe import LIMITS, assemble  # noqa: E402 path first


def ssh_hosts(inventory: str) -> dict[str, dict[str, str]]:
    """Host name -> its variables, as ansible-inventory resolves them."""
    import json

    command = [str(ROOT / ".venv/bin/ansible-inventory"), "-i", inventory, "--list"]
    data = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    hosts: dict[str, dict[str, str]] = data["_meta"]["hostvars"]
    return hosts


def main(inventory: str, profile: str, situation: str) -> None:
    """Ask every node and store its answer."""
    folder = ROOT / "tests" / "fixtures" / "probe" / profile / situation
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / ".probe.sh"
    script.write_text(assemble(LIMITS), encoding="utf-8")
    for host in ssh_hosts(inventory):
        command = [str(ROOT / ".venv/bin/ansible"), "-i", inventory, host, "-m", "ansible.builtin.script"]
        command += ["-a", f"executable=/bin/sh {script}", "-t", str(folder / ".out")]
        subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
        _store(folder, host, f"# tests/capture.py {profile} {situation}")
    script.unlink()


def _store(folder: Path, host: str, head: str) -> None:
    import json

    answer = json.loads((folder / ".out" / host).read_text(encoding="utf-8"))
    (folder / f"{host}.txt").write_text(head + "\n" + answer.get("stdout", "").replace("\r", ""), encoding="utf-8")
    (folder / ".out" / host).unlink()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
