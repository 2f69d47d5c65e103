"""Judges what was observed and plans the repairs; says it to the operator. Runs once, touches no node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import report
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.heartbeats import leaders
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import deliberate, settings_of
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Judgement
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


class ActionModule(ActionBase):
    """The controller's own step: pure judgement over the spool, a small result."""

    _supports_check_mode = True
    _supports_async = False
    _VALID_ARGS = frozenset(("phases", "show", "report_dir"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge, plan, show, return."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        args = self._task.args
        spool = Spool.of_this_run()
        groups = variables.get("groups", {})
        inside = set(variables.get("ansible_play_hosts_all") or [])
        judgement, cluster = deliberate(
            spool, groups, settings_of(self._templar, variables), bool(self._task.check_mode)
        )
        phases = [str(p) for p in args.get("phases") or []]
        steps = [s for s in judgement.steps if s.host in inside and (not phases or s.phase in phases)]
        show = str(args.get("show") or "nothing")
        done = list(spool.steps())
        if show != "nothing":
            Display().display(report.as_text(judgement, cluster, show=show, inside=inside, done=done))
        saved = ""
        if args.get("report_dir"):
            saved = report.save(Path(str(args["report_dir"])), judgement, cluster, done, spool.run_id)
        ending = report.ending(judgement, len(done) if self._task.check_mode else 0, done)
        small = _small(judgement, cluster, steps)
        return {**result, "changed": False, **small, "done": len(done), "ending": ending, "report": saved}


def _small(judgement: Judgement, cluster: Cluster, steps: list[Any]) -> dict[str, Any]:
    per_host: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        per_host.setdefault(step.host, []).append(to_plain(step))
    return {
        "steps": per_host,
        "kinds": list(dict.fromkeys(step.kind for step in steps)),
        "order": report.order(judgement, leaders(cluster)),
        "findings": [{"code": f.code, "host": f.host, "severity": f.severity} for f in judgement.findings],
        "refused": [to_plain(r) for r in judgement.refusals],
        "blind": [{"code": o.code, "host": o.host, "why": o.why} for o in judgement.blind],
        "critical": sum(f.severity == "critical" for f in judgement.findings),
        "warning": sum(f.severity == "warning" for f in judgement.findings),
        "settling": sum(f.settling for f in judgement.findings),
        "hopeless": report.hopeless(judgement),
        "not_reached": [f.host for f in judgement.findings if f.code == "host.unreachable"],
    }
