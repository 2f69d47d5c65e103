"""What --check judges: the newest look, with the steps recorded so far as if they had been taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.deliberate import deliberate
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool


@pytest.mark.parametrize(
    ("check_mode", "recorded", "foretold"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_only_recorded_steps_of_check_are_foretold(
    tmp_path: Path, check_mode: bool, recorded: bool, foretold: bool
) -> None:
    spool = Spool(tmp_path)
    spool.put_node(Node("m1", ("masters",), reachable=True))
    if recorded:
        spool.add_effect("m1", "controller_backoff_reset", {})
    _, cluster = deliberate(spool, {"masters": ["m1"]}, {}, check_mode)
    assert cluster.foretold is foretold
