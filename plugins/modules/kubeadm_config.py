#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubeadm_config
short_description: Make kubeadm's configuration of the cluster again
version_added: 0.1.0
description:
  - Tells the ClusterConfiguration from this master's manifests, certificate and kubeconfig, lets its kubeadm generate
    manifests from it into a directory that nobody else sees, adds what they lack, and lets it generate them again.
  - Only when these have the flags, mounts and images that run now does C(kubeadm init phase upload-config kubeadm) keep
    it. What no configuration can keep, such as changed probes, is named.
  - A ConfigMap that is there is left as it is.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Make kubeadm-config again
  kuberevive.cluster.kubeadm_config:
    step: "{{ rbac_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "made ConfigMap kube-system/kubeadm-config again: kubeadm generates from it the manifests of this node"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
