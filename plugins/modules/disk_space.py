#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: disk_space
short_description: Free space on a full disk, safe things first
version_added: 0.1.0
description:
  - Works down a fixed ladder of things that may go - rotated logs, archived journal, package caches, core dumps, overgrown
    container and system logs, exited containers - and stops at the target.
  - Every file is named in the result with its size. Only files are taken, by pattern and age, never a directory.
  - Never touches images, volumes, pods' data, the runtime's storage or etcd's data; what takes the most room among what it
    may not free is named with its size.
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Free space
  kuberevive.cluster.disk_space:
    step: "{{ host_step }}"
"""

RETURN = r"""
lines:
  description: What was freed, one sentence for each thing, biggest first within a rung.
  returned: success
  type: list
  elements: str
  sample:
    - "removed rotated log /var/log/syslog.3.gz (12 MiB)"
    - "emptied /var/log/pods/kube-system_x/y/0.log (812 MiB)"
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
