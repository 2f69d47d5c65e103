#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_config
short_description: Write the kubelet's configuration file again
version_added: 0.1.0
description:
  - Writes a missing, empty or broken configuration file as a peer of the same kubelet version has it, a peer of the same role first.
  - A peer's file with settings of that host alone is not taken.
  - Stops the kubelet before the file changes; M(kuberevive.cluster.kubelet_start) starts it again.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Write the kubelet's configuration file again
  kuberevive.cluster.kubelet_config:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "wrote /var/lib/kubelet/config.yaml"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
