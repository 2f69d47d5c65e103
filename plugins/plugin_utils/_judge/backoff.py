"""How CrashLoopBackOff is told without an API: what ended under the running kubelet and was not started again."""

from __future__ import annotations

__all__ = ["backing_off"]

# kubelet's first waits are 10 and 20 s; from the third on it pays to reset them.
_FEW = 2
_SHORT = 25


def backing_off(now: int, started: int, kubelet_started: int, log_written: int, restarts: int) -> int | None:
    """Seconds since a container's last word where kubelet holds it back, else None (times are epoch seconds of the node).

    The back-off lives in the kubelet's memory: a container that ended before this kubelet began is in none.
    """
    if started or not kubelet_started or not log_written or restarts < _FEW:
        return None
    since = now - log_written
    if log_written <= kubelet_started or since < _SHORT:
        return None
    return since
