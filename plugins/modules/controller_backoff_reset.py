#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_backoff_reset
short_description: Restart kubelet to end the CrashLoopBackOff of controllers
version_added: 0.1.0
description:
  - The wait of up to five minutes before a container is started again lives in the memory of kubelet. Running containers
    are not touched by its restart.
  - Planned only where what made kube-controller-manager or kube-scheduler end is gone; usually that was an API server that
    did not answer.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: End CrashLoopBackOff of controllers
  kuberevive.cluster.controller_backoff_reset:
    step: "{{ controllers_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "restarted kubelet, so that it starts at once what it held in CrashLoopBackOff"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
