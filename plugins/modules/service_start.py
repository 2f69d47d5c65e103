#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_start
short_description: Enable services that the boot did not start, and start them
version_added: 0.1.0
description:
  - Enables disabled units, lifts start limits, and starts the time service and the container runtime, in this order.
  - kubelet is only enabled here; it is started later in a run, when what it needs is there.
  - Components of the control plane that are units are enabled and started, and not waited for; none of them while etcd would start
    without its data.
  - Masked units are somebody's intent and left alone.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Enable and start services
  kuberevive.cluster.service_start:
    step: "{{ host_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["enabled kubelet"]
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
