#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rbac_autoupdate
short_description: Lift the protection of bootstrap roles that lack a part
version_added: 0.1.0
description:
  - An object with the annotation C(rbac.authorization.kubernetes.io/autoupdate=false) is left as it is by every
    kube-apiserver. Somebody wanted that, so it needs the consent C(rbac.autoupdate_off).
  - Sets the annotation to C(true) and restarts one kube-apiserver as M(kuberevive.cluster.rbac_bootstrap) does.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Complete protected roles
  kuberevive.cluster.rbac_autoupdate:
    step: "{{ rbac_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "lifted the protection of clusterroles/system:kube-controller-manager"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
