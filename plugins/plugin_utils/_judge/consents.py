"""What can be consented to by name in kuberevive_allow, and what saying yes means."""

from __future__ import annotations

__all__ = ["CONSENTS"]

CONSENTS: dict[str, str] = {
    "etcd.member_data_lost": "replace an etcd member whose data directory still holds something, though nothing usable",
    "etcd.member_stale_entry": "remove an etcd member that no host of the inventory has",
}
