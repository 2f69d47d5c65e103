#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: judge
short_description: Judge what was observed and plan the repairs
description:
  - Reads what M(kuberevive.cluster.node_info) left in the run's spool, and touches no node.
  - In check mode it judges as if the steps recorded so far had been taken.
options:
  phases:
    description: Return only the steps of these phases of a run; all by default.
    type: list
    elements: str
  show:
    description: What to print.
    type: str
    choices: [nothing, findings, plan, end]
    default: nothing
  report_dir:
    description: Directory on the controller to write C(report.json) into; none by default.
    type: path
attributes:
  check_mode:
    description: Judges the predicted state in check mode.
    support: full
author: The Kuberevive engineers (@kuberevive)
"""

EXAMPLES = r"""
- name: Judge what was seen
  kuberevive.cluster.judge:
    show: plan
  run_once: true
  register: judgement
"""

RETURN = r"""
steps:
  description: Steps to take, by host, in order.
  type: dict
  returned: always
  sample: {m1: [{kind: certs_renew, title: renew 9 certificates}]}
kinds:
  description: The kinds of these steps, in the order they are to be taken.
  type: list
  elements: str
  returned: always
  sample: [certs_renew, kubeconfig_refresh]
order:
  description: Hosts that the play of each phase is to visit.
  type: dict
  returned: always
  sample: {pki: [m1, m2, m3]}
findings:
  description: Code, host and severity of each finding, root cause first.
  type: list
  elements: dict
  returned: always
  sample: [{code: pki.cert_expired, host: m1, severity: critical}]
critical:
  description: Number of critical findings.
  type: int
  returned: always
  sample: 1
"""
