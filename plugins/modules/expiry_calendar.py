#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: expiry_calendar
short_description: Make a calendar of every certificate that was seen
description:
  - Reads what M(kuberevive.cluster.node_info) left in the run's spool, and touches no node.
  - Shows a table, next expiry first, with who renews each certificate, and writes it as JSON and CSV.
  - Names every node, and every part of one, that could not be looked at.
options:
  report_dir:
    description: Directory on the controller to write C(certificates.json) and C(certificates.csv) into; none by default.
    type: path
  quiet:
    description:
      - For a run that ends with a report of its own, as M(kuberevive.cluster.judge) writes it.
      - Shows no table, writes C(certificates.json) alone, and where that cannot be done warns instead of failing.
    type: bool
    default: false
attributes:
  check_mode:
    description: Runs the same in check mode, because it changes no node.
    support: full
author: The Kuberevive engineers (@kuberevive)
"""

EXAMPLES = r"""
- name: Look at the certificates of every node
  kuberevive.cluster.node_info:
    sections: [pki, kubelet]

- name: Make the calendar
  kuberevive.cluster.expiry_calendar:
    report_dir: /var/lib/calendar
  run_once: true
"""

RETURN = r"""
table:
  description: What was shown, or would have been without O(quiet).
  type: str
  returned: when the calendar could be made
  sample: "ENDS (UTC) DAYS STATE NODE KIND FILE SUBJECT SIGNED BY RENEWED BY"
counts:
  description: Number of certificates in each state.
  type: dict
  returned: when the calendar could be made
  sample: {expired: 0, near: 2, not_yet_valid: 0, unreadable: 0, ok: 55}
could_not_tell:
  description: Nodes that could not be looked at, or not at all of it.
  type: list
  elements: str
  returned: when the calendar could be made
  sample: [w7]
files:
  description: Paths of the files that were written.
  type: list
  elements: str
  returned: always
  sample: [/var/lib/calendar/certificates.json, /var/lib/calendar/certificates.csv]
ending:
  description: Why the run has to end with rc 2, in one sentence, or empty.
  type: str
  returned: when the calendar could be made
  sample: ""
"""
