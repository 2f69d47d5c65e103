#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: step_failed
short_description: Keep what went wrong in a repair for the report
description:
  - Used in the rescue of every layer's role, so that the repairs of other nodes go on.
options:
  step:
    description: The step that failed.
    type: dict
    default: {}
  result:
    description: The failed task's result.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Runs the same in check mode.
    support: full
author: The Kuberevive engineers (@kuberevive)
"""

EXAMPLES = r"""
- name: Record what failed and leave the rest to the others
  kuberevive.cluster.step_failed:
    step: "{{ host_step | default({}) }}"
    result: "{{ ansible_failed_result }}"
"""

RETURN = r"""
msg:
  description: The failure's message.
  type: str
  returned: always
  sample: "free disk space: contact with m2 was lost"
"""
