"""How a unit tells its program to run, under every shell: drop-ins, continued lines, variables, environment files."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.probe_words import SHELLS, say


@pytest.fixture(params=list(SHELLS.values()), ids=list(SHELLS))
def shell(request: pytest.FixtureRequest) -> list[str]:
    """One shell after the other."""
    words: list[str] = request.param
    return words


def told(shell: list[str], folder: Path, *names: str, word: str = "kr_unit") -> list[str]:
    """What kr_unit prints of the unit x in these directories, the first counts most."""
    where = " ".join(str(folder / name / "systemd/system") for name in names or ("etc",))
    script = f"KR_UNIT_DIRS='{where}'; {word} x | while IFS= read -r kr_x; do kr_val word \"$kr_x\"; done"
    return list(say(shell, script).all("word"))


def put(folder: Path, path: str, text: str, where: str = "etc") -> None:
    file = folder / where / "systemd/system" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_lines_go_on_behind_a_backslash_and_comments_between_them_do_not_count(
    shell: list[str], tmp_path: Path
) -> None:
    put(
        tmp_path,
        "x.service",
        "[Unit]\nExecStart=/no\n[Service]\nExecStart=/bin/x \\\n  --a=1 \\\n# --b=2 \\\n  --c \\\n 3\nRestart=always\n",
    )
    assert told(shell, tmp_path) == ["/bin/x", "--a=1", "--c", "3"]


def test_variables_come_from_the_unit_and_its_environment_files(shell: list[str], tmp_path: Path) -> None:
    (tmp_path / "env").write_text(
        "# comment\nARGS=\"--a=1 --b=2\"\nONE='--c=3 \\\n  --d=4'\nOVER=file\n; other\nexport EXPORTED=--e=5\nEMPTY=\n"
    )
    put(
        tmp_path,
        "x.service",
        f"[Service]\nEnvironment=\"OVER=unit\" 'TWO=--f=${{x}}' PLAIN=7\nEnvironmentFile=-{tmp_path}/env\n"
        "EnvironmentFile=-/there/is/none\nExecStart=-/bin/x $ARGS $ONE --over=${OVER} $EXPORTED --g=${PLAIN} $EMPTY $NONE --h\n",
    )
    words = " ".join(told(shell, tmp_path)).split()
    assert words == ["/bin/x", "--a=1", "--b=2", "--c=3", "--d=4", "--over=file", "--e=5", "--g=7", "--h"]


def test_a_drop_in_that_begins_anew_leaves_nothing_of_before(shell: list[str], tmp_path: Path) -> None:
    put(tmp_path, "x.service", "[Service]\nEnvironment=A=1\nExecStart=/bin/x --old=${A}\n", "lib")
    put(tmp_path, "x.service.d/20-b.conf", "[Service]\nExecStart=\nExecStart=/bin/x --a=${A}\n")
    put(tmp_path, "x.service.d/10-a.conf", "[Service]\nEnvironment=A=2\nExecStart=/bin/never\n", "lib")
    assert told(shell, tmp_path, "etc", "run", "lib") == ["/bin/x", "--a=2"]


def test_of_one_name_the_first_directory_counts(shell: list[str], tmp_path: Path) -> None:
    put(tmp_path, "x.service", "[Service]\nExecStart=/bin/lib\n", "lib")
    put(tmp_path, "x.service", "[Service]\nExecStart=/bin/etc\n")
    put(tmp_path, "x.service.d/a.conf", "[Service]\nEnvironment=A=lib\n", "lib")
    put(tmp_path, "x.service.d/a.conf", "[Service]\nEnvironment=A=etc\n")
    here = tmp_path / "etc/systemd/system"
    assert told(shell, tmp_path, "etc", "lib", word="kr_unit_files") == [
        f"{here}/x.service",
        f"{here}/x.service.d/a.conf",
    ]
    assert told(shell, tmp_path, "etc", "lib") == ["/bin/etc"]


@pytest.mark.parametrize("program", ["/usr/bin/etcd", "etcd"])
def test_etcd_is_also_told_by_its_environment(shell: list[str], tmp_path: Path, program: str) -> None:
    (tmp_path / "etcd.env").write_text(
        "ETCD_DATA_DIR=/data\nETCD_NAME=m1\nETCD_LISTEN_PEER_URLS=https://10.0.0.1:2380\nETCD_ROOT_PASSWORD=x\nOTHER=1\n"
    )
    put(tmp_path, "x.service", f"[Service]\nEnvironmentFile={tmp_path}/etcd.env\nExecStart={program} --name=flag\n")
    words = told(shell, tmp_path)
    assert set(words[1:-1]) == {"--data-dir=/data", "--name=m1", "--listen-peer-urls=https://10.0.0.1:2380"}
    assert words[-1] == "--name=flag"  # the last one counts


def test_a_unit_of_another_name_is_found_by_its_program(shell: list[str], tmp_path: Path) -> None:
    put(tmp_path, "etcd-member.service", "[Service]\nExecStart=/opt/bin/etcd --name=a\n")
    put(tmp_path, "etcd-backup.service", "[Service]\nExecStart=/opt/bin/etcdctl snapshot save\n")
    where = tmp_path / "etc/systemd/system"
    found = say(
        shell, f'KR_UNIT_DIRS=\'{where}\'; kr_val a "$(kr_unit_of etcd)"; kr_val b "$(kr_unit_of kube-apiserver)"'
    )
    assert (found.value("a"), found.value("b")) == ("etcd-member", "")


def test_every_flag_is_told_with_its_value(shell: list[str]) -> None:
    text = ".\n--a=1\n--b\n2\n-c\n--d=x=y\n--root-password\nhunter2\n--initial-cluster-token=t\n--u=http://me:pw@x\n--token-auth-file=/f\n--e"
    found = say(shell, f"KR_UNIT_DIRS=/none; kr_unit_told x '{text}'")
    assert found.all("flag") == (
        "--a=1",
        "--b=2",
        "--c",
        "--d=x=y",
        "--root-password",
        "--initial-cluster-token",
        "--u",
        "--token-auth-file=/f",
        "--e",
    )
