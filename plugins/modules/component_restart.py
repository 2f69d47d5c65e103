#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: component_restart
short_description: Restart kube-apiserver so that it serves the certificate on disk
version_added: 0.1.0
description:
  - Ends the container by crictl, docker or ctr with TERM and, after 30 seconds, KILL; kubelet starts a new one. Where it is a
    systemd unit, systemd restarts it, with the same patience.
  - Waits until the new one runs and answers ready by its own address, its certificate verified.
  - Refused where the unit is masked, or, of a static pod, where kubelet does not run, since nothing would start it
    again, and where no client of the runtime is there.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Restart kube-apiserver
  kuberevive.cluster.component_restart:
    step: "{{ apiserver_step }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "ended kube-apiserver (container 4f3c2b1a0d9e), kubelet starts a new one"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
