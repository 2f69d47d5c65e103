#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_credential
short_description: Give a kubelet a client certificate of its own
version_added: 0.1.0
description:
  - Works in three parts, each its own task - V(request) on the node, V(sign) delegated to a master, V(install) on the node.
  - The private key is made on the node and never leaves it; only the request and the certificate travel, both public.
  - The master signs for C(O=system:nodes, CN=system:node:<name>) of that very node and nothing else, and not while the clocks are apart.
  - An older certificate on the node that still holds is used instead of a new one; then only V(install) is needed.
  - Stops the kubelet before its files change; M(kuberevive.cluster.kubelet_start) starts it again.
options:
  part:
    description: Which part of the step this task takes.
    type: str
    required: true
    choices: [request, sign, install]
  csr:
    description: The request from part V(request), DER in base64.
    type: str
  now:
    description: The node's clock when it asked, in seconds since the epoch.
    type: str
  cert:
    description: The certificate from part V(sign), DER in base64; empty where the step uses an older one.
    type: str
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Ask on the node
  kuberevive.cluster.kubelet_credential:
    step: "{{ kubelet_step }}"
    part: request
  register: kubelet_request

- name: Sign on a master
  kuberevive.cluster.kubelet_credential:
    step: "{{ kubelet_step }}"
    part: sign
    csr: "{{ kubelet_request['values']['csr'] }}"
    now: "{{ kubelet_request['values']['now'] }}"
  delegate_to: "{{ kubelet_step.args.signer }}"
  register: kubelet_signed

- name: Put it in place
  kuberevive.cluster.kubelet_credential:
    step: "{{ kubelet_step }}"
    part: install
    cert: "{{ kubelet_signed['values']['cert'] }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "kubelet-client-current.pem: CN=system:node:w1,O=system:nodes until Nov 20 23:45:00 2027 GMT"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
