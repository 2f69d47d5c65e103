"""Finds out which key opens which record of etcd. One task's loop over the masters: first their keys, then the records."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import courier, etcd_view
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import (
    Candidate,
    EncryptionFacts,
    EncryptionProof,
)
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._steps.etcd import peer_args
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.delegation import aim
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_records import Tally
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_step import EncryptionStep, NotRead
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.encryption_view import facts_of, ranges
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Cluster, Node
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.spool import Spool

__all__ = ["ActionModule"]


class ActionModule(EncryptionStep):
    """See plugins/modules/encryption_proof.py."""

    KIND = "encryption_proof"
    _VALID_ARGS = frozenset(("host", "do", "max_age"))

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """One item: a host's keys, or the records as its etcd tells them. Read-only in every mode; never fails."""
        variables = task_vars or {}
        self.spool = Spool.of_this_run()
        self.host = str(self._task.args.get("host") or variables.get("inventory_hostname", ""))
        do = str(self._task.args.get("do") or "")
        if do not in ("keys", "records"):
            raise AnsibleError(f"encryption_proof: do must be keys or records, not {do!r}")
        masters = [n for name in variables.get("groups", {}).get("masters", []) if (n := self.spool.node(name))]
        told = [facts for n in masters if n.reachable and (facts := facts_of(n)) is not None]
        node = next((n for n in masters if n.name == self.host), None)
        if not told:
            return _said("no API server encrypts anything")
        if courier.here().tried or self._fresh(self.spool.encryption()):
            return _said("it is known already")
        if node is None or not node.reachable:
            courier.here().unread[self.host] = "it cannot be reached"
            return _said("it cannot be reached")
        aim(self._connection, self._task.delegate_to, variables)
        return self._keys(node) if do == "keys" else self._records(node, told, masters)

    def _fresh(self, proof: EncryptionProof | None) -> bool:
        if proof is None or proof.why:
            return False
        age = (datetime.now(timezone.utc) - proof.at).total_seconds()
        changed = not self._task.check_mode and self.spool.step_since(proof.at)
        return 0 <= age <= float(self._task.args.get("max_age") or 0) and not changed

    def _keys(self, node: Node) -> dict[str, Any]:
        facts = facts_of(node)
        holder = courier.here()
        if facts is None or facts.file is None:
            return _said("its API server reads no such file")
        try:
            self.fetch(node.name, facts.file.path)
        except (AnsibleError, courier.CourierError) as error:
            holder.unread[node.name] = " ".join(str(error).split())[:300]
            return _said(holder.unread[node.name])
        return _said(f"{sum(c.host == node.name for c in holder.candidates())} configurations")

    def _records(self, node: Node, told: list[EncryptionFacts], masters: list[Node]) -> dict[str, Any]:
        holder = courier.here()
        now = datetime.now(timezone.utc)
        unread = tuple(f"{host}: {why}" for host, why in holder.unread.items())
        candidates: tuple[Candidate, ...] = ()
        revision = ""
        try:
            candidates = holder.candidates()
            places = ranges([rule for c in candidates for rule in c.rules], told[0].prefix)
            tally = Tally(holder.keys())
            if not places:
                raise NotRead("no configuration could be read that says what is encrypted")
            why = etcd_view.not_of_cluster(node, Cluster(tuple(masters), now))
            if why:
                raise NotRead(why)
            for resource, records, at in self.records(peer_args(node), places):
                revision = at
                tally.add(resource, records)
        except (AnsibleError, NotRead, RuntimeError) as error:
            why = f"{node.name}: {' '.join(str(error).split())[:400]}"
            self.spool.put_encryption(EncryptionProof(now, why, candidates=candidates, unread=unread))
            return _said(why)
        proof = EncryptionProof(
            at=now,
            read_at=node.name,
            revision=revision,
            opened=tally.opened,
            others=tally.others,
            seen=tuple(tally.seen),
            kms=tally.kms,
            closed=tuple(tally.closed),
            closed_count=tally.closed_count,
            odd=tuple(tally.odd),
            odd_count=tally.odd_count,
            candidates=candidates,
            unread=unread,
        )
        self.spool.put_encryption(proof)
        holder.tried = True
        return _said(f"{proof.encrypted} encrypted records, {proof.closed_count} of them open with no known key")


def _said(text: str) -> dict[str, Any]:
    return {"changed": False, "msg": text}
