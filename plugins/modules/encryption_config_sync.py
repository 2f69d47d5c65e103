#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: encryption_config_sync
short_description: Give an API server the encryption configuration that is proven to open every record
version_added: 0.2.0
description:
  - For one task with a loop of two items, V(fetch) delegated to the host that has the proven file, then V(install) at the host
    that needs it. The file passes through the memory of the one process that works through the loop. It travels encrypted to a
    throw-away certificate of this run, and over the standard input of SSH.
  - V(fetch) refuses where the file is no longer what was proven.
  - V(install) keeps the old file in the run's backup directory, writes the new one atomically with the old one's mode and owner,
    and restarts this one kube-apiserver. One that serves is waited for until it is ready.
options:
  do:
    description: The part.
    type: str
    required: true
    choices: [fetch, install]
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Bring the proven configuration
  kuberevive.cluster.encryption_config_sync:
    step: "{{ apiserver_step }}"
    do: "{{ apiserver_part.do }}"
  delegate_to: "{{ apiserver_part.at }}"
  loop:
    - {do: fetch, at: "{{ apiserver_step.args.proven.host }}"}
    - {do: install, at: "{{ inventory_hostname }}"}
  loop_control:
    loop_var: apiserver_part
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - wrote the proven encryption configuration to /data/kubernetes/secrets.conf (mode 600, root:root)
backup:
  description: Directory on the node that holds the file that was there before.
  returned: success
  type: str
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
