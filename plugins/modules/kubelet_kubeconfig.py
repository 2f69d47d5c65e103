#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_kubeconfig
short_description: Write the kubelet's kubeconfig again
version_added: 0.1.0
description:
  - Rebuilds a missing, empty or broken kubelet.conf from public parts -
    the API's address and the CA as a peer has them, and the path of the node's own certificate.
  - Refuses when the peer's CA is not the one of this node.
  - Stops the kubelet before the file changes; M(kuberevive.cluster.kubelet_start) starts it again.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Write the kubelet's kubeconfig again
  kuberevive.cluster.kubelet_kubeconfig:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "wrote /etc/kubernetes/kubelet.conf for https://10.0.0.10:6443"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
