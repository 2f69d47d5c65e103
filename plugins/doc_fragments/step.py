"""Documentation that every repair action shares."""

from __future__ import annotations

__all__ = ["ModuleDocFragment"]


class ModuleDocFragment:
    """Options, attributes and notes of the repair actions."""

    DOCUMENTATION = r"""
options:
  step:
    description:
      - The step as M(kuberevive.cluster.judge) planned it for this host, with C(kind), C(host), C(title), C(codes) and C(args).
      - Facts on the node are looked at again before anything is changed.
    type: dict
    required: true
attributes:
  check_mode:
    description: Can run in check_mode and say what would be changed without changing it.
    support: full
    details: The step's effect is noted, so that what follows in the same run is judged as if it had been taken.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  platform:
    description: Target systems it works on.
    support: full
    platforms: posix
notes:
  - Needs no Python, no temporary file and no free byte on the node.
  - Lost contact is an ordinary failure, not C(unreachable), so that a C(rescue) sees it.
author:
  - The Kuberevive engineers
"""
