#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_hold
short_description: Keep an etcd member from being started before it is replaced
version_added: 0.1.0
description:
  - Stops the kubelet if it runs, moves the manifests of etcd and of the API server out of the manifests directory into
    C(kuberevive-held) beside it, ends both processes, and lets a kubelet that ran run again.
  - What systemd runs is kept from starting by a drop-in C(90-kuberevive-hold.conf) with a condition that never holds, also after
    a reboot.
  - An emptied first member would else start as a new, empty cluster; a half-dead API server would keep the kubelet from starting etcd.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Keep an etcd member from being started before it is replaced
  kuberevive.cluster.etcd_hold:
    step: "{{ etcd_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "put /etc/kubernetes/manifests/etcd.yaml aside as /etc/kubernetes/kuberevive-held/etcd.yaml"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
