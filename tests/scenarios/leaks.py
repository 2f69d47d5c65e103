"""Looks for keys where none may be: in every process's arguments and environment while a run works, and in what it leaves."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scenarios.nodes import ask
from scenarios.story import Story

__all__ = ["disguises", "encryption_keys", "left_on_nodes", "watched"]

_CONFIGURATIONS = "cat /data/kubernetes/* /var/lib/kuberevive/*/files/data/kubernetes/* 2>/dev/null"
_SECRET = re.compile(r"secret: *([A-Za-z0-9+/]{20,}=*)")
_WATCH = r"""
umask 077; cat >/run/kr-keys; : >/run/kr-seen; : >/run/kr-watch
setsid sh -c 'while [ -e /run/kr-watch ]; do
  grep -aohF -f /run/kr-keys /proc/[0-9]*/cmdline /proc/[0-9]*/environ >>/run/kr-seen 2>/dev/null
  sleep 0.2; done' </dev/null >/dev/null 2>&1 &
"""
# Not the configurations themselves, and not what is kept of them.
_LEFT = r"""
umask 077; cat >/run/kr-keys
grep -rlaF -f /run/kr-keys /tmp /var/tmp /dev/shm /run/kuberevive /var/log /root 2>/dev/null
grep -rlaF -f /run/kr-keys --exclude-dir=files /var/lib/kuberevive 2>/dev/null
journalctl -o cat --no-pager 2>/dev/null | grep -aohF -f /run/kr-keys | sed 's/^.*/journal/' | sort -u
rm -f /run/kr-keys
"""


def encryption_keys(story: Story) -> set[str]:
    """Every key of every configuration on the masters, as it stands there."""
    found: set[str] = set()
    for name in story.masters if story.encryption else ():
        found |= set(_SECRET.findall(ask(story, name, _CONFIGURATIONS, rc=None)))
    return found


def disguises(keys: Iterable[str]) -> set[str]:
    """A base64 key as it is, in hex, and as it would be inside something encoded once more."""
    found: set[str] = set()
    for key in keys:
        found |= {key, base64.b64decode(key).hex()}
        for offset in range(3):
            found.add(base64.b64encode(b"x" * offset + key.encode()).decode()[4:-4])
    return found


@contextmanager
def watched(story: Story, on: bool) -> Iterator[set[str]]:
    """While it is open, and if on, every process here and on the nodes is looked at again and again; holds what was seen at its end."""
    keys = disguises(encryption_keys(story)) if on else set()
    seen: set[str] = set()
    if not keys:
        yield seen
        return
    text = "\n".join(sorted(keys)) + "\n"
    for name in story.on:
        ask(story, name, _here_document(text, _WATCH))
    ended = threading.Event()
    thread = threading.Thread(target=_watch_here, args=(keys, seen, ended))
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        for name in story.on:
            said = ask(
                story, name, "rm -f /run/kr-watch /run/kr-keys; sort -u /run/kr-seen | cut -c1-8; rm -f /run/kr-seen"
            )
            seen |= {f"{name}: {line}…" for line in said.split()}


def _watch_here(keys: set[str], seen: set[str], ended: threading.Event) -> None:
    while not ended.wait(0.02):
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = place.read_bytes().decode("utf-8", errors="replace")
                # The test's own way of bringing the keys to the nodes is over by then.
                seen.update(f"here: {words[:200]}" for key in keys if key in words)


def left_on_nodes(story: Story, keys: Iterable[str]) -> dict[str, list[str]]:
    """Node -> places outside the configurations and their backups that hold one of the keys."""
    text = "\n".join(sorted(keys)) + "\n"
    return {name: said for name in story.on if (said := ask(story, name, _here_document(text, _LEFT)).split())}


def _here_document(text: str, script: str) -> str:
    return f"{{ {script} }} <<'KEYS'\n{text}KEYS\n"
