#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member_replace
short_description: Start a replaced etcd member on its own node
version_added: 0.1.0
description:
  - The parts of a member's replacement that happen on its own node; M(kuberevive.cluster.etcd_peer) does the others at a
    healthy member, before and after.
  - V(start) moves the old C(member) directory away, sets O(initial_cluster) and C(existing) in the manifest, or in the file that
    tells its unit, everything else untouched, and waits until the kubelet or systemd has started etcd. V(finish) lets the API
    server start again.
  - Every part looks at what an earlier, killed run has done already and goes on from there.
  - Refuses to work on more than one host of a batch.
options:
  do:
    description: The part.
    type: str
    required: true
    choices: [start, finish]
  member_id:
    description: ID of the new member, from M(kuberevive.cluster.etcd_peer). Needed for O(do=start).
    type: str
  initial_cluster:
    description: The exact list for C(--initial-cluster), from M(kuberevive.cluster.etcd_peer). Needed for O(do=start).
    type: str
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Start the new member on an empty directory
  kuberevive.cluster.etcd_member_replace:
    step: "{{ etcd_step }}"
    do: start
    member_id: "{{ etcd_added.member_id }}"
    initial_cluster: "{{ etcd_added.initial_cluster }}"
"""

RETURN = r"""
lines:
  description: What was done, one sentence for each thing.
  returned: success
  type: list
  elements: str
  sample:
    - "moved /var/lib/etcd/member to /var/lib/kuberevive/20260102T030405Z-0a1b2c3d/files/var/lib/etcd/member"
backup:
  description: Directory on the node that holds what was overwritten or moved.
  returned: success
  type: str
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
