#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_serving_approve
short_description: Approve a kubelet's own request for a serving certificate
version_added: 0.1.0
description:
  - Works in parts, each its own task - V(ask) delegated to a master, V(restart) on the node where its kubelet waits for nothing,
    V(ask) again, V(approve) delegated to the master, V(prove) on the node.
  - A request is approved only if C(system:node:<name>) of group C(system:nodes) made it, its subject is that node's, it asks for
    no more than serving, and each of its names and addresses is the node's own as seen over SSH and nobody else's.
  - What is approved is the very object that was judged, of the same resourceVersion. The administrator's credential stays on the master.
  - Every other request is left as it is; the check C(kubelet.serving_csr_strange) names it.
options:
  part:
    description: Which part of the step this task takes.
    type: str
    required: true
    choices: [ask, restart, approve, prove]
  again:
    description: Whether the kubelet has just started and will ask; waits a minute at most.
    type: bool
    default: false
  seen:
    description: Names of requests that were there before.
    type: list
    elements: str
  request:
    description: The request that part V(ask) has chosen, JSON in base64.
    type: str
  api:
    description: The version of certificates.k8s.io it was read in.
    type: str
  did:
    description: What the parts before did, for the report.
    type: list
    elements: str
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Ask and judge
  kuberevive.cluster.kubelet_serving_approve:
    step: "{{ kubelet_step }}"
    part: ask
  delegate_to: "{{ kubelet_step.args.asker }}"
  register: kubelet_asked

- name: Approve
  kuberevive.cluster.kubelet_serving_approve:
    step: "{{ kubelet_step }}"
    part: approve
    request: "{{ kubelet_asked.request }}"
    api: "{{ kubelet_asked.api }}"
  delegate_to: "{{ kubelet_step.args.asker }}"

- name: Prove
  kuberevive.cluster.kubelet_serving_approve:
    step: "{{ kubelet_step }}"
    part: prove
    request: "{{ kubelet_asked.request }}"
    api: "{{ kubelet_asked.api }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "approved csr-ln6vj: system:node:w1 with w1, 10.77.0.21"
    - "the kubelet serves it until Nov 21 21:13:00 2027 GMT"
request:
  description: The request that was chosen, JSON in base64; empty for none.
  returned: part ask
  type: str
missing:
  description: Whether the kubelet waits for none that may be approved.
  returned: part ask
  type: bool
api:
  description: The version of certificates.k8s.io it was read in.
  returned: part ask
  type: str
seen:
  description: Names of all requests of this node that wait.
  returned: part ask
  type: list
  elements: str
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
