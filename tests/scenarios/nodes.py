"""What the tests ask on the lab's nodes, by testinfra over ssh (one connection for each node, kept open)."""

from __future__ import annotations

import base64
import re
import subprocess
from functools import cache
from typing import Any

import testinfra  # type: ignore[import-untyped]  # the package has no types
import yaml
from cryptography.hazmat.primitives import serialization

from scenarios.story import Story

__all__ = ["ask", "connect", "digest", "journals", "key_material", "node_address", "put", "succeeds"]

# Configuration by content; etcd's files by identity only, for a living member writes into them all the time.
_DIGEST = r"""
find /etc /data /var/lib/kubelet/pki /root/.kube -xdev -type f 2>/dev/null | sort | xargs -d '\n' sha256sum
find /etc/kubernetes /var/lib/kubelet/pki -xdev -printf '%p %m %u:%g %y %l\n' 2>/dev/null | sort
find /var/lib/etcd -maxdepth 2 -printf '%p %i %m %u:%g\n' 2>/dev/null | sort
find /var/lib/kuberevive -printf '%p %y %s\n' 2>/dev/null | sort
grep -v Filename /proc/swaps
systemctl list-unit-files --no-legend --state=enabled,disabled,masked | sort
ls /tmp /var/tmp /dev/shm /root
"""
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_KEYS = r"""
find /etc/kubernetes /var/lib/kubelet/pki /var/lib/kuberevive /root/.kube -xdev -type f 2>/dev/null | sort -u |
  while read -r f; do
    case $f in */pods/*) continue ;; esac
    if grep -q 'PRIVATE KEY-' "$f"; then sed -n '/-BEGIN.*PRIVATE KEY-/,/-END.*PRIVATE KEY-/p' "$f"; fi
    sed -n 's/.*client-key-data: *//p' "$f" | while read -r k; do printf '%s' "$k" | base64 -d; echo; done
  done
"""


def connect(story: Story, name: str) -> Any:
    """A node as testinfra sees it, logged in as root."""
    return _host(_ssh_config(story), name)


@cache
def _host(config: str, name: str) -> Any:
    return testinfra.get_host(f"ssh://{name}", ssh_config=config, controlpersist=60, timeout=15)


def ask(story: Story, name: str, script: str, *, rc: int | None = 0) -> str:
    """What a piece of sh prints there; rc None takes any exit code."""
    done = connect(story, name).run("sh -c %s", script)
    if rc is not None and done.rc != rc:
        raise AssertionError(f"{name}: rc {done.rc} instead of {rc} from: {script}\n{done.stdout}{done.stderr}")
    return str(done.stdout)


def succeeds(story: Story, name: str, script: str) -> bool:
    """Whether a piece of sh ends with 0 there."""
    return bool(connect(story, name).run("sh -c %s", script).rc == 0)


def put(story: Story, name: str, path: str, text: str, *, mode: str = "0644", owner: str = "root") -> None:
    """A file there, with that text; it goes through ssh's own input, so that no list of processes shows it."""
    argv = ["ssh", "-F", _ssh_config(story), name, f"install -m {mode} -o {owner} /dev/stdin {path}"]
    subprocess.run(argv, input=text, text=True, check=True, timeout=60)


def digest(story: Story) -> dict[str, list[str]]:
    """A fingerprint of everything a diagnosis must leave as it is, for each node that can be reached."""
    return {name: ask(story, name, _DIGEST, rc=None).splitlines() for name in story.on}


def key_material(story: Story) -> set[str]:
    """Every line of every private key on the nodes (PEM bodies) that is secret: an RSA key begins with its public half."""
    found: set[str] = set()
    for name in story.on:
        for pem in _PEM.findall(ask(story, name, _KEYS)):
            body = {line for line in pem.splitlines()[1:-1] if len(line) >= 32}
            found |= {line for line in body if not any(line in text for text in _public_texts(pem))}
    return found


def _public_texts(pem: str) -> list[str]:
    """The public half in base64, at each of the three offsets it can have inside something longer."""
    public = serialization.load_pem_private_key(pem.encode(), None).public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return [base64.b64encode(der[offset:]).decode() for offset in range(3)]


def node_address(story: Story, name: str) -> str:
    """The node's own address."""
    return str(_hosts(story)[name]["ansible_host"])


def journals(story: Story, lines: int = 12) -> str:
    """For a reader of a failed test: the last words of kubelet and what runs, on every node that answers."""
    script = f"""
systemctl is-active kubelet containerd docker 2>/dev/null | tr '\\n' ' '; df -P / | tail -n 1
journalctl -u kubelet -n 300 -o cat --no-pager 2>/dev/null | grep -vE 'cgroup|config path' | tail -n {lines} | cut -c1-300
"""
    parts = []
    for name in story.on:
        try:
            parts.append(f"--- {name}\n{ask(story, name, script, rc=None)}")
        except (RuntimeError, AssertionError) as error:
            parts.append(f"--- {name} does not answer: {error}")
    return "\n".join(parts)


def _hosts(story: Story) -> dict[str, dict[str, Any]]:
    children = yaml.safe_load(story.inventory.read_text(encoding="utf-8"))["all"]["children"]
    return {name: values for group in children.values() for name, values in group["hosts"].items()}


def _ssh_config(story: Story) -> str:
    """Written once from the inventory, so that tests and operator log in by the same key and known hosts."""
    path = story.out / "ssh_config"
    if not path.exists():
        common = yaml.safe_load(story.inventory.read_text(encoding="utf-8"))["all"]["vars"]
        options = [word.removeprefix("-o") for word in common["ansible_ssh_common_args"].split()]
        lines = ["Host *", "  User root", f"  IdentityFile {common['ansible_ssh_private_key_file']}"]
        lines += [f"  {option.replace('=', ' ', 1)}" for option in options]
        for name, values in _hosts(story).items():
            lines += [f"Host {name}", f"  HostName {values['ansible_host']}"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)
