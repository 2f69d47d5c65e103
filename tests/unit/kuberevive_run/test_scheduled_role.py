"""What roles/scheduled_renewal installs: pinned versions, the packed collection, units and files that are right."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders.job_place import ROOT

from kuberevive_run import jobs

ROLE = ROOT / "roles" / "scheduled_renewal"
FARM = ROOT / "collections" / "ansible_collections" / "kuberevive" / "cluster"
DEFAULTS = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))


def pins(path: Path) -> dict[str, str]:
    """Package -> version, of a requirements file."""
    lines = [line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return {
        name.lower().replace("_", "-"): version for name, _, version in (line.partition("==") for line in lines if line)
    }


PINS = pins(ROLE / "files" / "requirements.txt")


def packer() -> Callable[[Path], dict[str, str]]:
    """The function of files/pack.py."""
    spec = importlib.util.spec_from_file_location("pack", ROLE / "files" / "pack.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Path], dict[str, str]] = module.pack
    return found


def test_the_virtualenv_is_what_the_project_is_tested_with() -> None:
    assert {name: metadata.version(name) for name in PINS} == PINS
    shared = {name: version for name, version in pins(ROOT / "requirements.txt").items() if name in PINS}
    assert set(shared) >= {"ansible-core", "ansible-runner", "pyyaml", "ruamel.yaml", "pynacl", "prometheus-client"}
    assert shared.items() <= PINS.items()


def test_the_virtualenv_is_whole() -> None:
    """Every package that a pinned one needs is pinned as well."""
    needs = {
        re.split(r"[^A-Za-z0-9._-]", need)[0].lower().replace("_", "-")
        for name in PINS
        for need in metadata.requires(name) or []
        if ";" not in need
    }
    assert needs
    assert needs - set(PINS) <= {"setuptools"}


def test_the_execution_environment_has_the_same_versions() -> None:
    path = ROOT / "extras" / "execution-environment" / "execution-environment.yml"
    definition = yaml.safe_load(path.read_text(encoding="utf-8"))
    needs = definition["dependencies"]
    assert definition["version"] == 3
    assert (path.parent / needs["python"]).resolve() == ROLE / "files" / "requirements.txt"
    for name in ("ansible_core", "ansible_runner"):
        word = name.replace("_", "-")
        assert needs[name]["package_pip"] == f"{word}=={PINS[word]}"


def test_the_collection_is_packed_from_a_checkout_and_from_where_it_is_installed(tmp_path: Path) -> None:
    pack = packer()
    built = pack(FARM / "roles" / "scheduled_renewal")
    try:
        with tarfile.open(built["path"]) as archive:
            names = set(archive.getnames())
            archive.extractall(tmp_path / "installed", filter="data")
    finally:
        shutil.rmtree(Path(built["path"]).parent)
    assert {"roles/scheduled_renewal/files/kuberevive_run/main.py", "playbooks/renew_certificates.yml"} <= names
    assert not {name.partition("/")[0] for name in names} & {"tests", "lab", "molecule", "inventory"}
    files = (tmp_path / "installed/FILES.json").read_bytes()
    assert hashlib.sha256(files).hexdigest() == built["sha256"]
    (tmp_path / "installed/came-later").touch()
    again = pack(tmp_path / "installed/roles/scheduled_renewal")
    try:
        assert again["sha256"] == built["sha256"]
        with tarfile.open(again["path"]) as archive:
            assert set(archive.getnames()) == names
    finally:
        shutil.rmtree(Path(again["path"]).parent)


def test_a_role_outside_a_collection_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "roles/x").mkdir(parents=True)
    with pytest.raises(SystemExit, match="is no collection"):
        packer()(tmp_path / "roles/x")


def play(path: Path, hardened: bool) -> dict[str, Any]:
    """The play that writes the role's templates below that directory."""
    files = {name: name for name in ("ansible.cfg", "jobs.yml", "kuberevive-run@.service")}
    files |= {"kuberevive-run": "bin/kuberevive-run", "kuberevive-run.timer": "kuberevive-run@renew.timer"}
    chosen = {
        "scheduled_renewal_home": str(path),
        "scheduled_renewal_config_dir": str(path),
        "scheduled_renewal_state_dir": str(path / "state"),
        "scheduled_renewal_user": "root",
        "scheduled_renewal_metrics_dir": str(path / "metrics") if hardened else "",
        "scheduled_renewal_hardening": hardened,
        "scheduled_renewal_item": {"key": "renew", "value": DEFAULTS["scheduled_renewal_timers"]["renew"]},
    }
    write = {"src": f"{ROLE}/templates/{{{{ item.key }}}}.j2", "dest": f"{path}/{{{{ item.value }}}}", "mode": "0644"}
    return {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [
            {"ansible.builtin.set_fact": chosen},
            {"ansible.builtin.template": write, "loop": [{"key": k, "value": v} for k, v in files.items()]},
        ],
    }


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """What the role would write, with and without the sandbox."""
    found = {hardened: tmp_path_factory.mktemp("rendered") for hardened in (True, False)}
    for path in found.values():
        for name in ("bin", "state"):
            (path / name).mkdir()
    plays = found[True] / "plays.yml"
    plays.write_text(yaml.safe_dump([play(path, hardened) for hardened, path in found.items()]), encoding="utf-8")
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", str(plays)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in found.values():
        (path / "bin/kuberevive-run").chmod(0o755)
    return found


@pytest.fixture(params=[True, False], ids=["hardened", "bare"])
def rendered(request: pytest.FixtureRequest, both: dict[bool, Path]) -> Path:
    """One of the two."""
    return both[request.param]


def verified(path: Path) -> str:
    """What systemd has to say against the units."""
    units = [f"{path}/kuberevive-run@renew.{kind}" for kind in ("timer", "service")]
    shutil.copy(path / "kuberevive-run@.service", units[1])
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_systemd_likes_the_units(rendered: Path) -> None:
    assert "kuberevive" not in verified(rendered)
    service = (rendered / "kuberevive-run@.service").read_text(encoding="utf-8")
    assert f"ExecStart={rendered}/bin/kuberevive-run %i\n" in service
    assert service.count("ReadWritePaths=") == (2 if "NoNewPrivileges=yes" in service else 0)


def test_systemd_would_say_what_is_wrong(rendered: Path) -> None:
    path = rendered / "kuberevive-run@.service"
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("KillMode=mixed", "KillMode=mxied\nRestartForceExitStatus=75"), encoding="utf-8")
    try:
        assert "kuberevive" in verified(rendered)
    finally:
        path.write_text(right, encoding="utf-8")


def test_the_jobs_file_is_one(rendered: Path) -> None:
    path = rendered / "jobs.yml"
    for name in DEFAULTS["scheduled_renewal_jobs"]:
        settings, job = jobs.parse(jobs.read(path), path, name)
        assert job.clusters_dir == rendered / "clusters"
        assert job.ssh_key == rendered / "ssh_key"
        assert job.known_hosts == rendered / "known_hosts"
        assert settings.ansible_config == rendered / "ansible.cfg"
        assert settings.state_dir == rendered / "state"


def test_the_command_starts(rendered: Path) -> None:
    text = (rendered / "bin/kuberevive-run").read_text(encoding="utf-8")
    assert text.startswith(f"#!{rendered}/venv/bin/python -I\n")
    sources = rendered / "collections/ansible_collections/kuberevive/cluster/roles/scheduled_renewal/files"
    shutil.copytree(ROLE / "files", sources, dirs_exist_ok=True)
    argv = [sys.executable, "-I", str(rendered / "bin/kuberevive-run"), "--validate", "renew"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith(
        f"kuberevive-run: clusters_dir {rendered}/clusters cannot be read: No such file or directory"
    )


def test_every_job_has_a_playbook_of_the_collection() -> None:
    for job in DEFAULTS["scheduled_renewal_jobs"].values():
        assert (ROOT / "playbooks" / f"{job['playbook'].rpartition('.')[2]}.yml").is_file()
    assert set(DEFAULTS["scheduled_renewal_timers"]) <= set(DEFAULTS["scheduled_renewal_jobs"])
