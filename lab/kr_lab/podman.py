"""Containers that are whole machines: podman with runc, systemd as PID 1, a disk of their own as root."""

from __future__ import annotations

import functools
import json
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path

from kr_lab.host import run

__all__ = ["containers", "kill", "limits", "podman", "remove", "run_machine", "running", "stop"]

LABEL = "kuberevive.lab"


def podman(
    *words: str | Path, stdin: str | None = None, timeout: float = 120, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """One podman call; always with runc, because crun refuses the hybrid cgroup layout."""
    return run(["podman", "--runtime", "runc", *words], stdin=stdin, timeout=timeout, check=check)


@functools.cache
def limits() -> list[str]:
    # A limit above the machine's own hard limit makes runc fail with "setrlimit … not permitted".
    words = []
    for name, kind, wanted in (
        ("nofile", resource.RLIMIT_NOFILE, 1048576),
        ("nproc", resource.RLIMIT_NPROC, 8192),
    ):
        hard = resource.getrlimit(kind)[1]
        value = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        words += ["--ulimit", f"{name}={value}:{value}"]
    return words


def run_machine(name: str, root: Path, *, hostname: str, lab: str, extra: Sequence[str]) -> None:
    """Switch a machine on: systemd boots from the given root."""
    words = ["run", "-d", "--name", name, "--hostname", hostname, "--label", f"{LABEL}={lab}"]
    # Podman's own systemd mode binds the machine's whole name=systemd hierarchy into each container, so that
    # nodes remove each other's cgroups. Without it runc mounts the container's own part.
    words += ["--privileged", "--systemd=false", "--cgroupns=private", "--no-hosts", "--log-driver", "none"]
    words += ["--env", "container=podman", "--stop-signal", "SIGRTMIN+3"]
    words += ["--tmpfs", "/run:rw,nosuid,nodev,mode=755", "--pids-limit", "-1", *limits(), *extra]
    podman(*words, "--rootfs", root, "/sbin/init")


def containers(lab: str | None = None) -> list[str]:
    """Names of the lab's containers, running or not; of all labs without a name."""
    wanted = f"label={LABEL}" if lab is None else f"label={LABEL}={lab}"
    found = json.loads(podman("ps", "-a", "--filter", wanted, "--format", "json").stdout or "[]")
    return sorted(entry["Names"][0] for entry in found)


def running(name: str) -> bool:
    """Whether the container exists and runs."""
    done = podman("inspect", "-f", "{{.State.Running}}", name, check=False)
    return done.returncode == 0 and done.stdout.strip() == "true"


def kill(name: str) -> None:
    """The power goes: SIGKILL, nobody is asked."""
    podman("kill", "-s", "KILL", name, check=False)
    remove(name)


def stop(name: str) -> None:
    """An orderly shutdown."""
    podman("stop", "-t", "60", name, check=False)
    remove(name)


def remove(name: str) -> None:
    """Take the container away, whatever state it is in."""
    podman("rm", "-f", "-t", "0", "-i", name)
