"""Power: on, and off as a cut is, with what was not written to disk lost."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from kr_lab import podman
from kr_lab.host import LabError, each, run
from kr_lab.network import make_network, start_balancer
from kr_lab.node import boot, is_on, wait_booted
from kr_lab.state import Lab, Node
from kr_lab.store import is_mounted

__all__ = ["close_ssh", "cut", "start"]

# FS_IOC_SHUTDOWN (EXT4_IOC_SHUTDOWN) with "no log flush": the file system forgets what was not committed.
_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = struct.pack("I", 2)


def start(lab: Lab, nodes: Sequence[Node]) -> None:
    """Switch nodes on and wait until their sshd runs; those that are on stay as they are."""
    make_network(lab)
    start_balancer(lab)
    each(lambda node: boot(lab, node), nodes)
    each(lambda node: wait_booted(lab, node), nodes)


def cut(lab: Lab, nodes: Sequence[Node], *, torn: bool = False) -> None:
    """The power of these nodes goes at the same moment.

    With ``torn`` the disk is one that lies about flushes: a copy taken while the node writes, its blocks
    from different moments, is what the node finds when the power is back.
    """
    live = [node for node in nodes if is_on(lab, node)]
    close_ssh(lab)
    if torn:
        each(lambda node: _copy_live(lab, node), live)
    for node in live:
        _forget_unwritten(lab, node)
    each(lambda node: podman.kill(lab.container(node)), live)
    for node in live:
        _release(lab, node)
        if torn:
            _torn(lab, node).rename(lab.disk(node))


def _torn(lab: Lab, node: Node) -> Path:
    return lab.disk(node).with_suffix(".torn")


def _copy_live(lab: Lab, node: Node) -> None:
    run(["cp", "--sparse=always", "--reflink=never", lab.disk(node), _torn(lab, node)])


def _forget_unwritten(lab: Lab, node: Node) -> None:
    handle = os.open(lab.root(node), os.O_RDONLY)
    try:
        fcntl.ioctl(handle, _SHUTDOWN, _NO_LOG_FLUSH)
    finally:
        os.close(handle)


def _release(lab: Lab, node: Node) -> None:
    root = lab.root(node)
    for _ in range(40):
        if not is_mounted(root):
            return
        if run(["umount", root], check=False).returncode == 0:
            return
        # The last processes of the node are still being ended by the kernel.
        time.sleep(0.25)
    raise LabError(f"{root} is still in use after its node was cut: see 'fuser -vm {root}'")


def close_ssh(lab: Lab) -> None:
    """End shared SSH connections into the lab: the machines at the other end go away."""
    folder = lab.home / "cp"
    if not folder.exists():
        return
    for socket in folder.iterdir():
        subprocess.run(
            ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "lab"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
