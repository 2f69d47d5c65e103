"""Where kuberevive-run is tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.job_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty one."""
    return Place(tmp_path)
