"""Clusters of what real nodes said (tests/capture.py)."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS, Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.observe import observe

__all__ = ["FIXTURES", "captured"]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "probe"


def captured(profile: str, situation: str) -> Cluster:
    """The four nodes of one situation, judged at the moment they were asked."""
    nodes: list[Node] = []
    now = datetime.min
    for path in sorted((FIXTURES / profile / situation).glob("*.txt")):
        head, _, answer = path.read_text(encoding="utf-8").partition("\n")
        found = re.search(r"groups=(\S+); at=(\S+)", head)
        assert found, f"{path}: no head"
        now = datetime.fromisoformat(found[2])
        nodes.append(observe(path.stem, tuple(found[1].split(",")), answer, LAYERS, now, now))
    assert len(nodes) == 4, f"{profile}/{situation}: four nodes were captured"
    return Cluster(tuple(nodes), now)
