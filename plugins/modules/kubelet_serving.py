#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubelet_serving
short_description: Let a kubelet sign itself a new serving certificate
version_added: 0.1.0
description:
  - Kubelet signs itself one for a year at its first start, and makes no other while that file is there.
  - Keeps a copy of C(kubelet.crt) and C(kubelet.key), stops the kubelet, moves them away, starts it, and proves by a handshake
    that it serves the new file and that this lives long enough. Else the old pair is put back, and the kubelet started with it.
  - Where the kubelet does not run, the pair is only moved away; M(kuberevive.cluster.kubelet_start) starts it. Pods are not touched.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Let the kubelet sign itself a new serving certificate
  kuberevive.cluster.kubelet_serving:
    step: "{{ kubelet_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "moved /var/lib/kubelet/pki/kubelet.crt and its key away"
    - "the kubelet started again and serves its new certificate until Nov 21 20:30:59 2027 GMT"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
