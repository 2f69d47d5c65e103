"""The calendar beside a report: of what is there, also where --check has foretold something else."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.playbook.task import Task
from builders.captured import captured

from ansible_collections.kuberevive.cluster.plugins.action.expiry_calendar import ActionModule
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import cluster_of, deliberate
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import calendar
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool

GROUPS = {"masters": ["m1", "m2", "m3"], "workers": ["w1"]}
NAMES = ("m1", "m2", "m3", "w1")


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spool:
    """What --check has recorded on a cluster whose certificates are over."""
    made = Spool(tmp_path / "spool")
    for node in captured("current", "power-loss").nodes:
        made.put_node(node)
    judgement, _ = deliberate(made, GROUPS, {}, check_mode=True)
    for step in judgement.steps:
        made.add_effect(step.host, step.kind, step.args)
    monkeypatch.setattr(Spool, "of_this_run", classmethod(lambda cls: made))
    return made


def act(**words: Any) -> dict[str, Any]:
    """The action in --check, with these words."""
    task = Task()
    task.args, task.check_mode = words, True
    templar = SimpleNamespace(template=lambda value: value)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return ActionModule(task, connection, SimpleNamespace(check_mode=True), None, templar, None).run(
        task_vars={"groups": GROUPS}
    )


def ends(rows: Any) -> set[tuple[str, str, str]]:
    return {(row["node"], row["path"], row["not_after"]) for row in rows}


def test_it_is_of_the_certificates_that_are_there(spool: Spool, tmp_path: Path) -> None:
    result = act(report_dir=str(tmp_path / "out"), quiet=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["certificates.json"]
    data = json.loads((tmp_path / "out" / "certificates.json").read_text(encoding="utf-8"))

    def rows(check_mode: bool) -> set[tuple[str, str, str]]:
        made = calendar(cluster_of(spool, GROUPS, {}, check_mode), NAMES)
        return {(row.node, row.path, row.not_after.isoformat()) for row in made.rows if row.not_after}

    assert rows(True) != rows(False), "something was foretold"
    assert ends(data["certificates"]) == rows(False)
    assert result["changed"] is False


@pytest.mark.parametrize("quiet", [True, False])
def test_where_it_cannot_be_written_only_a_run_of_its_own_fails(spool: Spool, tmp_path: Path, quiet: bool) -> None:
    (tmp_path / "file").touch()
    result = act(report_dir=str(tmp_path / "file"), quiet=quiet)
    said = result["warnings"][0] if quiet else result["msg"]
    assert f"could not be written into {tmp_path / 'file'}" in said
    assert result.get("failed", False) is not quiet
