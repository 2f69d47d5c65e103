#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_start
short_description: Start the container runtime
version_added: 0.1.0
description:
  - Starts containerd, Docker or CRI-O and waits until it answers on its socket.
  - A pid file of Docker that belongs to no running Docker is moved aside first.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Start the container runtime
  kuberevive.cluster.runtime_start:
    step: "{{ runtime_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["started containerd; it answers"]
backup:
  description: The directory on the node that keeps what was overwritten.
  returned: when something was overwritten
  type: str
  sample: /var/lib/kuberevive/20261120T233000Z-1f2e3d4c
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
