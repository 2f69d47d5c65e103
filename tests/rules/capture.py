"""Keeps what a lab's components export of the series in the alert rules: tests/rules/captured/<version>/<situation>.prom.

    .venv/bin/python tests/rules/capture.py LAB NODE SITUATION

Asked on the node itself with the administrator's certificate, which stays there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rules.selecting import ROOT, Selector, groups, labels_of, selectors

ENDPOINTS = {
    "kube-apiserver": "https://127.0.0.1:6443/metrics",
    "kube-controller-manager": "https://127.0.0.1:10257/metrics",
    "kube-scheduler": "https://127.0.0.1:10259/metrics",
    "etcd": "http://127.0.0.1:2381/metrics",
    "kubelet": "https://127.0.0.1:10250/metrics",
    "kubelet-probes": "https://127.0.0.1:10250/metrics/probes",
}
# Of a series that no rule selects by its labels, so many lines are kept: they show what the others look like.
_OTHERS = 3
_ASK = r"""
kubeconfig=/etc/kubernetes/super-admin.conf
[ -s $kubeconfig ] || kubeconfig=/etc/kubernetes/admin.conf
own=$(mktemp -d -p /dev/shm)
trap 'rm -r "$own"' EXIT
for what in certificate key; do
    sed -n "s/.*client-$what-data: //p" $kubeconfig | base64 -d >"$own/$what"
done
curl -sk -m 20 --cert "$own/certificate" --key "$own/key" -w '\n# HTTP %{http_code}\n' "$1" || :
"""


def on_node(lab: str, node: str, *command: str) -> str:
    """What a command on the node prints."""
    words = [str(ROOT / "lab/lab"), "exec", "--name", lab, node, "--", *command]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def kept(job: str, text: str, wanted: list[Selector]) -> list[str]:
    """The lines that the rules are about, without addresses."""
    names = {selector.name for selector in wanted}
    others: Counter[str] = Counter()
    found = []
    for line in text.splitlines():
        name, labels = labels_of(line)
        if line.startswith("#") or name not in names:
            continue
        if not any(selector.takes(name, {**labels, "job": job}) for selector in wanted):
            others[name] += 1
            if others[name] > _OTHERS:
                continue
        found.append(re.sub(r"\d+\.\d+\.\d+\.\d+", "<address>", line))
    return found


def main(lab: str, node: str, situation: str) -> None:
    """Ask every endpoint and store what the rules want of it."""
    wanted = [selector for group in groups() for rule in group["rules"] for selector in selectors(rule["expr"])]
    version = on_node(lab, node, "kubelet", "--version").split()[-1].lstrip("v")
    lines = [f"# tests/rules/capture.py {version} {situation}"]
    for job, address in ENDPOINTS.items():
        answer = on_node(lab, node, "sh", "-c", _ASK, "sh", address)
        status = [line[2:] for line in answer.splitlines() if line.startswith("# HTTP ")]
        lines += [f"# job {job}: {status[-1]}", *kept(job, answer, wanted)]
    place = ROOT / "tests" / "rules" / "captured" / version / f"{situation}.prom"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{place.relative_to(ROOT)}: {len(lines)} lines")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
