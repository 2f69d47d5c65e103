"""Logins that cannot work, on a cluster that is well: every node says why in a sentence, and nothing is done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from scenarios.runs import play
from scenarios.story import Story

pytestmark = pytest.mark.only.with_args(lambda story: story.logins)
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "wrong user": ({"ansible_user": "nobody-here"}, "Permission denied"),
    "no become": ({"ansible_user": "ops"}, "set ansible_become: true for this host"),
    "no sudo password": ({"ansible_user": "opspw", "ansible_become": True}, "password"),
    "unknown host key": ({"known_hosts": "/dev/null"}, "Host key verification failed"),
}


def _inventory(story: Story, folder: Path, changes: dict[str, Any]) -> Path:
    data = yaml.safe_load(story.inventory.read_text(encoding="utf-8"))
    common = data["all"]["vars"]
    known_hosts = changes.pop("known_hosts", "")
    options = [word for word in common["ansible_ssh_common_args"].split() if "ControlPath" not in word]
    if known_hosts:
        options = [word for word in options if "UserKnownHostsFile" not in word] + [
            f"-oUserKnownHostsFile={known_hosts}"
        ]
    # A connection that another test left open would be taken, whatever the login.
    options.append("-oControlPath=none")
    common.update(changes, ansible_ssh_common_args=" ".join(options))
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return path


@pytest.mark.parametrize("playbook", ["diagnose", "recover-power-loss"])
@pytest.mark.parametrize(("changes", "words"), CASES.values(), ids=CASES)
def test_a_login_that_cannot_work(
    story: Story, tmp_path: Path, playbook: str, changes: dict[str, Any], words: str
) -> None:
    run = play(story, playbook, "login", inventory=_inventory(story, tmp_path, dict(changes)))
    print(run.text)
    assert run.rc == 2
    assert run.changed == 0
    assert run.findings == {("host.unreachable", name) for name in story.nodes}
    assert [n["name"] for n in run.report["nodes"] if words not in n["why"]] == []
    assert run.report["done"] == []
