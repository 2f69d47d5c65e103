"""Container images without a registry: docker archives of one layer, the same bytes for the same files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["write_image"]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    info.mtime = 0
    return info


def _folder(layer: tarfile.TarFile, name: str, mode: int = 0o755) -> None:
    info = _plain(tarfile.TarInfo(name))
    info.type = tarfile.DIRTYPE
    info.mode = mode
    layer.addfile(info)


def _write_layer(target: Path, binaries: Mapping[str, Path], trees: Sequence[Path]) -> None:
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as layer:
        _folder(layer, "tmp", 0o1777)
        seen: set[str] = set()
        for tree in trees:
            for path in sorted(tree.rglob("*")):
                name = str(path.relative_to(tree))
                if name not in seen:
                    seen.add(name)
                    layer.add(path, name, recursive=False, filter=_plain)
        for name in ("usr", "usr/local", "usr/local/bin"):
            if name not in seen:
                _folder(layer, name)
        for name, path in sorted(binaries.items()):
            with path.open("rb") as content:
                info = _plain(layer.gettarinfo(arcname=f"usr/local/bin/{name}", fileobj=content))
                info.mode = 0o755
                layer.addfile(info, content)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    info = _plain(tarfile.TarInfo(name))
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def write_image(
    target: Path, tag: str, binaries: Mapping[str, Path], trees: Sequence[Path] = (), entrypoint: str | None = None
) -> None:
    """Write a docker archive: binaries go to ``/usr/local/bin``, trees to ``/`` (the first one wins)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    layer = target.with_suffix(".layer")
    fresh = target.with_suffix(".new")
    try:
        _write_layer(layer, binaries, trees)
        with layer.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": [f"PATH={_PATH}"],
                "Entrypoint": [f"/usr/local/bin/{entrypoint}"] if entrypoint else None,
                "WorkingDir": "/",
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "kuberevive lab"}],
        }
        config_bytes = json.dumps(config, sort_keys=True).encode()
        config_name = f"{hashlib.sha256(config_bytes).hexdigest()}.json"
        manifest = [{"Config": config_name, "RepoTags": [tag], "Layers": [f"{digest}.tar"]}]
        with tarfile.open(fresh, "w", format=tarfile.GNU_FORMAT) as archive:
            _add_bytes(archive, "manifest.json", json.dumps(manifest).encode())
            _add_bytes(archive, config_name, config_bytes)
            archive.add(layer, f"{digest}.tar", filter=_plain)
        fresh.rename(target)
    finally:
        layer.unlink(missing_ok=True)
        fresh.unlink(missing_ok=True)
