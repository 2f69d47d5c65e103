"""The notify command: what it is given, and that its own failure is only said."""

from __future__ import annotations

import time
from pathlib import Path

from kuberevive_run import notify
from kuberevive_run.jobs import Notify
from kuberevive_run.outcome import Result

RESULTS = [
    Result("renew", "prod", "broken", "Verdict: 1 critical.", 0.0, 12.0, 2, 0, "/state/a"),
    Result("renew", "lab", "changed", "", 0.0, 7.4, 0, 3, "/state/b"),
    Result("renew", "new", "locked", "cluster new is left alone", 0.0, 0.0),
]


def test_the_text() -> None:
    assert notify.text("renew", RESULTS, "").splitlines() == [
        "kuberevive job renew: 1 broken, 1 changed, 1 locked",
        "prod: broken in 12 s: Verdict: 1 critical.",
        "  artifacts: /state/a",
        "lab: changed in 7 s, 3 tasks changed something",
        "  artifacts: /state/b",
        "new: locked: cluster new is left alone",
    ]
    assert notify.text("renew", [], "no key") == "kuberevive job renew could not run: no key\n"


def test_what_it_is_given(tmp_path: Path) -> None:
    words = f"cat >{tmp_path}/text; echo $KUBEREVIVE_JOB $KUBEREVIVE_OUTCOME $KUBEREVIVE_RESULT >{tmp_path}/env"
    assert notify.send(Notify(("sh", "-c", words)), "renew", RESULTS, "", Path("/r.json")) == ""
    assert (tmp_path / "text").read_text(encoding="utf-8") == notify.text("renew", RESULTS, "")
    assert (tmp_path / "env").read_text(encoding="utf-8") == "renew broken /r.json\n"


def test_it_fails() -> None:
    said = notify.send(Notify(("sh", "-c", "echo no route >&2; exit 3")), "renew", RESULTS, "", None)
    assert said == "the notify command sh ended with 3: no route"


def test_it_does_not_read_what_it_is_given() -> None:
    many = [Result("renew", f"c{n}", "broken", "x" * 100, 0.0, 1.0) for n in range(2000)]
    assert notify.send(Notify(("true",)), "renew", many, "", None) == ""


def test_it_is_not_there() -> None:
    said = notify.send(Notify(("/nowhere/mail",)), "renew", RESULTS, "", None)
    assert said == "the notify command /nowhere/mail could not be started: No such file or directory"


def test_it_hangs_with_all_its_children() -> None:
    before = time.monotonic()
    said = notify.send(Notify(("sh", "-c", "sleep 300 & wait"), time_limit=1), "renew", RESULTS, "", None)
    assert said == "the notify command sh was killed after 1 seconds"
    assert time.monotonic() - before < 30
