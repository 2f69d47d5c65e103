#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apiserver_probes
short_description: Let kubelet's probes ask kube-apiserver again, hardened as it is
version_added: 0.1.0
description:
  - Since 1.32 an AuthenticationConfiguration opens C(/livez), C(/readyz) and C(/healthz) to everybody, and nothing else; it is
    mounted, named by C(--authentication-config), and C(--anonymous-auth) is dropped, which it must not stand beside. An
    AuthenticationConfiguration that is there is extended.
  - In older versions the probes ask by C(tcpSocket) whether the port is open. A hanging API server is not ended by them then;
    no probe without a credential can know more there. kubeadm has no place for probes, so a patch for C(kubeadm --patches) is
    left beside the manifests.
  - With C(kuberevive_anonymous_auth=true) everybody may ask without a name again instead (RBAC says what).
  - Probes that ask a port where nothing answers are pointed to the one that is served.
  - The manifest is made ready outside the directory that kubelet watches, then renamed into it; the old one is kept, and put back
    where the new kube-apiserver does not become ready within 180 seconds.
  - ClusterConfiguration in C(kubeadm-config) is changed alike, so that the next upgrade does not bring the fault back.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Let kubelet ask again
  kuberevive.cluster.apiserver_probes:
    step: "{{ apiserver_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "changed /etc/kubernetes/manifests/kube-apiserver.yaml; kubelet starts a new kube-apiserver"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
