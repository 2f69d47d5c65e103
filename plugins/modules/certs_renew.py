#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: certs_renew
short_description: Renew a master's certificates and prove each
version_added: 0.1.0
description:
  - Renews the control plane's certificates and kubeconfigs of one master with its own kubeadm, and signs with openssl from the
    CA what kubeadm cannot - other directories, no kubeadm, a kubeconfig with zero bytes, a key that does not fit.
  - Needs neither the API nor etcd. The node compares its clock with the controller's first and refuses beyond 30 seconds.
  - Every file that is overwritten is kept in the run's directory on the node. Afterwards each certificate must fit its key,
    verify against its CA, live long and have every alternative name it had; otherwise all old files are put back.
  - Where nothing is broken yet the cluster lives, and nobody shall notice. Before anything is touched every reachable master's
    kube-apiserver must be ready and every voter of etcd must answer a linearizable read; afterwards a handshake must show
    the new certificates within 100 seconds, and all must be well again; otherwise the old files are put back, and no other
    master's are touched in this run.
  - A certificate keeps its subject, names and usages, and gets a new key. An expired or absent CA is refused.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Renew certificates
  kuberevive.cluster.certs_renew:
    step: "{{ pki_step }}"
"""

RETURN = r"""
lines:
  description: What was renewed, one sentence for each certificate, with the old and the new end.
  returned: success
  type: list
  elements: str
  sample:
    - "apiserver: valid until Nov 21 00:02:36 2027 GMT (was: Nov 20 21:02:13 2026 GMT); /etc/kubernetes/pki/apiserver.crt, subject=…"
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
