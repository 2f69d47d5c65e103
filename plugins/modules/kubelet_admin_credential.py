#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_admin_credential
short_description: Move cluster-admin credentials out of the kubelet's files
version_added: 0.1.0
description:
  - Certificates of C(system:masters) or C(kubeadm:cluster-admins) with their keys that lie in the kubelet's certificate directory
    go into the run's vault on that node.
  - They are named so that the operator treats them as leaked.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Move cluster-admin credentials out of the kubelet's files
  kuberevive.cluster.kubelet_admin_credential:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "moved the cluster-admin credential /var/lib/kubelet/pki/kubelet-client-2024-02-23-08-13-25.pem away; treat it as leaked"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
