"""ansible-runner's transmit, worker and process, as docs/scheduled.md says it; here the jump host is another directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from builders.job_place import ROOT

DOCUMENTED = (ROOT / "docs" / "scheduled.md").read_text(encoding="utf-8")
UNREACHABLE = "all: {children: {masters: {hosts: {m1: {ansible_host: 127.0.0.1, ansible_port: 1}}}}}\n"


def test_the_documented_relay(tmp_path: Path) -> None:
    (block,) = re.findall(r"```sh\n(mkdir -p run/inventory.*?)```", DOCUMENTED, re.S)
    here = block.replace("ssh jump ansible-runner worker", "(cd / && ansible-runner worker)").replace(
        "renew_certificates", "diagnose"
    )
    assert here.count("(cd /") == here.count("diagnose") == 1
    (tmp_path / "my.yml").write_text(UNREACHABLE, encoding="utf-8")
    env = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    env.update(ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"), TMPDIR=str(tmp_path), HOME=str(tmp_path))
    done = subprocess.run(["sh", "-euc", here], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "run/artifacts/weekly/rc").read_text(encoding="utf-8") == "2"
    report = json.loads((tmp_path / "run/artifacts/weekly/report/report.json").read_text(encoding="utf-8"))
    assert [finding["code"] for finding in report["findings"]] == ["host.unreachable"]
    assert sorted(path.name for path in tmp_path.iterdir()) in (["my.yml", "run"], [".ansible", "my.yml", "run"])
