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


class Rendered:
    """The role's templates, written by Ansible below a directory."""

    def __init__(self, path: Path, **variables: Any) -> None:
        self.path = path
        units = {"kuberevive-run@.service": "kuberevive-run@.service"}
        files = {name: name for name in ("ansible.cfg", "jobs.yml", "kuberevive-run")} | units
        tasks = [
            {
                "name": f"Write {name}",
                "ansible.builtin.template": {
                    "src": str(ROLE / "templates" / f"{name}.j2"),
                    "dest": str(path / name),
                    "mode": "0755",
                },
            }
            for name in files
        ]
        tasks.append(
            {
                "name": "Write a timer",
                "ansible.builtin.template": {
                    "src": str(ROLE / "templates/kuberevive-run.timer.j2"),
                    "dest": str(path / "kuberevive-run@renew.timer"),
                    "mode": "0644",
                },
                "vars": {
                    "scheduled_renewal_item": {"key": "renew", "value": DEFAULTS["scheduled_renewal_timers"]["renew"]}
                },
            }
        )
        places = {"scheduled_renewal_home": str(path), "scheduled_renewal_state_dir": str(path / "state")}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(ROLE / "defaults/main.yml"), str(ROLE / "vars/main.yml")],
            "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [{"ansible.builtin.set_fact": {**places, "scheduled_renewal_user": "root", **variables}}, *tasks],
        }
        (path / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
        (path / "state").mkdir()
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "play.yml"]
        subprocess.run(argv, cwd=path, check=True, capture_output=True)
        (path / "bin").mkdir()
        (path / "kuberevive-run").rename(path / "bin/kuberevive-run")

    def verified(self) -> str:
        """What systemd has to say against the units."""
        argv = [
            "systemd-analyze",
            "verify",
            "--man=no",
            f"{self.path}/kuberevive-run@renew.timer",
            f"{self.path}/kuberevive-run@renew.service",
        ]
        (self.path / "kuberevive-run@renew.service").write_text(
            (self.path / "kuberevive-run@.service").read_text(encoding="utf-8"), encoding="utf-8"
        )
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


@pytest.fixture(scope="module", params=[True, False], ids=["hardened", "bare"])
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    path = tmp_path_factory.mktemp("rendered")
    metrics = str(path / "metrics") if request.param else ""
    return Rendered(path, scheduled_renewal_hardening=request.param, scheduled_renewal_metrics_dir=metrics)


def test_systemd_likes_the_units(rendered: Rendered) -> None:
    assert "kuberevive" not in rendered.verified()
    service = (rendered.path / "kuberevive-run@.service").read_text(encoding="utf-8")
    assert f"ExecStart={rendered.path}/bin/kuberevive-run %i\n" in service
    assert service.count("ReadWritePaths=") == (2 if "NoNewPrivileges=yes" in service else 0)


def test_systemd_would_say_what_is_wrong(rendered: Rendered) -> None:
    path = rendered.path / "kuberevive-run@.service"
    right = path.read_text(encoding="utf-8")
    path.write_text(right.replace("KillMode=mixed", "KillMode=mxied\nRestartForceExitStatus=75"), encoding="utf-8")
    try:
        assert "kuberevive" in rendered.verified()
    finally:
        path.write_text(right, encoding="utf-8")


def test_the_jobs_file_is_one(rendered: Rendered) -> None:
    path = rendered.path / "jobs.yml"
    for name in DEFAULTS["scheduled_renewal_jobs"]:
        settings, job = jobs.parse(jobs.read(path), path, name)
        assert job.clusters_dir == rendered.path / "clusters"
        assert job.ssh_key == rendered.path / "ssh_key"
        assert job.known_hosts == rendered.path / "known_hosts"
        assert settings.ansible_config == rendered.path / "ansible.cfg"
        assert settings.state_dir == rendered.path / "state"


def test_the_command_starts(rendered: Rendered) -> None:
    text = (rendered.path / "bin/kuberevive-run").read_text(encoding="utf-8")
    assert text.startswith(f"#!{rendered.path}/venv/bin/python -I\n")
    sources = rendered.path / "collections/ansible_collections/kuberevive/cluster/roles/scheduled_renewal/files"
    shutil.copytree(ROLE / "files", sources, dirs_exist_ok=True)
    argv = [sys.executable, "-I", str(rendered.path / "bin/kuberevive-run"), "--validate", "renew"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    # The wrapper names /etc/kuberevive, which has no jobs here unless this machine is a control machine.
    assert "kuberevive-run: " in done.stderr


def test_every_job_has_a_playbook_of_the_collection() -> None:
    for job in DEFAULTS["scheduled_renewal_jobs"].values():
        assert (ROOT / "playbooks" / f"{job['playbook'].rpartition('.')[2]}.yml").is_file()
    assert set(DEFAULTS["scheduled_renewal_timers"]) <= set(DEFAULTS["scheduled_renewal_jobs"])
