"""Single words of the probe, said in one shell after the other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _probe
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._facts.base import Section, read_probe

__all__ = ["SHELLS", "say"]

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
_MAIN = (Path(_probe.__file__).parent / "main.sh").read_text(encoding="utf-8")


def say(shell: list[str], script: str, *path: Path, **env: str) -> Section:
    """What these words of the probe print, read as a section."""
    text = _probe.assemble(_probe.LIMITS)
    assert _MAIN in text
    text = text.replace(_MAIN, "KR_SECRET=$NL$NL KR_PEMS= KR_PAIRS= KR_OPENSSL=1\n" + script)
    words = {**os.environ, "PATH": ":".join([*map(str, path), os.environ["PATH"]]), **env}
    done = subprocess.run(
        [*shell, "-s"], input=text, capture_output=True, text=True, env=words, timeout=60, check=False
    )
    lines = "\n".join(f"x|{line}" for line in done.stdout.splitlines())
    return read_probe(f"@kuberevive 1\nx|end=0\n{lines}\n@end\n").sections["x"]
