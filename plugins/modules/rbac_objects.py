#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbac_objects
short_description: Make objects again that kubeadm once made
version_added: 0.1.0
description:
  - Makes those roles, bindings and ConfigMaps of kubeadm that are missing, as a fresh cluster of the same version has
    them; C(cluster-info) from this node's admin.conf and CA, kubelet's ConfigMap from this node's kubelet
    configuration. What is there stays as it is.
  - Asks with the first admin kubeconfig of the node that may do everything, else with a certificate of group
    system:masters that is kept in memory only, with its key.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Make kubeadm's objects again
  kuberevive.cluster.rbac_objects:
    step: "{{ rbac_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "made clusterrolebindings kubeadm:cluster-admins again"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
