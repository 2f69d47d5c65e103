#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeconfig_refresh
short_description: Put admin.conf's client certificate into its stale copies
version_added: 0.1.0
description:
  - Replaces the client certificate and key in copies of admin.conf in home directories, which nothing else ever renews.
  - Only where the old certificate has admin.conf's subject and was signed by this cluster's CA. Other users, clusters and
    contexts in the file, its owner and its mode stay. A copy of root's that has zero bytes becomes admin.conf again.
  - Refuses while admin.conf itself is not valid. The old file is kept in the run's directory on the node.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Refresh copies of admin.conf
  kuberevive.cluster.kubeconfig_refresh:
    step: "{{ pki_step }}"
"""

RETURN = r"""
lines:
  description: Each refreshed copy, with the end of its new certificate.
  returned: success
  type: list
  elements: str
  sample:
    - "/root/.kube/config: client certificate valid until Nov 21 00:02:36 2027 GMT"
backup:
  description: Where the old files lie on the node.
  returned: changed
  type: str
  sample: /var/lib/kuberevive/20261121T000110Z-5f3a9c21
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
