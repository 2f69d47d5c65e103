"""What can be consented to by name in kuberevive_allow, and what saying yes means."""

from __future__ import annotations

__all__ = ["CONSENTS"]

CONSENTS: dict[str, str] = {
    "apiserver.encryption_mixed_keys": "rewrite every record that is not under the encryption key that stays",
    "etcd.data_dir_empty": "replace a first master's etcd that runs as a new, empty cluster beside the real one",
    "etcd.member_data_lost": "replace an etcd member whose data directory still holds something, though nothing usable",
    "etcd.member_stale_entry": "remove an etcd member that no host of the inventory has",
    "rbac.autoupdate_off": "complete roles and bindings that somebody protected from just that",
}
