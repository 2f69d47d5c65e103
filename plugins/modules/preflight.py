#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: preflight
short_description: Check the inventory and the run's variables before any node is touched
description:
  - Fails with one sentence for each problem.
options:
  allow:
    description: Names of what the operator consents to.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Runs the same in check mode, because it changes nothing.
    support: full
author: The Kuberevive engineers (@kuberevive)
"""

EXAMPLES = r"""
- name: Check the inventory
  kuberevive.cluster.preflight:
  run_once: true
"""

RETURN = r"""
problems:
  description: What is wrong, a sentence each.
  type: list
  elements: str
  returned: always
  sample: ["host m1 is in both groups, masters and workers: leave it in masters only"]
"""
