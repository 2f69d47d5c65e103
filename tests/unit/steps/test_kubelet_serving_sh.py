"""A new serving certificate as sh, in the shells it meets: a made-up directory, and a systemctl that is a kubelet of two lines."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

STEPS = Path(__file__).parents[3] / "plugins" / "plugin_utils" / "_steps"
SHELLS = [s for s in ("dash", "bash", "busybox sh") if shutil.which(s.split()[0])]
DAYS = 60
# What only a real node has: the kubelet, how it is asked, and time.
STANDINS = """
kr_kubelet_well() { [ -e "$KR_TEST/running" ]; }
kr_served() { [ ! -e "$KR_TEST/running" ] || openssl x509 -in "$KR_TEST/pki/kubelet.crt"; }
kr_wait() { shift 2; "$@"; }
systemctl() { kr_systemctl "$@"; }
kr_limit() { shift; "$@"; }
kr_systemctl() {
  echo "$1" >>"$KR_TEST/systemctl"
  case $1 in
    stop) rm -f "$KR_TEST/running" ;;
    start)
      [ -e "$KR_TEST/pki/kubelet.crt" ] || cp "$KR_TEST"/new/* "$KR_TEST/pki/" || return 1
      : >"$KR_TEST/running" ;;
  esac
}
"""


class Machine:
    def __init__(self, directory: Path, shell: str) -> None:
        self.dir, self.shell = directory, shell
        self.pki, self.new = directory / "pki", directory / "new"
        self.pair(self.pki, 20)
        self.pair(self.new, 365)
        (directory / "running").touch()

    def pair(self, where: Path, days: int) -> None:
        where.mkdir(exist_ok=True)
        names = ("-keyout", str(where / "kubelet.key"), "-out", str(where / "kubelet.crt"), "-subj", "/CN=w1@1")
        kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days))
        subprocess.run(["openssl", "req", "-x509", *kind, *names], capture_output=True, check=True)

    def content(self, where: Path) -> dict[str, str]:
        return {path.name: path.read_text() for path in where.glob("kubelet.*")}

    @property
    def kept(self) -> dict[str, str]:
        return {path.name: path.read_text() for path in (self.dir / "vault").rglob("kubelet.*")}

    def run(self) -> tuple[int, str]:
        args = {"cert_dir": self.pki, "at": "127.0.0.1:10250", "healthz": "x", "lives": DAYS * 86400}
        words = ["KR_RUN=r1", "KR_STEP=test", f"KR_TEST={shlex.quote(str(self.dir))}"]
        words += [f"KR_ARG_{name.upper()}={shlex.quote(str(value))}" for name, value in args.items()]
        lib = (STEPS / "lib.sh").read_text()
        lib = lib.replace("/var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive", f"{self.dir}/vault")
        scripts = [(STEPS / name).read_text() for name in ("kubelet_lib.sh", "kubelet_serving.sh")]
        text = "\n".join([*words, lib, scripts[0], STANDINS, scripts[1], "echo @done"])
        done = subprocess.run(
            [*self.shell.split(), "-s"], input=text, capture_output=True, text=True, cwd=self.dir, check=False
        )
        assert "PRIVATE KEY" not in done.stdout + done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine(tmp_path, request.param)


def test_the_old_pair_is_kept_and_the_new_one_served(node: Machine) -> None:
    old = node.content(node.pki)
    rc, said = node.run()
    assert (rc, "serves its new certificate until" in said) == (0, True), said
    assert node.content(node.pki) == node.content(node.new)
    assert node.kept == old
    assert (node.dir / "systemctl").read_text().split() == ["stop", "start"]
    rc, said = node.run()
    assert (rc, said) == (0, "@done\n")
    assert (node.dir / "systemctl").read_text().split() == ["stop", "start"]


@pytest.mark.parametrize("days", [0, 30])
def test_what_is_no_better_is_not_kept(node: Machine, days: int) -> None:
    """A kubelet that does not start without the old pair, and one whose new certificate ends before long."""
    old = node.content(node.pki)
    if days:
        node.pair(node.new, days)
    else:
        shutil.rmtree(node.new)
    rc, said = node.run()
    assert (rc, "@failed" in said, "the old pair is back and the kubelet runs with it" in said) == (4, True, True), said
    assert node.content(node.pki) == old
    assert (node.dir / "running").exists()


def test_half_a_pair_is_moved_away_and_kubelet_start_starts(node: Machine) -> None:
    """As a run leaves it that was cut short, too."""
    (node.dir / "running").unlink()
    (node.pki / "kubelet.key").unlink()
    old = node.content(node.pki)
    rc, said = node.run()
    assert rc == 0, said
    assert node.content(node.pki) == {}
    assert node.kept == old
    assert not (node.dir / "systemctl").exists()


def test_without_room_for_a_copy_nothing_happens(node: Machine) -> None:
    old = node.content(node.pki)
    (node.dir / "vault").write_text("a file where the directory should be")
    rc, said = node.run()
    assert (rc, "@refused no_room" in said) == (3, True), said
    assert node.content(node.pki) == old
    assert (node.dir / "running").exists()
