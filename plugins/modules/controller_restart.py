#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: controller_restart
short_description: Restart kube-controller-manager and kube-scheduler that do not read their renewed kubeconfigs
version_added: 0.1.0
description:
  - Both read their kubeconfig once, so after a renewal they stay shut out, running and without restarts, for ever.
  - Ends the container by crictl, docker or ctr with TERM and, after 30 seconds, KILL; kubelet starts a new one; units are
    restarted by systemd. The controller-manager comes last, and only when another one leads or at least 80 % of the
    reachable nodes heartbeat, because one that begins to lead evicts the pods of nodes that do not.
  - Waits until the new ones run and are no longer refused.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Restart controllers
  kuberevive.cluster.controller_restart:
    step: "{{ controllers_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "ended kube-scheduler (container 4f3c2b1a0d9e), kubelet starts a new one"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
