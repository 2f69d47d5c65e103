#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_start
short_description: Enable and start the kubelet
version_added: 0.1.0
description:
  - Enables the unit, starts it and waits until its own health check says ok, 60 seconds at most.
  - On a master whose etcd is dead, a kube-apiserver process left alone is ended first,
    because it would keep the kubelet from starting etcd.
  - Refuses where the kubelet would start etcd on an empty directory as a new cluster, and where the unit is masked.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Enable and start the kubelet
  kuberevive.cluster.kubelet_start:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "started the kubelet"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
