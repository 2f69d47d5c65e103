"""How CrashLoopBackOff is told without an API: what ended under the running kubelet and was not started again."""

from __future__ import annotations

__all__ = ["backing_off"]

# kubelet's first waits are 10 and 20 s; from the third on it pays to reset them. After many it waits for minutes at once.
_FEW = 2
_SHORT = 25
_MANY = 6
_SHORTER = 12
# Beyond its longest wait of 300 s something else keeps kubelet from starting it.
_LONGEST = 330


def backing_off(now: int, started: int, kubelet_started: int, log_written: int, restarts: int) -> int | None:
    """Seconds since a container's last word where kubelet holds it back, else None (times are epoch seconds of the node).

    The back-off lives in the kubelet's memory: a container that ended before this kubelet began is in none.
    """
    if started or not kubelet_started or restarts < _FEW or log_written <= kubelet_started:
        return None
    since = now - log_written
    shortest = _SHORTER if restarts >= _MANY else _SHORT
    return since if shortest <= since <= _LONGEST else None
