"""A step's result is read from what its sh said on the node."""

from __future__ import annotations

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.step_base import Answer, StepBase, StepRefused


def outcome(stdout: str, rc: int = 0) -> dict[str, object]:
    step = StepBase.__new__(StepBase)  # needs no connection
    return step.outcome(Answer(rc, stdout, ""), {"title": "mend it"})


def test_done_is_done() -> None:
    assert outcome("@changed\n@did wrote a\n@done\n") == {
        "changed": True,
        "lines": ["wrote a"],
        "backup": "",
        "msg": "wrote a",
    }


@pytest.mark.parametrize(
    ("stdout", "rc", "why"),
    [
        ("@failed no space\n@done\n", 0, "mend it: no space"),  # a failure in a pipeline ends only its own shell
        ("@did half\n", 0, "mend it: half"),
        ("@done\n", 1, "mend it: ended with rc 1"),
    ],
)
def test_anything_else_is_failed(stdout: str, rc: int, why: str) -> None:
    result = outcome(stdout, rc)
    assert (result["failed"], result["msg"]) == (True, why)


def test_refused_is_refused() -> None:
    with pytest.raises(StepRefused, match="look again"):
        outcome("@refused changed look again\n", 3)
