"""Packs the collection that a role runs from, a checkout or an installed one, into a file that ansible-galaxy can install.

Called with the role's directory; prints the file's path and the hash of its FILES.json, which names every file with its own hash.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

__all__ = ["pack"]


def pack(role: Path) -> dict[str, str]:
    """Pack the collection of that role into a new temporary directory."""
    root = role.resolve().parents[1]  # a checkout reaches its roles by links
    if (root / "galaxy.yml").is_file():
        way = _build
    elif (root / "FILES.json").is_file():
        way = _pack_installed
    else:
        raise SystemExit(f"{root} is no collection: it has neither galaxy.yml nor FILES.json")
    packed = way(root, Path(tempfile.mkdtemp(prefix="kuberevive-")))
    with tarfile.open(packed) as archive:
        files = archive.extractfile("FILES.json")
        assert files
        digest = hashlib.sha256(files.read()).hexdigest()
    return {"path": str(packed), "sha256": digest}


def _build(root: Path, into: Path) -> Path:
    argv = [sys.executable, "-m", "ansible", "galaxy", "collection", "build", "--output-path", str(into), str(root)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the collection in {root} could not be built: {done.stderr.strip()}")
    (packed,) = into.iterdir()
    return packed


def _pack_installed(root: Path, into: Path) -> Path:
    """What FILES.json lists, and nothing that came later."""
    packed = into / "collection.tar.gz"
    listed = json.loads((root / "FILES.json").read_text(encoding="utf-8"))["files"]
    with tarfile.open(packed, "w:gz") as archive:
        for name in ("MANIFEST.json", "FILES.json", *(entry["name"] for entry in listed if entry["name"] != ".")):
            archive.add(root / name, arcname=name, recursive=False)
    return packed


if __name__ == "__main__":
    print(json.dumps(pack(Path(sys.argv[1]))))
