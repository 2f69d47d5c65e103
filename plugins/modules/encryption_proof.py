#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: encryption_proof
short_description: Find out which encryption key opens which record of etcd
version_added: 0.2.0
description:
  - For one task with a loop, first over every master with V(keys), then over every master with V(records). What the first
    items fetch stays in the memory of the one process that works through the loop, and ends with it.
  - V(keys) fetches the C(EncryptionConfiguration) of a master and every copy beside it, encrypted by the node to a throw-away
    certificate of this run.
  - V(records) reads the records of every covered resource from etcd, in pages, at one revision, and tries every known key on
    their first block. The first master whose etcd answers is enough; the items after it do nothing.
  - Only fingerprints, counts and names of records are kept, for M(kuberevive.cluster.judge).
  - Where no API server encrypts anything it does nothing, and talks to no node.
options:
  host:
    description: Inventory name of the master; needed because the task is delegated.
    type: str
  do:
    description: What this item does.
    type: str
    required: true
    choices: [keys, records]
  max_age:
    description: Seconds for which an earlier answer of this run serves, as long as no step was taken since.
    type: float
    default: 0
attributes:
  check_mode:
    description: Can run in check_mode; it reads only.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  platform:
    description: Target systems it works on.
    support: full
    platforms: posix
notes:
  - Needs C(openssl) and C(curl) on the masters, and Python's cryptography 44 or newer and PyNaCl on the controller.
  - Never reports a change, never fails. Why there is no proof is a result.
author:
  - The Kuberevive engineers
"""

EXAMPLES = r"""
- name: Find out which key opens which record
  kuberevive.cluster.encryption_proof:
    host: "{{ survey_item.1 }}"
    do: "{{ survey_item.0 }}"
  delegate_to: "{{ survey_item.1 }}"
  loop: "{{ ['keys', 'records'] | product(groups['masters']) }}"
  loop_control:
    loop_var: survey_item
  run_once: true
"""

RETURN = r"""
msg:
  description: What this item found, in one sentence.
  returned: always
  type: str
  sample: 41 encrypted records, 0 of them open with no known key
"""
