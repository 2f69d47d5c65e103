"""The base disk of a profile: Debian, the profile's binaries, its images already loaded."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
import time
from pathlib import Path

from kr_lab import podman
from kr_lab.build import Profile
from kr_lab.host import LAB_DIR, LabError, lock, run, step
from kr_lab.store import STORE, attach, clone, detach, new_disk, ssh_key

__all__ = ["base_key", "bootstrap", "ensure_base", "image_tags", "tree_hash"]

_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "curl", "ca-certificates", "openssl", "python3"),
    *("iproute2", "iputils-ping", "iptables", "conntrack", "socat", "e2fsprogs", "ethtool", "kmod", "procps"),
    *("busybox", "runc", "logrotate", "less"),
)
_HOST_BINARIES = ("kubeadm", "kubelet", "kubectl", "containerd", "containerd-shim-runc-v2", "ctr", "crictl")
_CNI_PLUGINS = Path("/usr/lib/cni")
_CNI_NAMES = ("bridge", "host-local", "loopback", "portmap")
_MASKED = (
    *("systemd-udevd.service", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket"),
    *("systemd-modules-load.service", "systemd-logind.service", "getty.target", "console-getty.service"),
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer"),
    *("e2scrub_all.timer", "e2scrub_reap.service"),
)
# Raise it when the code below makes another disk than before from the same data.
_RECIPE = 1
# A base made later than this takes Debian's updates.
_DEBIAN_DAYS = 30
OPSPW_PASSWORD = "lab-only-password"


def tree_hash(*paths: Path) -> str:
    """One hash over files and folders: their names, contents, and whether they are programs."""
    digest = hashlib.sha256()
    for top in paths:
        for path in [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file()):
            digest.update(f"{path.relative_to(LAB_DIR)} {bool(path.stat().st_mode & 0o100)}\n".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def base_key(profile: Profile) -> str:
    """What the base disk is made of, as a short hash: another key, another disk."""
    public = ssh_key().with_suffix(".pub").read_text(encoding="utf-8")
    data = repr((_RECIPE, _PACKAGES, _HOST_BINARIES, _CNI_NAMES, _MASKED, profile.apt))
    parts = (profile.key, public, data, tree_hash(LAB_DIR / "node"))
    return f"{profile.name}-{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"


def image_tags(images: tuple[Path, ...]) -> list[str]:
    """The names of the images in the profile's archives."""
    tags: list[str] = []
    for path in images:
        with tarfile.open(path) as archive:
            manifest = archive.extractfile("manifest.json")
            if manifest is None:
                raise LabError(f"{path} is no docker archive: it holds no manifest.json")
            for entry in json.load(manifest):
                tags += entry["RepoTags"]
    return tags


def ensure_base(profile: Profile) -> Path:
    """The base disk of the profile, built when it is missing."""
    disk = STORE / "base" / f"{base_key(profile)}.ext4"
    with lock("base"):
        if disk.exists():
            return disk
        # Reflinked copies keep their blocks: an outdated base can go at once.
        for old in (STORE / "base").glob(f"{profile.name}-*"):
            _discard(old)
        fresh = disk.with_suffix(".new")
        place = STORE / "base" / f"{profile.name}-root"
        clone(_debian(profile), fresh)
        attach(fresh, place)
        try:
            _configure(profile, place)
            with step(f"{len(profile.images)} image archives loaded into the base of {profile.name}"):
                _load_images(profile, place)
        finally:
            detach(place)
        place.rmdir()
        fresh.rename(disk)
    return disk


def _debian(profile: Profile) -> Path:
    """Debian and its packages alone: the slow part, and the same for profiles with the same runtime."""
    packages = [*_PACKAGES, *profile.apt]
    disk = STORE / "base" / f"debian-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}.ext4"
    if disk.exists() and time.time() - disk.stat().st_mtime < _DEBIAN_DAYS * 86400:
        return disk
    place = STORE / "base" / "debian-root"
    with new_disk(disk, place), step("base system (Debian bookworm)"):
        bootstrap(packages, place)
    return disk


def _discard(old: Path) -> None:
    if old.is_dir():
        detach(old)
        old.rmdir()
    else:
        old.unlink()


def bootstrap(packages: list[str], root: Path) -> None:
    """Debian with those packages, in an empty directory where a new disk is mounted."""
    (root / "lost+found").rmdir()
    proxy = [
        f"--aptopt={line}"
        for line in run(["apt-config", "dump"]).stdout.splitlines()
        if line.lower().startswith(("acquire::http::proxy ", "acquire::https::proxy "))
    ]
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            f"--include={','.join(packages)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--skip=check/empty",
            *proxy,
            "bookworm",
            root,
        ],
        timeout=1800,
    )


def _configure(profile: Profile, root: Path) -> None:
    for layer in ("common", profile.runtime):
        shutil.copytree(LAB_DIR / "node" / layer, root, dirs_exist_ok=True)
    (root / "etc/sudoers.d/lab").chmod(0o440)
    for name in _HOST_BINARIES:
        if name in profile.bins:
            shutil.copy2(profile.bins[name], root / "usr/bin" / name)
    plugins = root / "opt/cni/bin"
    plugins.mkdir(parents=True, exist_ok=True)
    for name in _CNI_NAMES:
        shutil.copy2(_CNI_PLUGINS / name, plugins / name)
    config = root / "etc/containerd/config.toml"
    if profile.runtime == "containerd":
        pause = [tag for tag in image_tags(profile.images) if "/pause:" in tag]
        if not pause:
            raise LabError(f"profile {profile.name} has no pause image: its recipe must make one")
        config.write_text(config.read_text().replace("@SANDBOX_IMAGE@", pause[0]), encoding="utf-8")
    for name in ("etc/machine-id", "etc/hostname", "etc/hosts", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
    for name in ("etc/machine-id", "etc/resolv.conf"):
        (root / name).touch()
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "var/log/journal").mkdir(exist_ok=True)
    units = ["kubelet.service", "own-swaps.service", "pod-routes.service", "ssh.service"]
    units += ["containerd.service"] if profile.runtime == "containerd" else ["docker.service"]
    run(["chroot", root, "systemctl", "mask", *_MASKED])
    run(["chroot", root, "systemctl", "enable", *units])
    (root / "usr/sbin/swapon").rename(root / "usr/local/lib/lab/swapon.real")
    (root / "usr/sbin/swapoff").unlink()
    for name in ("swapon", "swapoff"):
        (root / "usr/sbin" / name).symlink_to("/usr/local/lib/lab/swap")
    _add_users(root)


def _add_users(root: Path) -> None:
    public = ssh_key().with_suffix(".pub").read_text(encoding="utf-8")
    for user in ("ops", "opspw"):
        run(["chroot", root, "useradd", "-m", "-s", "/bin/bash", user])
    run(["chroot", root, "chpasswd"], stdin=f"opspw:{OPSPW_PASSWORD}\n")
    for home in ("root", "home/ops", "home/opspw"):
        folder = root / home / ".ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "authorized_keys").write_text(public, encoding="utf-8")
        if home != "root":
            run(["chroot", root, "chown", "-R", f"{Path(home).name}:", f"/{home}/.ssh"])


def _load_images(profile: Profile, root: Path) -> None:
    """Boot the base once, without a network, and let its own runtime import the archives."""
    name = f"kr-base-{profile.name}"
    podman.remove(name)
    podman.run_machine(name, root, hostname="base", lab="base", extra=["--network", "none"])
    try:
        folder = root / "var/tmp/images"
        folder.mkdir(parents=True)
        _wait_for_runtime(profile, name)
        for path in profile.images:
            shutil.copy2(path, folder / "image.tar")
            if profile.runtime == "containerd":
                argv = ["ctr", "-n", "k8s.io", "images", "import", "/var/tmp/images/image.tar"]
            else:
                argv = ["docker", "load", "-q", "-i", "/var/tmp/images/image.tar"]
            podman.podman("exec", name, *argv)
        shutil.rmtree(folder)
        podman.stop(name)
    finally:
        podman.remove(name)
    for journal in (root / "var/log/journal").iterdir():
        shutil.rmtree(journal)
    (root / "etc/machine-id").write_text("")


def _wait_for_runtime(profile: Profile, name: str) -> None:
    probe = ["ctr", "version"] if profile.runtime == "containerd" else ["docker", "info"]
    for _ in range(60):
        if podman.podman("exec", name, *probe, check=False).returncode == 0:
            return
        time.sleep(1)
    log = podman.podman("exec", name, "journalctl", "-n", "15", "--no-pager", check=False)
    raise LabError(f"{profile.runtime} does not start in the base of {profile.name}:\n{log.stdout}")
