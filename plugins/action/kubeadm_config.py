"""Makes kubeadm-config again from what runs, once kubeadm has shown that it generates the same from it."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.kubeadm_config import (
    COMPONENTS,
    KubeadmConfigError,
    Seen,
    compare,
    describe,
    text_of,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer, StepBase, StepRefused

__all__ = ["ActionModule"]


class ActionModule(StepBase):
    """See plugins/modules/kubeadm_config.py."""

    KIND = "kubeadm_config"

    def take(self, step: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Look, let kubeadm generate, add what it lacked, let it generate again, and only then keep it."""
        args = dict(step.get("args") or {})
        names, unlike = tuple(args.pop("names")), list(args.pop("unlike"))
        shown = self.pipe("api.sh kubeadm_config_seen.sh", args)
        looked = self.outcome(shown, step)
        if looked.get("failed"):
            return looked
        values = shown.values
        seen = Seen(
            values.get("version", ""),
            _manifests(shown),
            self.host,
            values.get("server", ""),
            values.get("domain", "") or "cluster.local",
            names,
        )
        try:
            config, lost = self._proven(seen, args, step)
        except KubeadmConfigError as error:
            raise StepRefused("not_told", str(error)) from None
        done = self.outcome(self.pipe("api.sh admin.sh kubeadm_config_upload.sh", _with(args, config, seen)), step)
        notes = {"what only patches keep (kubeadm --patches)": lost, "kube-apiserver has other flags on": unlike}
        done["lines"] = [*done["lines"], *(f"{words}: {'; '.join(those)}" for words, those in notes.items() if those)]
        return done

    def _proven(self, seen: Seen, args: dict[str, Any], step: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
        config = describe(seen)
        lacked: tuple[str, ...] = ()
        for _ in range(2):
            made = self.pipe("kubeadm_config_try.sh", _with(args, config, seen))
            outcome = self.outcome(made, step)
            if outcome.get("failed"):
                raise KubeadmConfigError(str(outcome["msg"]))
            config, lacked, lost = compare(config, seen, _manifests(made))
            if not lacked:
                return config, lost
        raise KubeadmConfigError(f"kubeadm does not generate what runs here, it differs in {', '.join(lacked)}")


def _manifests(answer: Answer) -> dict[str, str]:
    return {c: base64.b64decode(answer.values[c]).decode() for c in COMPONENTS if c in answer.values}


def _with(args: dict[str, Any], config: dict[str, Any], seen: Seen) -> dict[str, Any]:
    text = base64.b64encode(text_of(config, seen).encode()).decode()
    return {**args, "config": text, "etcd": "yes" if "etcd" in seen.manifests else ""}
