"""What must be there before a job starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuberevive_run import inputs
from kuberevive_run.jobs import Job, Settings
from kuberevive_run.outcome import BadInput, WrongUser

NOW = 1.8e9


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "state", None, 1, None)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    play = tmp_path / "play.yml"
    play.write_text("[]", encoding="utf-8")
    return Job("renew", str(play), None, (tmp_path / "prod.yml",))


def key(path: Path, *words: str) -> Path:
    """A private key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path), *words], check=True)
    return path


def denied(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Root may read everything: say that this process may not."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda p, mode, **kw: Path(p) != path and real(p, mode, **kw))


def test_clusters_have_the_names_of_their_inventories(tmp_path: Path) -> None:
    for name in ("prod/hosts.yml", "stage/hosts", "clusters/east/hosts.yml", "clusters/west/x.ini", "clusters/.git/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "clusters/README.md").touch()
    given = Job("j", "p.yml", None, (tmp_path / "prod/hosts.yml", tmp_path / "stage", tmp_path / "lab.yml"))
    assert [cluster.name for cluster in inputs.clusters(given)] == ["prod", "stage", "lab"]
    many = inputs.clusters(Job("j", "p.yml", tmp_path / "clusters", ()))
    assert [(cluster.name, cluster.inventory, cluster.wrong) for cluster in many] == [
        ("east", tmp_path / "clusters/east", ""),
        ("west", tmp_path / "clusters/west", ""),
    ]


def test_two_inventories_of_one_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="two inventories called prod"):
        inputs.clusters(Job("j", "p.yml", None, (tmp_path / "a/prod.yml", tmp_path / "b/prod.ini")))


def test_a_cluster_that_could_be_no_file_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="would name a cluster 'my prod'"):
        inputs.clusters(Job("j", "p.yml", None, (tmp_path / "my prod.yml",)))


@pytest.mark.parametrize(("make", "sentence"), [(False, "No such file or directory"), (True, "no inventory directory")])
def test_a_directory_without_clusters(tmp_path: Path, make: bool, sentence: str) -> None:
    directory = tmp_path / "clusters"
    if make:
        directory.mkdir()
    with pytest.raises(BadInput, match=sentence):
        inputs.clusters(Job("j", "p.yml", directory, ()))


def test_an_inventory_that_cannot_be_read_stops_only_its_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("good.yml", "secret.yml"):
        (tmp_path / name).touch()
    denied(monkeypatch, tmp_path / "secret.yml")
    names = ("good.yml", "gone.yml", "empty", "secret.yml")
    found = inputs.clusters(Job("j", "p.yml", None, tuple(tmp_path / name for name in names)))
    assert found[0].wrong == ""
    assert "does not exist" in found[1].wrong
    assert "is an empty directory" in found[2].wrong
    assert "cannot be read by user" in found[3].wrong


def test_what_is_right_passes(settings: Settings, job: Job, tmp_path: Path) -> None:
    inputs.check(settings, replace(job, ssh_key=key(tmp_path / "key")), NOW)
    assert (settings.state_dir.stat().st_mode & 0o777) == 0o700


def test_too_little_room(settings: Settings, job: Job) -> None:
    with pytest.raises(BadInput, match=r"has \d+ MiB free, and artifacts want 1000000000: free some space"):
        inputs.check(replace(settings, min_free_mb=10**9), job, NOW)


def test_a_state_directory_of_somebody_else(settings: Settings, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.state_dir.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    with pytest.raises(WrongUser, match=r"belongs to user .*: run this as that user"):
        inputs.check(settings, job, NOW)


def test_a_state_directory_that_cannot_be_made(settings: Settings, job: Job, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be made: Not a directory"):
        inputs.check(replace(settings, state_dir=tmp_path / "play.yml/state"), job, NOW)


@pytest.mark.parametrize(
    ("playbook", "sentence"),
    [
        ("/nowhere/play.yml", "the playbook /nowhere/play.yml cannot be read"),
        ("renew", "is neither a path to a .yml file nor NAMESPACE.COLLECTION.NAME"),
        ("kuberevive.cluster.renew_certs", "there is no playbook kuberevive.cluster.renew_certs below "),
    ],
)
def test_a_playbook_that_is_not_there(settings: Settings, job: Job, playbook: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        inputs.check(settings, replace(job, playbook=playbook), NOW)


def test_a_playbook_of_a_collection_is_found_where_ansible_looks(settings: Settings, job: Job, tmp_path: Path) -> None:
    playbooks = tmp_path / "there/ansible_collections/kuberevive/cluster/playbooks"
    playbooks.mkdir(parents=True)
    (playbooks / "renew_certs.yml").touch()
    config = tmp_path / "ansible.cfg"
    config.write_text(f"[defaults]\ncollections_path = {tmp_path / 'there'}\n", encoding="utf-8")
    wanted = replace(job, playbook="kuberevive.cluster.renew_certs")
    inputs.check(replace(settings, ansible_config=config), wanted, NOW)
    shutil.rmtree(playbooks)
    with pytest.raises(BadInput, match="there is no playbook"):
        inputs.check(replace(settings, ansible_config=config), wanted, NOW)


def test_other_files_that_are_not_there(settings: Settings, job: Job) -> None:
    gone = Path("/nowhere/file")
    with pytest.raises(BadInput, match="known_hosts /nowhere/file cannot be read"):
        inputs.check(settings, replace(job, known_hosts=gone), NOW)
    with pytest.raises(BadInput, match="ansible_config /nowhere/file cannot be read"):
        inputs.check(replace(settings, ansible_config=gone), job, NOW)


class TestKey:
    def check(self, settings: Settings, job: Job, path: Path, now: float = NOW) -> str:
        with pytest.raises(BadInput) as bad:
            inputs.check(settings, replace(job, ssh_key=path), now)
        return str(bad.value)

    def test_missing(self, settings: Settings, job: Job) -> None:
        assert "ssh_key /nowhere/key cannot be read: No such file" in self.check(settings, job, Path("/nowhere/key"))

    def test_denied(self, settings: Settings, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = key(tmp_path / "key")
        denied(monkeypatch, path)
        assert "cannot be read by user" in self.check(settings, job, path)

    def test_readable_by_others(self, settings: Settings, job: Job, tmp_path: Path) -> None:
        path = key(tmp_path / "key")
        path.chmod(0o640)
        assert f"has mode 0640, so others can read it and ssh refuses it: chmod 0600 {path}" in self.check(
            settings, job, path
        )

    def test_with_a_passphrase(self, settings: Settings, job: Job, tmp_path: Path) -> None:
        path = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(path)], check=True)
        assert "works without a passphrase" in self.check(settings, job, path)

    def test_something_else(self, settings: Settings, job: Job, tmp_path: Path) -> None:
        path = tmp_path / "key"
        path.write_text("hello\n", encoding="utf-8")
        path.chmod(0o600)
        assert "is no private key" in self.check(settings, job, path)

    def test_a_certificate_that_has_ended(self, settings: Settings, job: Job, tmp_path: Path) -> None:
        authority, path = key(tmp_path / "ca"), key(tmp_path / "key")
        sign: list[Any] = ["ssh-keygen", "-q", "-s", authority, "-I", "job", "-n", "root"]
        env = {**os.environ, "TZ": "UTC"}
        subprocess.run([*sign, "-V", "20250101000000:20260101000000", f"{path}.pub"], check=True, env=env)
        assert "key-cert.pub ended 2026-01-01T00:00:00+00:00: have the key signed again" in self.check(
            settings, job, path
        )
        inputs.check(settings, replace(job, ssh_key=path), 1767225600.0 - 1)
