"""What must be there before a job starts: clusters, playbook, SSH key, room. Makes the state directory, nothing else."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ansible.config.manager import ConfigManager
from cryptography.hazmat.primitives.serialization import SSHCertificate, load_ssh_public_identity

from kuberevive_run.jobs import NAME, Job, Settings
from kuberevive_run.outcome import BadInput, WrongUser

__all__ = ["Cluster", "check", "clusters"]

# File names that say nothing about the cluster: the directory does.
_PLAIN = ("hosts", "inventory")


@dataclass(frozen=True)
class Cluster:
    """One cluster of a job."""

    name: str  # names its lock, its artifacts and its metrics
    inventory: Path
    wrong: str = ""  # why nothing can be run on it; the other clusters are not stopped by it


def clusters(job: Job) -> tuple[Cluster, ...]:
    """The job's clusters, each named as its inventory's directory or file."""
    found = [_cluster(path) for path in (_directories(job.clusters_dir) if job.clusters_dir else job.inventories)]
    twice = [name for name, count in Counter(cluster.name for cluster in found).items() if count > 1]
    if twice:
        raise BadInput(
            f"job {job.name} has two inventories called {twice[0]}: rename one, because the name is that of the lock"
        )
    return tuple(found)


def check(settings: Settings, job: Job, now: float) -> None:
    """Raises BadInput where the job cannot run on any cluster."""
    _state_dir(settings)
    _playbook(settings, job)
    if settings.ansible_config and not os.access(settings.ansible_config, os.R_OK):
        raise BadInput(f"ansible_config {settings.ansible_config} cannot be read: correct the path or its mode")
    if job.ssh_key:
        _ssh_key(job.ssh_key, now)
    if job.known_hosts and not os.access(job.known_hosts, os.R_OK):
        raise BadInput(f"known_hosts {job.known_hosts} cannot be read: make it by ssh-keyscan, or correct the path")


def _directories(directory: Path) -> list[Path]:
    try:
        found = sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise BadInput(
            f"clusters_dir {directory} cannot be read: {error.strerror}; correct the path or its mode"
        ) from None
    if not found:
        raise BadInput(f"clusters_dir {directory} holds no inventory directory: make one for each cluster")
    return found


def _cluster(path: Path) -> Cluster:
    name = path.name if path.is_dir() else path.stem
    if name in _PLAIN:
        name = path.absolute().parent.name
    if not NAME.fullmatch(name):
        raise BadInput(
            f"inventory {path} would name a cluster {name!r}: use letters, digits, dots, hyphens, underscores"
        )
    return Cluster(name, path.absolute(), _unreadable(path))


def _unreadable(path: Path) -> str:
    """Why Ansible could not read this inventory."""
    try:
        files = [entry for entry in path.iterdir() if not entry.name.startswith(".")] if path.is_dir() else [path]
    except OSError as error:
        return f"inventory {path} cannot be read: {error.strerror}; correct its mode"
    if not files:
        return f"inventory {path} is an empty directory: put hosts.yml into it"
    for file in files:
        if not file.exists():
            return f"inventory {file} does not exist: correct the path"
        if not os.access(file, os.R_OK | (os.X_OK if file.is_dir() else 0)):
            return f"inventory {file} cannot be read by user {_user(os.geteuid())}: correct its owner or mode"
    return ""


def _state_dir(settings: Settings) -> None:
    directory = settings.state_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"state_dir {directory} cannot be made: {error.strerror}; make it, or name another") from None
    owner = directory.stat().st_uid
    if owner != os.geteuid():  # root could, but would leave files that the owner cannot write
        raise WrongUser(f"state_dir {directory} belongs to user {_user(owner)}: run this as that user (runuser -u)")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise BadInput(f"state_dir {directory} cannot be written: correct its mode (0700)")
    free = shutil.disk_usage(directory).free // 2**20
    if free < settings.min_free_mb:
        raise BadInput(
            f"state_dir {directory} has {free} MiB free, and artifacts want {settings.min_free_mb}: "
            "free some space, or set min_free_mb lower"
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _playbook(settings: Settings, job: Job) -> None:
    if job.playbook.endswith((".yml", ".yaml")):
        if not os.access(job.playbook, os.R_OK):
            raise BadInput(f"job {job.name}: the playbook {job.playbook} cannot be read: correct the path or its mode")
        return
    namespace, _, rest = job.playbook.partition(".")
    collection, _, name = rest.partition(".")
    if not (namespace and collection and name):
        raise BadInput(
            f"job {job.name}: the playbook {job.playbook} is neither a path to a .yml file nor NAMESPACE.COLLECTION.NAME"
        )
    places = _collection_paths(settings)
    for place in places:
        folder = Path(place).expanduser() / "ansible_collections" / namespace / collection / "playbooks"
        if any((folder / f"{name}{suffix}").is_file() for suffix in (".yml", ".yaml")):
            return
    raise BadInput(
        f"job {job.name}: there is no playbook {job.playbook} below {':'.join(places)}: install the collection, "
        "or set collections_path in ansible.cfg"
    )


def _collection_paths(settings: Settings) -> list[str]:
    """Where Ansible will look."""
    config = ConfigManager(conf_file=str(settings.ansible_config) if settings.ansible_config else None)
    paths: list[str] = config.get_config_value("COLLECTIONS_PATHS")
    return paths


def _ssh_key(path: Path, now: float) -> None:
    try:
        seen = path.stat()
    except OSError as error:
        raise BadInput(f"ssh_key {path} cannot be read: {error.strerror}; put the job's private key there") from None
    if not os.access(path, os.R_OK):
        raise BadInput(f"ssh_key {path} cannot be read by user {_user(os.geteuid())}: correct its owner or mode")
    others = 0o077 if seen.st_uid == os.geteuid() else 0o007
    if seen.st_mode & others:
        mode = stat.S_IMODE(seen.st_mode)
        raise BadInput(
            f"ssh_key {path} has mode {mode:04o}, so others can read it and ssh refuses it: chmod 0600 {path}"
        )
    if not _usable(path):
        raise BadInput(
            f"ssh_key {path} is no private key that works without a passphrase: nobody is there to type one, "
            "so make one for this job by ssh-keygen -N ''"
        )
    _certificate(path.with_name(path.name + "-cert.pub"), now)


def _usable(path: Path) -> bool:
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(path)]
    try:
        return (
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False).returncode == 0
        )
    except FileNotFoundError:
        raise BadInput("there is no ssh-keygen on this machine: install the OpenSSH client") from None


def _certificate(path: Path, now: float) -> None:
    """A certificate beside the key is what ssh offers first; one that has ended opens no node."""
    try:
        identity = load_ssh_public_identity(path.read_bytes())
    except (OSError, ValueError):
        return
    if isinstance(identity, SSHCertificate) and identity.valid_before < now:
        end = datetime.fromtimestamp(identity.valid_before, timezone.utc).isoformat(timespec="seconds")
        raise BadInput(f"the SSH certificate {path} ended {end}: have the key signed again")
