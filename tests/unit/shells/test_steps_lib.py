"""The words repairs are written in, under every shell a node may have: what is overwritten is kept, and nothing is half done."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _steps

SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
_LIB = (Path(_steps.__file__).parent / "lib.sh").read_text(encoding="utf-8")


@pytest.fixture(params=list(SHELLS.values()), ids=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def run(shell: list[str], vault: Path | str, script: str) -> subprocess.CompletedProcess[str]:
    """A repair's text with lib.sh in front; its backups go below a directory of the test."""
    for place in ("/var/lib/kuberevive", "/run/kuberevive", "/dev/shm/kuberevive"):
        assert place in _LIB
    lib = _LIB.replace("/var/lib/kuberevive /run/kuberevive /dev/shm/kuberevive", str(vault))
    text = "\n".join(["KR_RUN=run1", "KR_STEP=try@here", lib, script, "echo @done"])
    return subprocess.run([*shell, "-s"], input=text, capture_output=True, text=True, timeout=30, check=False)


def test_a_backup_keeps_the_first_version_with_its_hash(shell: list[str], tmp_path: Path) -> None:
    file = tmp_path / "etc" / "conf"
    file.parent.mkdir()
    file.write_text("first")
    script = f"kr_backup {file}; echo second >{file}; kr_backup {file}"
    done = run(shell, tmp_path / "vault", script)
    kept = tmp_path / "vault" / "run1"
    assert "@done" in done.stdout, done.stderr
    assert f"@backup {kept}" in done.stdout
    assert (kept / f"files{file}").read_text() == "first"
    assert "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e" in (kept / "sha256").read_text()
    assert oct((tmp_path / "vault").stat().st_mode)[-3:] == "700"
    assert f"try@here\tbackup {file}" in (kept / "journal").read_text()


def test_a_backup_of_a_link_keeps_what_it_leads_to(shell: list[str], tmp_path: Path) -> None:
    file, link = tmp_path / "key", tmp_path / "link"
    file.write_text("secret")
    link.symlink_to("key")
    run(shell, tmp_path / "vault", f"kr_backup {link}; : >{link}")
    kept = tmp_path / "vault" / "run1" / "files"
    assert (kept / str(link)[1:]).readlink() == Path("key")
    assert (kept / str(file)[1:]).read_text() == "secret"


def test_a_backup_goes_where_there_is_room_and_leaves_no_half_copy(shell: list[str], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("secret")
    full, free = tmp_path / "full", tmp_path / "free"
    no_space = f"""cp() {{
      for kr_to in "$@"; do :; done
      case $kr_to in {full}/*) echo half >"$kr_to"; return 1 ;; esac
      command cp "$@"
    }}"""
    done = run(shell, f"{full} {free}", f"{no_space}\nkr_backup {file}; echo new >{file}; kr_backup {file}")
    assert f"@backup {free}/run1" in done.stdout, done.stderr
    assert (free / "run1" / f"files{file}").read_text() == "secret"
    assert not list(full.rglob("key*"))
    # A later step finds the first place writable again, but the first version is kept already.
    run(shell, f"{full} {free}", f"kr_backup {file}")
    assert not list(full.rglob("key*"))
    none = run(shell, full, f"{no_space}\nkr_backup {file}")
    assert none.returncode == 3
    assert "@refused no_room" in none.stdout


@pytest.mark.parametrize("signal", ["HUP", "INT", "TERM", "PIPE"])
def test_a_signal_ends_a_step_by_way_of_its_trap(shell: list[str], tmp_path: Path, signal: str) -> None:
    key = tmp_path / "key"
    key.touch()
    done = run(shell, tmp_path / "vault", f"trap 'rm {key}' EXIT; kr_trap_signals; kill -{signal} $$; echo on")
    assert (done.returncode, done.stdout) == (143, "")
    assert not key.exists()


def test_aside_moves_and_says_where(shell: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "db").write_text("x")
    done = run(shell, tmp_path / "vault", f'kr_aside {data}; printf "%s" "$KR_ASIDE"')
    kept = tmp_path / "vault" / "run1" / f"files{data}"
    assert str(kept) in done.stdout
    assert (kept / "db").read_text() == "x"
    assert not data.exists()


def test_put_writes_a_whole_file_with_its_mode(shell: list[str], tmp_path: Path) -> None:
    target = tmp_path / "key"
    target.write_text("old")
    done = run(shell, tmp_path / "vault", f"printf new | kr_put {target} 600 $(id -u):$(id -g)")
    assert "@done" in done.stdout, done.stderr
    assert target.read_text() == "new"
    assert oct(target.stat().st_mode)[-3:] == "600"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".kuberevive")] == []


def test_put_into_a_place_that_is_not_there_fails_and_says_so(shell: list[str], tmp_path: Path) -> None:
    done = run(shell, tmp_path / "vault", f"printf new | kr_put {tmp_path}/none/key 600 0:0")
    assert "@failed could not write" in done.stdout


def test_a_refusal_ends_with_its_own_code(shell: list[str], tmp_path: Path) -> None:
    done = run(shell, tmp_path / "vault", 'kr_refuse no_quorum "two of three are gone"')
    assert done.returncode == 3
    assert done.stdout == "@refused no_quorum two of three are gone\n"


def test_a_failure_ends_with_its_own_code(shell: list[str], tmp_path: Path) -> None:
    done = run(shell, tmp_path / "vault", 'kr_fail "no room"')
    assert done.returncode == 4
    assert "@failed no room" in done.stdout
    assert "@done" not in done.stdout


def test_a_wait_has_a_limit_and_says_for_what(shell: list[str], tmp_path: Path) -> None:
    done = run(shell, tmp_path / "vault", 'kr_wait 1 "the moon" false || echo over; kr_wait 1 "now" true && echo there')
    assert "waited 1 s for: the moon" in done.stdout
    assert "over" in done.stdout
    assert "there" in done.stdout


@pytest.mark.parametrize(("step", "limit"), [(1000, 5), (-1000, 0)], ids=["forward", "backward"])
def test_a_wait_does_not_mind_a_clock_that_is_set(shell: list[str], tmp_path: Path, step: int, limit: int) -> None:
    script = f"""echo 50000 >{tmp_path}/clock
    date() {{ echo $(($(cat {tmp_path}/clock) + {step})) >{tmp_path}/clock; cat {tmp_path}/clock; }}
    sleep() {{ :; }}
    second_time() {{ [ -e {tmp_path}/tried ] || {{ : >{tmp_path}/tried; return 1; }}; }}
    if kr_wait {limit} "it" second_time; then echo there; else echo over; fi"""
    done = run(shell, tmp_path / "vault", script)
    assert ("there" if limit else "over") in done.stdout
