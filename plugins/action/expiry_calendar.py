"""Makes the calendar of the fleet's certificates out of what was observed. Runs once, touches no node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import expiry_report, report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import renew_within
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import cluster_of, settings_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import Calendar, calendar
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


class ActionModule(ActionBase):
    """Read-only for the nodes in every mode; writes two files on the controller."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("report_dir",))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the spool, make the rows, show and write them."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        groups = variables.get("groups", {})
        settings = settings_of(self._templar, variables)
        spool = Spool.of_this_run()
        names = dict.fromkeys([*groups.get("masters", []), *groups.get("workers", [])])
        cluster = cluster_of(spool, groups, settings, bool(self._task.check_mode))
        try:
            renew_within(cluster)
        except (TypeError, ValueError, OverflowError):
            within = settings.get("kuberevive_renew_within")
            return {
                **result,
                "failed": True,
                "msg": f"kuberevive_renew_within must be a number of days, not {within!r}",
            }
        made = calendar(cluster, names)
        table = expiry_report.as_text(made)
        Display().display(table)
        folder = str(self._task.args.get("report_dir") or "")
        try:
            files = _write(Path(folder), made, spool.run_id) if folder else []
        except OSError as error:
            return {**result, "failed": True, "msg": f"the calendar above could not be written into {folder}: {error}"}
        return {
            **result,
            "changed": False,
            "table": table,
            "counts": expiry_report.counts(made),
            "could_not_tell": [each.node for each in made.unknown],
            "files": files,
            "ending": expiry_report.ending(made),
        }


def _write(folder: Path, made: Calendar, run_id: str) -> list[str]:
    return [
        report.put(folder, "certificates.json", expiry_report.as_json(made, run_id)),
        report.put(folder, "certificates.csv", expiry_report.as_csv(made)),
    ]
