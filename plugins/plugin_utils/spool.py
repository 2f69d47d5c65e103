"""One run's private notes on the controller: facts of every node, effects of --check, what each step did.

A directory 0700 below Ansible's local temporary directory: one for each ansible-playbook process, shared by its workers,
removed by Ansible at its end. Facts never travel through task results (size, and what -v would print).
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible import constants

from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.encryption import EncryptionProof
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.codec import from_plain, to_plain
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import Node

__all__ = ["Spool"]

_STAMP = "%Y%m%d%H%M%S%f"


class Spool:
    """The notes below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        for name in ("", "nodes", "effects", "steps", "proofs"):
            (directory / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    @classmethod
    def of_this_run(cls) -> Spool:
        """The spool of this ansible-playbook process."""
        return cls(Path(constants.DEFAULT_LOCAL_TMP) / "kuberevive")

    @property
    def run_id(self) -> str:
        """Names the run's backups on the nodes: start time and four random bytes."""
        path = self.directory / "run_id"
        if not path.exists():
            stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
            self._write(path, f"{stamp}-{secrets.token_hex(4)}", exclusive=True)
        return path.read_text(encoding="utf-8")

    def put_node(self, node: Node) -> None:
        """Remember the newest look at a node."""
        self._write(self.directory / "nodes" / quote(node.name, safe=""), json.dumps(to_plain(node)))

    def node(self, name: str) -> Node | None:
        """The newest look at a node, or None."""
        path = self.directory / "nodes" / quote(name, safe="")
        if not path.exists():
            return None
        return from_plain(Node, json.loads(path.read_text(encoding="utf-8")))

    def add_effect(self, host: str, kind: str, args: dict[str, Any]) -> None:
        """In --check: this step would have been taken."""
        self._add("effects", {"host": host, "kind": kind, "args": args})

    def effects(self) -> Iterator[dict[str, Any]]:
        """Every recorded effect, in order."""
        return self._all("effects")

    def add_step(self, report: dict[str, Any]) -> None:
        """What a step did."""
        self._add("steps", report)

    def steps(self) -> Iterator[dict[str, Any]]:
        """What every step did, in order."""
        return self._all("steps")

    def put_proof(self, host: str, canary: str) -> None:
        """How the newest canary write through that master's own apiserver went: ok, why not, or empty (not tried)."""
        self._write(self.directory / "proofs" / quote(host, safe=""), json.dumps({"host": host, "canary": canary}))

    def proofs(self) -> dict[str, str]:
        """The newest canary of every host that tried one."""
        return {entry["host"]: entry["canary"] for entry in self._all("proofs") if entry["canary"]}

    def put_encryption(self, proof: EncryptionProof) -> None:
        """Remember which key opens which record: fingerprints and counts."""
        self._write(self.directory / "encryption", json.dumps(to_plain(proof)))

    def encryption(self) -> EncryptionProof | None:
        """The newest such proof, or None."""
        path = self.directory / "encryption"
        return from_plain(EncryptionProof, json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None

    def step_since(self, moment: datetime) -> bool:
        """Whether any step ended after that moment (what --check recorded changed no node)."""
        mark = moment.strftime(_STAMP)
        return any(path.name > mark for path in (self.directory / "steps").iterdir() if not path.name.startswith("."))

    def _add(self, folder: str, data: dict[str, Any]) -> None:
        stamp = datetime.now(timezone.utc).strftime(_STAMP)
        name = f"{stamp}-{os.getpid()}-{secrets.token_hex(2)}"
        self._write(self.directory / folder / name, json.dumps(to_plain(data)))

    def _all(self, folder: str) -> Iterator[dict[str, Any]]:
        for path in sorted((self.directory / folder).iterdir()):
            if not path.name.startswith("."):
                yield json.loads(path.read_text(encoding="utf-8"))

    def _write(self, path: Path, text: str, exclusive: bool = False) -> None:
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}")
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(0o600)
        if not exclusive:
            temporary.replace(path)
            return
        with suppress(FileExistsError):
            os.link(temporary, path)  # the first worker wins
        temporary.unlink()
