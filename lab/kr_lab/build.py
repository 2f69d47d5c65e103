"""Binaries and images of a profile, built once from Go modules and Debian packages into a cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kr_lab.host import LabError, say
from kr_lab.images import write_image
from kr_lab.recipes import Plan, Recipe, load_plan, profile_names

__all__ = ["CACHE", "CONTROL_PLANE", "Profile", "ensure_profile"]


def _cache() -> Path:
    own = os.environ.get("KUBEREVIVE_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kuberevive"


CACHE = _cache()
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Profile:
    """A profile, built: what goes on the nodes and what is loaded into their runtime."""

    name: str
    kubernetes: str
    runtime: str
    bins: dict[str, Path]
    images: tuple[Path, ...]
    key: str
    apt: tuple[str, ...]
    control_plane: dict[str, Path]  # the components' own programs, which are in the images too


@dataclass(frozen=True)
class _Built:
    """A component in the cache."""

    recipe: Recipe
    place: Path

    @property
    def tree(self) -> Path:
        return self.place / "tree"

    def binary(self, name: str) -> Path | None:
        path = self.tree / self.recipe.binaries[name] if name in self.recipe.binaries else self.place / "bin" / name
        return path if path.is_file() else None


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Two processes never build the same thing: the second one waits and finds it done."""
    folder = CACHE / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(recipe: Recipe, argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{recipe.title}: {argv[0]} is not installed here: run lab/setup-host.sh") from error
    if done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-20:])
        raise LabError(f"{recipe.title}: failed (rc {done.returncode}): {' '.join(argv)}\n{last}")
    return done.stdout


# Nothing of the person's own Go settings may change what is built.
_GO_ENV = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off", "GOOS": "linux", "GOARCH": "amd64"}


def _kubernetes_stamp(version: str) -> list[str]:
    """The version symbols without which kubeadm refuses to work."""
    major, minor = version.split(".")[:2]
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return [f"-X {package}.{name}={value}" for package in packages for name, value in values.items()]


def _containerd_stamp(version: str) -> list[str]:
    return [f"-X github.com/containerd/containerd/v2/version.Version=v{version}"]


_STAMPS: dict[str, Callable[[str], list[str]]] = {"kubernetes": _kubernetes_stamp, "containerd": _containerd_stamp}


def _openapi_packages(vendor: Path) -> list[str]:
    """Every package with the marker in any file: its ``doc.go`` alone would miss types the apiserver needs."""
    found: set[str] = set()
    for path in (vendor / "k8s.io").rglob("*.go"):
        if b"+k8s:openapi-gen=" in path.read_bytes():
            found.add(str(path.parent.relative_to(vendor)))
    return sorted(found)


def _mend_openapi(recipe: Recipe, work: Path) -> None:
    """Generate the OpenAPI models the way that era's own build did: from a GOPATH."""
    say(f"building {recipe.title} OpenAPI models …")
    for name in ("go.mod", "go.sum"):
        shutil.copy(recipe.folder / name, work)
    _run(recipe, ["go", "mod", "vendor"], work, _GO_ENV)
    tool = work / "openapi-gen"
    argv = ["go", "build", "-trimpath", "-mod=vendor", "-o", str(tool), "k8s.io/kube-openapi/cmd/openapi-gen"]
    _run(recipe, argv, work, _GO_ENV)
    gopath = work / "gopath"
    gopath.mkdir()
    (gopath / "src").symlink_to(work / "vendor")
    argv = [
        str(tool),
        "--go-header-file=/dev/null",
        f"--input-dirs={','.join(_openapi_packages(work / 'vendor'))}",
        "--output-package=k8s.io/kubernetes/pkg/generated/openapi",
        "--output-file-base=zz_generated.openapi",
        f"--output-base={gopath / 'src'}",
        f"--report-filename={work / 'openapi-report'}",
    ]
    env = {**_GO_ENV, "GO111MODULE": "off", "GODEBUG": "gotypesalias=0", "GOPATH": str(gopath)}
    _run(recipe, argv, gopath / "src" / "k8s.io" / "kubernetes", env)


_MENDS: dict[str, Callable[[Recipe, Path], None]] = {"openapi": _mend_openapi}


def _build_go(recipe: Recipe, place: Path) -> None:
    source, mode = recipe.folder, "-mod=readonly"
    work = place / "work"
    for mend in recipe.mends:
        work.mkdir(exist_ok=True)
        _MENDS[mend](recipe, work)
        source, mode = work, "-mod=vendor"
    stamp = _STAMPS[recipe.stamp](recipe.version) if recipe.stamp else []
    flags = ["-trimpath", "-buildvcs=false", mode, "-ldflags", " ".join(["-s", "-w", *stamp])]
    if recipe.tags:
        flags += ["-tags", ",".join(recipe.tags)]
    for number, (binary, package) in enumerate(recipe.packages.items(), 1):
        say(f"building {recipe.title} {binary} ({number}/{len(recipe.packages)}) …")
        _run(recipe, ["go", "build", *flags, "-o", str(place / "bin" / binary), package], source, _GO_ENV)
    if work.exists():
        shutil.rmtree(work)


def _build_debian(recipe: Recipe, place: Path) -> None:
    say(f"building {recipe.title} from {len(recipe.debian)} Debian packages …")
    packages = place / "packages"
    packages.mkdir()
    # Root's apt would give the download to a user who may not write into the cache.
    _run(recipe, ["apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", *recipe.debian], packages)
    tree = place / "tree"
    for package in sorted(packages.glob("*.deb")):
        _run(recipe, ["dpkg-deb", "-x", str(package), str(tree)], place)
    for unused in ("doc", "man", "locale", "lintian", "bug"):
        if (tree / "usr/share" / unused).exists():
            shutil.rmtree(tree / "usr/share" / unused)
    for name, link in recipe.links.items():
        (tree / name).symlink_to(link)
    shutil.rmtree(packages)


def _build_c(recipe: Recipe, place: Path) -> None:
    for source in sorted(recipe.folder.glob("*.c")):
        say(f"building {recipe.title} …")
        argv = ["gcc", "-static", "-Os", "-Wall", "-Werror", "-s", "-o", str(place / "bin" / source.stem), str(source)]
        _run(recipe, argv, place)


_BUILDERS: dict[str, Callable[[Recipe, Path], None]] = {"go": _build_go, "debian": _build_debian, "c": _build_c}


def _ensure_component(recipe: Recipe) -> _Built:
    """The component in the cache, built when it is missing."""
    place = CACHE / "components" / f"{recipe.name}-{recipe.version}-{recipe.key}"
    if not place.exists():
        with _locked(place.name):
            if not place.exists():
                fresh = place.with_name(f".{place.name}")
                # What a build that was killed left behind.
                shutil.rmtree(fresh, ignore_errors=True)
                (fresh / "bin").mkdir(parents=True)
                _BUILDERS[recipe.kind](recipe, fresh)
                fresh.rename(place)
    return _Built(recipe, place)


def _binary(components: Sequence[_Built], name: str) -> Path:
    for built in components:
        path = built.binary(name)
        if path is not None:
            return path
    raise LabError(f"no component of the profile makes {name}")


def _image_tags(plan: Plan, components: Sequence[_Built]) -> dict[str, str]:
    """Image -> full name: what this version's kubeadm asks for, and the profile's own."""
    recipe = next(built.recipe for built in components if built.recipe.name == "kubernetes")
    kubeadm = str(_binary(components, "kubeadm"))
    argv = [kubeadm, "config", "images", "list", "--kubernetes-version", f"v{plan.kubernetes}"]
    references = _run(recipe, argv, CACHE).split()
    tags = {reference.rpartition("/")[2].partition(":")[0]: reference for reference in references}
    return {**tags, **plan.extra_images}


def _ensure_image(name: str, tag: str, components: Sequence[_Built]) -> Path:
    """The image's archive in the cache, written when it is missing."""
    binaries: dict[str, Path] = {}
    trees: list[Path] = []
    digest = hashlib.sha256(tag.encode())
    for built in components:
        recipe = built.recipe
        if name in recipe.tree_in:
            trees.append(built.tree)
        for binary in recipe.images.get(name, ()):
            binaries[binary] = _binary([built], binary)
        if name in recipe.tree_in or name in recipe.images:
            digest.update(f"|{built.place.name}".encode())
    if not binaries and not trees:
        raise LabError(f"no component of the profile makes the image {tag}")
    target = CACHE / "images" / f"{name}-{tag.rpartition(':')[2]}-{digest.hexdigest()[:12]}.tar"
    if not target.exists():
        with _locked(target.name):
            if not target.exists():
                say(f"building image {tag} …")
                write_image(target, tag, binaries, trees, name if name in binaries else None)
    return target


def ensure_profile(profile: str) -> Profile:
    """The profile with all it needs in the cache; what is missing is built."""
    plan = load_plan(profile)
    components = [_ensure_component(recipe) for recipe in plan.components]
    tags = _image_tags(plan, components)
    images = tuple(_ensure_image(name, tag, components) for name, tag in sorted(tags.items()))
    parts = [plan.runtime, *plan.node, *plan.apt, *(built.place.name for built in components)]
    parts += [image.name for image in images]
    return Profile(
        name=plan.name,
        kubernetes=plan.kubernetes,
        runtime=plan.runtime,
        bins={name: _binary(components, name) for name in plan.node},
        images=images,
        key=hashlib.sha256("|".join(parts).encode()).hexdigest()[:12],
        apt=plan.apt,
        control_plane={name: _binary(components, name) for name in CONTROL_PLANE},
    )


def _main(argv: Sequence[str]) -> int:
    if not argv:
        print(f"usage: python3 -m kr_lab.build PROFILE…   (profiles: {', '.join(profile_names())})", file=sys.stderr)
        return 2
    try:
        for name in argv:
            profile = ensure_profile(name)
            print(f"{profile.name}: Kubernetes {profile.kubernetes}, {profile.runtime}, key {profile.key}")
            for path in (*profile.bins.values(), *profile.images):
                print(f"  {path}")
    except LabError as error:
        print(f"kr_lab.build: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
