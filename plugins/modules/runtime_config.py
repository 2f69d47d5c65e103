#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: runtime_config
short_description: Put the container runtime's configuration back from a healthy peer
version_added: 0.1.0
description:
  - Replaces an empty or broken configuration of the container runtime with that of a node of the same kind,
    and restarts the runtime where it had read the bad one.
  - What was there is kept in the run's backup.
  - A configuration that holds credentials is never carried from node to node; the step is refused then.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Put the configuration back
  kuberevive.cluster.runtime_config:
    step: "{{ runtime_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["put /etc/containerd/config.toml back as m1 has it"]
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
