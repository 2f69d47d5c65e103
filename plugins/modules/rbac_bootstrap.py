#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbac_bootstrap
short_description: Restart one kube-apiserver, which makes what every cluster is born with
version_added: 0.1.0
description:
  - A starting kube-apiserver makes the roles and bindings again that its version is born with, adds rules and subjects
    that are missing, and takes nothing away. No other way is needed, and none knows its version better.
  - Ends the container of one kube-apiserver with TERM and, after 30 seconds, KILL; waits until the new one is ready,
    which it is not before that work is done.
  - Taken on a master whose kube-apiserver does not serve anyway, else on one beside which nobody leads.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Restart one kube-apiserver
  kuberevive.cluster.rbac_bootstrap:
    step: "{{ rbac_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "ended kube-apiserver (container 4f3c2b1a0d9e), kubelet starts a new one"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
