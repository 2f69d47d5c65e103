#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_release
short_description: Bring back manifests that were put aside
version_added: 0.1.0
description:
  - Moves the manifests of etcd and of the API server back into the manifests directory, as they were; of units
    removes the drop-in that keeps them from starting, and starts them.
  - Only planned where the member's data turned out to be good, for example because its disk has been mounted meanwhile.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Bring back manifests that were put aside
  kuberevive.cluster.etcd_release:
    step: "{{ etcd_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "put /etc/kubernetes/manifests/etcd.yaml back"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
