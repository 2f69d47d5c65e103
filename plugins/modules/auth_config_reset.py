#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: auth_config_reset
short_description: Take a broken extension-apiserver-authentication away
version_added: 0.1.0
description:
  - A kube-apiserver never mends this ConfigMap when a value in it cannot be parsed, but makes it anew when it is gone.
  - Keeps its content in the run's directory, deletes it, waits until it is there again.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Have extension-apiserver-authentication made anew
  kuberevive.cluster.auth_config_reset:
    step: "{{ rbac_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "took kube-system/extension-apiserver-authentication away; its content is in /var/lib/kuberevive/20260101T000000Z-1a2b3c4d"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
