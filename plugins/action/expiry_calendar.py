"""Makes the calendar of the fleet's certificates out of what was observed. Runs once, touches no node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import expiry_report, report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.pki_needs import renew_within
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import cluster_of, settings_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.expiry_calendar import Calendar, calendar
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


class ActionModule(ActionBase):
    """Read-only for the nodes in every mode; writes files on the controller."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("quiet", "report_dir"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read the spool, make the rows, show and write them."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        quiet = boolean(self._task.args.get("quiet") or False)
        groups = variables.get("groups", {})
        settings = settings_of(self._templar, variables)
        spool = Spool.of_this_run()
        names = dict.fromkeys([*groups.get("masters", []), *groups.get("workers", [])])
        # Never as --check foretells them: whoever reads the file looks for certificates that are there.
        cluster = cluster_of(spool, groups, settings, check_mode=False)
        try:
            renew_within(cluster)
        except (TypeError, ValueError, OverflowError):
            within = settings.get("kuberevive_renew_within")
            return _wrong(result, f"kuberevive_renew_within must be a number of days, not {within!r}", quiet)
        made = calendar(cluster, names)
        table = expiry_report.as_text(made)
        if not quiet:
            Display().display(table)
        folder = str(self._task.args.get("report_dir") or "")
        try:
            files = _write(Path(folder), made, spool.run_id, quiet) if folder else []
        except OSError as error:
            what = "certificates.json" if quiet else "the calendar above"
            return _wrong(result, f"{what} could not be written into {folder}: {error}", quiet)
        return {
            **result,
            "changed": False,
            "table": table,
            "counts": expiry_report.counts(made),
            "could_not_tell": [each.node for each in made.unknown],
            "files": files,
            "ending": expiry_report.ending(made),
        }


def _write(folder: Path, made: Calendar, run_id: str, quiet: bool) -> list[str]:
    files = [report.put(folder, "certificates.json", expiry_report.as_json(made, run_id))]
    return files if quiet else [*files, report.put(folder, "certificates.csv", expiry_report.as_csv(made))]


def _wrong(result: dict[str, Any], sentence: str, quiet: bool) -> dict[str, Any]:
    """The end of the run, but no more than a warning where the run has a report, and an end, of its own."""
    if not quiet:
        return {**result, "failed": True, "msg": sentence}
    warning = f"There is no calendar of certificates beside the report: {sentence}"
    return {**result, "changed": False, "files": [], "warnings": [warning]}
