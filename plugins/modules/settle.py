#!/usr/bin/python
"""Documentation of the action of the same name; the work is done on the controller and in sh."""

from __future__ import annotations

DOCUMENTATION = r"""
module: settle
short_description: Wait until what was repaired has settled, and prove it
version_added: 0.1.0
description:
  - On every node, waits until its kubelet is healthy. On masters also until their own kube-apiserver is ready, asked by its
    own address with its certificate verified, until the leases of kube-controller-manager, kube-scheduler and of every
    reachable node move, and until those nodes say Ready.
  - What it still waits for when its time is over is said in the result; it does not fail, since the last look judges the
    end state.
options:
  seconds:
    description: How long to wait at most.
    type: int
    default: 240
  leaders:
    description:
      - Also wait until kube-controller-manager and kube-scheduler lead and the nodes say Ready.
      - V(false) waits for kube-apiserver and the nodes' own leases only, which is what restarting the leaders needs.
    type: bool
    default: true
  canary:
    description:
      - Afterwards write, read and delete a ConfigMap C(kuberevive-canary-<node>) in C(kube-system) through each master's own
        kube-apiserver; where V(leaders), one master also has a Deployment of no replicas taken up by a controller. Where that
        fails, M(kuberevive.cluster.judge) finds C(apiserver.canary_failed) from then on.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check_mode; it waits for nothing then, since nothing was changed.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  platform:
    description: Target systems it works on.
    support: full
    platforms: posix
notes:
  - Needs no Python and no temporary file on the node, but C(curl) and, on masters, an admin kubeconfig beside the manifests.
  - Never reports a change.
author:
  - The Kuberevive engineers
"""

EXAMPLES = r"""
- name: Wait until what was repaired has settled, and prove it
  kuberevive.cluster.settle:
    seconds: 240
    canary: true
"""

RETURN = r"""
settled:
  description: Whether everything it waits for was there in time.
  returned: always
  type: bool
  sample: true
waits:
  description: What it still waited for when its time was over; empty when it settled.
  returned: always
  type: str
  sample: "these leases to be renewed: kube-system/kube-controller-manager"
took:
  description: Seconds it waited.
  returned: success
  type: int
  sample: 31
canary:
  description: V(ok), or which of write, read and delete failed and how; empty where it was not tried.
  returned: success
  type: str
  sample: ok
"""
