#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: node_info
short_description: Look at a Kubernetes node over SSH without changing it
description:
  - Pipes one POSIX sh probe over the connection and parses its answer on the controller.
  - Needs no Python, no temporary file and no free byte on the node.
  - An unreachable host is a fact of the result, not a failed task.
  - The facts stay in the run's private spool for M(kuberevive.cluster.judge); the result is small.
options:
  sections:
    description: The layers to look at; all of them by default.
    type: list
    elements: str
    choices: [host, runtime, pki, kubelet, etcd, apiserver, controllers]
  host:
    description: Inventory name the facts belong to; set it when the task is delegated.
    type: str
  max_age:
    description:
      - Seconds for which this run's last look at the node still serves, as long as no step was taken since on any node.
      - V(0) always looks.
    type: float
    default: 0
attributes:
  check_mode:
    description: Runs the same in check mode, because it changes nothing.
    support: full
author: The Kuberevive engineers (@kuberevive)
"""

EXAMPLES = r"""
- name: Look at every node
  kuberevive.cluster.node_info:
"""

RETURN = r"""
reachable:
  description: Whether the node answered.
  type: bool
  returned: always
  sample: true
why:
  description: Why it did not answer, in one sentence.
  type: str
  returned: always
  sample: ""
sections:
  description: How each section ended, V(ok), V(timeout) or a reason.
  type: dict
  returned: always
  sample: {host: ok, etcd: timeout}
"""
