#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swap_off
short_description: Switch swap off, now and for the next boot
version_added: 0.1.0
description:
  - Switches off the swap areas of this node, comments their lines in C(/etc/fstab) out
    and masks the C(.swap) units that would bring them back.
  - Refuses where the memory that is available would not hold what lies in swap.
  - Only planned where kubelet refuses to run with swap (C(failSwapOn), its default).
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Switch swap off
  kuberevive.cluster.swap_off:
    step: "{{ host_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence each.
  returned: success
  type: list
  elements: str
  sample: ["switched swap off: /swapfile"]
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
