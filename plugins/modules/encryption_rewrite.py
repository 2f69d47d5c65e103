#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: encryption_rewrite
short_description: Bring records that masters wrote with several keys under one encryption key
version_added: 0.2.0
description:
  - For one task with a loop of parts, delegated to where each works. V(fetch) at every master, V(records), V(union) at every
    master, V(records), V(rewrite), V(records), V(single) at every master, V(last). Keys stay in the memory of the one process that
    works through the loop. A part that fails ends the parts after it.
  - V(records) finds the records that are not under the key that stays, the one that opens most. Where such a record's padding
    would pass by accident under another key of the same name, it is rewritten in etcd itself, by a transaction that only
    succeeds while the record is unchanged.
  - V(union) gives a master a configuration with all keys, the one that stays first; V(rewrite) has kube-apiserver write every
    other record again, as it is; V(single) gives a master the configuration with the one key. Every kube-apiserver is
    restarted by itself and waited for. V(last) fails where a record was written with another key meanwhile.
  - Each part looks at how things are, so that a run that was killed is gone on with by the next.
options:
  do:
    description: The part.
    type: str
    required: true
    choices: [fetch, records, union, rewrite, single, last]
  at:
    description: Inventory name of the master that the part works at.
    type: str
    required: true
extends_documentation_fragment:
  - kuberevive.cluster.step
"""

EXAMPLES = r"""
- name: Bring every record under one key
  kuberevive.cluster.encryption_rewrite:
    step: "{{ apiserver_step }}"
    do: "{{ apiserver_part.0 }}"
    at: "{{ apiserver_part.1 }}"
  delegate_to: "{{ apiserver_part.1 }}"
  loop: "{{ ['fetch'] | product(apiserver_masters) + ['records'] | product([apiserver_step.args.peer]) }}"
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
    - rewrote 30 records through kube-apiserver
backup:
  description: Directory on the node that holds the file that was there before.
  returned: success
  type: str
kuberevive:
  description: The step's entry in the report, with kind, host, title, codes, state, lines, backup and msg.
  returned: always
  type: dict
"""
