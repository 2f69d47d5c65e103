#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_peer
short_description: Do one part of a change of etcd's membership at a healthy member
version_added: 0.1.0
description:
  - Delegated to a master whose member is good; asks etcd's own JSON gateway there with that member's certificates.
  - V(gate) waits up to 180 seconds for a linearizable read, counts the voters that answer without the lost one and refuses
    when they are no majority, when another member is being added, or when etcd reports corrupt data.
  - V(snapshot) saves a snapshot there and checks it against its own sha256; one of the last ten minutes is used again.
  - V(readd) passes the gate once more, removes the lost entry, adds the member anew as a learner and returns what its manifest needs.
  - V(promote) gives the learner its vote once it is in sync. V(prove) compares the members' data and writes and reads a value
    through the new member. V(strike) removes entries that no machine stands behind.
options:
  do:
    description: The part.
    type: str
    required: true
    choices: [gate, snapshot, readd, promote, prove, strike]
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Wait for a quorum that does not need this member
  kuberevive.cluster.etcd_peer:
    step: "{{ etcd_step }}"
    do: gate
  delegate_to: "{{ etcd_step.args.peer }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "removed the lost member 12285642417249772795 from etcd's list"
    - "added m2 to etcd's list as a learner"
member_id:
  description: ID of the new member, decimal.
  returned: when O(do=readd)
  type: str
initial_cluster:
  description: The list for the new member's C(--initial-cluster).
  returned: when O(do=readd)
  type: str
kuberevive:
  description: The part's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
