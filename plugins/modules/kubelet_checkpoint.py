#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_checkpoint
short_description: Move broken state files of the kubelet away
version_added: 0.1.0
description:
  - State files that kubelet cannot read and makes again by itself, only where no static CPU or memory policy is set.
  - The files go into the run's vault on that node.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Move broken state files of the kubelet away
  kuberevive.cluster.kubelet_checkpoint:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "moved /var/lib/kubelet/cpu_manager_state away"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
