"""The whole probe under every shell a node may have, on this machine: it answers, and a hanging section costs its limit only."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import read_probe

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
_MAIN = (Path(_probe.__file__).parent / "main.sh").read_text(encoding="utf-8")
_HERE_DOCUMENT = "<" + "<"


def run(shell: list[str], script: str, limit: float = 120) -> str:
    """As node_info sends it: the text on the shell's stdin."""
    done = subprocess.run(
        [*shell, "-s"], input=script, capture_output=True, text=True, errors="replace", timeout=limit, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_section(script: str, name: str, body: str, seconds: int) -> str:
    """The probe with another body and limit for one section."""
    limit = f"{name}:{_probe.LIMITS[name]}"
    assert limit in script
    assert _MAIN in script
    own = f"kr_section_{name}() {{ {body}; }}\n"
    return script.replace(limit, f"{name}:{seconds}", 1).replace(_MAIN, own + _MAIN)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_every_section_answers(shell: list[str]) -> None:
    answer = run(shell, _probe.assemble(_probe.LIMITS))
    probe = read_probe(answer)
    assert probe.complete
    assert {name: section.state for name, section in probe.sections.items()} == dict.fromkeys(_probe.LIMITS, "ok")


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
@pytest.mark.parametrize(
    "hang",
    ["sleep 300", "sleep 300 | cat", "(trap '' HUP TERM; exec sleep 300)", "while :; do :; done"],
    ids=["child", "pipe", "deaf", "spinning"],
)
def test_a_hanging_section_costs_its_own_limit(shell: list[str], hang: str) -> None:
    script = with_section(_probe.assemble(["host", "runtime", "pki"]), "runtime", hang, 2)
    began = time.monotonic()
    probe = read_probe(run(shell, script, 60))
    assert time.monotonic() - began < 2 + _probe.LIMITS["host"] + _probe.LIMITS["pki"]
    assert probe.complete
    assert {name: section.state for name, section in probe.sections.items()} == {
        "host": "ok",
        "runtime": "timeout",
        "pki": "ok",
    }


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_what_a_section_said_before_its_limit_arrives_whole_with_the_mark(shell: list[str]) -> None:
    said = "kr_val first x; n=0; while [ $n -lt 500 ]; do kr_val k $n-xxxxxxxxxx; n=$((n + 1)); done; sleep 300"
    section = read_probe(run(shell, with_section(_probe.assemble(["runtime"]), "runtime", said, 2))).sections["runtime"]
    assert (section.state, section.value("first"), len(section.all("k"))) == ("timeout", "x", 500)
    assert section.value("k") == "499-xxxxxxxxxx"


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_a_place_that_does_not_answer_costs_the_limit_of_discovery(shell: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.yaml")
    script = _probe.assemble(_probe.LIMITS, {"KUBELET_CONFIG": str(tmp_path / "config.yaml")})
    limit = f"KR_DISCOVERY={_probe.DISCOVERY}"
    assert limit in script
    probe = read_probe(run(shell, script.replace(limit, "KR_DISCOVERY=1"), 60))
    assert (probe.complete, probe.stuck, probe.sections) == (True, "1", {})


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_of_the_manifests_only_files_are_read(shell: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "etcd.yaml")
    (tmp_path / "pod with blank.yaml").write_text("metadata:\n  labels:\n    component: kube-scheduler\n")
    probe = read_probe(run(shell, _probe.assemble(_probe.LIMITS, {"MANIFESTS": str(tmp_path)}), 60))
    assert {name: section.state for name, section in probe.sections.items()} == dict.fromkeys(_probe.LIMITS, "ok")
    found = f"{tmp_path}/pod with blank.yaml"
    assert probe.sections["controllers"].value("kube-scheduler.manifest") == found
    assert probe.sections["kubelet"].all("static_pod") == (found,)


@pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS)
def test_a_child_that_stays_does_not_keep_the_connection(shell: list[str]) -> None:
    script = with_section(_probe.assemble(["host", "pki"]), "host", "sleep 40 & echo", 5)
    began = time.monotonic()
    probe = read_probe(run(shell, script, 60))
    assert time.monotonic() - began < 30
    assert probe.complete


def test_nothing_that_runs_on_a_node_has_a_here_document() -> None:
    folder = Path(_probe.__file__).parent.parent
    for path in [*folder.glob("_probe/*.sh"), *folder.glob("_steps/*.sh")]:
        assert _HERE_DOCUMENT not in path.read_text(encoding="utf-8").replace("$" + "((", ""), path
