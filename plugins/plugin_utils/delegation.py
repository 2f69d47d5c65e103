"""Makes a delegated task reach the host it names.

ansible-core (2.16 to 2.21, tried) resolves a delegated host's connection variables with the other host's inventory_hostname:
with `ansible_host: "{{ inventory_hostname }}.example.com"` on all hosts, what is delegated to m2 is done on m1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants

__all__ = ["aim"]


def aim(connection: Any, delegate: str | None, task_vars: Mapping[str, Any]) -> None:
    """Give the connection (and its become) the delegated host's own values. No delegation: nothing to do."""
    hosts = task_vars.get("hostvars") or {}
    if not delegate or delegate not in hosts:
        return
    own = hosts[delegate]
    _set(connection, "connection", own)
    if getattr(connection, "become", None) is not None:
        _set(connection.become, "become", own)


def _set(plugin: Any, kind: str, own: Mapping[str, Any]) -> None:
    for option, spec in constants.config.get_configuration_definitions(kind, plugin._load_name).items():
        names = [str(entry["name"]) for entry in spec.get("vars") or []]
        name = next((n for n in reversed(names) if n.startswith("ansible_") and n in own), "")  # the last one wins
        if name and str(plugin.get_option(option)) != str(own[name]):
            plugin.set_option(option, own[name])
