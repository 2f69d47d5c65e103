"""The lab's builder: recipes, keys, image archives, errors. Nothing is downloaded or compiled here."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from kr_lab import build
from kr_lab.host import LabError
from kr_lab.images import write_image
from kr_lab.recipes import RECIPES, load_plan, load_recipe, profile_names


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def recipe_folder(top: Path, text: str, name: str = "thing-1.2.3") -> Path:
    folder = top / name
    folder.mkdir(parents=True)
    (folder / "recipe.yml").write_text(text, encoding="utf-8")
    return folder


def layer_names(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type] # a regular file
        layer = outer.extractfile(manifest[0]["Layers"][0])
        assert layer is not None
        with tarfile.open(fileobj=layer) as inner:
            return {member.name: member for member in inner.getmembers()}


@pytest.mark.parametrize("name", profile_names())
def test_profile_is_complete(name: str) -> None:
    plan = load_plan(name)
    made = {binary for recipe in plan.components for binary in (*recipe.packages, *recipe.binaries)}
    filled = {image for recipe in plan.components for image in (*recipe.images, *recipe.tree_in)}
    assert set(plan.node) <= made
    control_plane = {"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}
    assert control_plane | {"etcd", "coredns", "pause", "web"} <= filled
    assert plan.runtime in {"containerd", "docker"}
    assert ("containerd" in plan.node) == (plan.runtime == "containerd")


@pytest.mark.parametrize("folder", sorted(RECIPES.glob("kubernetes-*")), ids=lambda folder: str(folder.name))
def test_kubernetes_folder_pins_its_own_version(folder: Path) -> None:
    recipe = load_recipe(folder)
    minor = recipe.version.removeprefix("1.")
    lines = [line.split() for line in (folder / "go.mod").read_text(encoding="utf-8").splitlines()]
    required = [line[1:3] if line[0] == "require" else line[:2] for line in lines if line]
    assert ["k8s.io/kubernetes", f"v{recipe.version}"] in required
    replaced = {line[-1] for line in lines if "=>" in line and line[0].startswith("k8s.io/")}
    assert replaced == {f"v0.{minor}"}
    assert f"k8s.io/kubernetes v{recipe.version} h1:" in (folder / "go.sum").read_text(encoding="utf-8")


def test_every_go_recipe_is_pinned() -> None:
    for folder in RECIPES.iterdir():
        if folder.name != "profiles" and load_recipe(folder).kind == "go":
            requires = "require" in (folder / "go.mod").read_text(encoding="utf-8")
            assert (folder / "go.sum").exists() == requires, folder.name


def test_unknown_profile_names_the_known_ones() -> None:
    with pytest.raises(LabError, match="no profile 'later', only current, legacy"):
        load_plan("later")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("thing-1", "kind: rust\n", "of a kind in go, debian, c"),
        ("thing", "kind: go\n", "a folder <component>-<version>"),
        ("thing-1", "- kind\n", "holds no mapping"),
    ],
)
def test_wrong_recipe_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(LabError, match=message):
        load_recipe(recipe_folder(tmp_path, text, name))


def test_key_follows_every_file_of_the_folder(tmp_path: Path) -> None:
    folder = recipe_folder(tmp_path, "kind: go\n")
    bare = load_recipe(folder).key
    (folder / "go.sum").write_text("a v1 h1:x\n", encoding="utf-8")
    pinned = load_recipe(folder).key
    shutil.copytree(folder, tmp_path / "copy" / folder.name)
    (tmp_path / "copy" / folder.name / "recipe.yml").write_text("---\n# a comment\nkind: go\n", encoding="utf-8")
    assert bare != pinned
    assert load_recipe(tmp_path / "copy" / folder.name).key == pinned


def test_kubernetes_stamp_carries_the_version_kubeadm_asks_for() -> None:
    stamp = build._STAMPS["kubernetes"]("1.20.15")
    assert "-X k8s.io/component-base/version.gitVersion=v1.20.15" in stamp
    assert "-X k8s.io/client-go/pkg/version.gitMinor=20" in stamp


def test_openapi_packages_are_found_by_any_file(tmp_path: Path) -> None:
    for name, text in {
        "a/doc.go": "// +k8s:openapi-gen=true",
        "b/quantity.go": "// +k8s:openapi-gen=true",
        "c/x.go": "",
    }.items():
        path = tmp_path / "k8s.io" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{text}\npackage p\n", encoding="utf-8")
    assert build._openapi_packages(tmp_path) == ["k8s.io/a", "k8s.io/b"]


def test_image_is_one_named_layer(tmp_path: Path) -> None:
    binary = tmp_path / "server"
    binary.write_bytes(b"\x7fELF")
    binary.chmod(0o700)
    tree = tmp_path / "tree"
    (tree / "usr/sbin").mkdir(parents=True)
    (tree / "usr/sbin/iptables").symlink_to("xtables-nft-multi")
    target = tmp_path / "out" / "server.tar"
    write_image(target, "registry.k8s.io/server:v1", {"server": binary}, [tree], "server")
    with tarfile.open(target) as archive:
        (entry,) = json.load(archive.extractfile("manifest.json"))  # type: ignore[arg-type] # a regular file
        config = json.load(archive.extractfile(entry["Config"]))  # type: ignore[arg-type] # a regular file
        layer = archive.extractfile(entry["Layers"][0])
        assert layer is not None
        digest = hashlib.sha256(layer.read()).hexdigest()
    assert entry["RepoTags"] == ["registry.k8s.io/server:v1"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert config["config"]["Entrypoint"] == ["/usr/local/bin/server"]
    names = layer_names(target)
    assert names["usr/local/bin/server"].mode == 0o755
    assert names["usr/sbin/iptables"].linkname == "xtables-nft-multi"
    assert [path.name for path in target.parent.iterdir()] == ["server.tar"]


def test_same_files_same_image(tmp_path: Path) -> None:
    binary = tmp_path / "pause"
    archives = []
    for number in (1, 2):
        binary.write_bytes(b"\x7fELF")
        os.utime(binary, (number, number))
        write_image(tmp_path / f"{number}.tar", "pause:1", {"pause": binary})
        archives.append((tmp_path / f"{number}.tar").read_bytes())
    assert archives[0] == archives[1]


def test_failed_command_names_component_and_last_lines(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_folder(tmp_path, "kind: go\n"))
    with pytest.raises(LabError) as caught:
        build._run(recipe, ["sh", "-c", "seq 1 50; exit 3"], tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0] == "thing 1.2.3: failed (rc 3): sh -c seq 1 50; exit 3"
    assert lines[1:] == [str(number) for number in range(31, 51)]


def test_missing_tool_says_what_to_do(tmp_path: Path) -> None:
    recipe = load_recipe(recipe_folder(tmp_path, "kind: go\n"))
    with pytest.raises(LabError, match=r"thing 1\.2\.3: no-such-tool is not installed here"):
        build._run(recipe, ["no-such-tool"], tmp_path)


def test_component_is_built_once_and_whole(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = load_recipe(recipe_folder(tmp_path, "kind: c\n"))
    calls = []

    def half(_: object, place: Path) -> None:
        (place / "bin" / "thing").write_bytes(b"half")
        raise LabError("no space")

    def whole(_: object, place: Path) -> None:
        calls.append(sorted(path.name for path in (place / "bin").iterdir()))
        (place / "bin" / "thing").write_bytes(b"whole")

    monkeypatch.setitem(build._BUILDERS, "c", half)
    with pytest.raises(LabError, match="no space"):
        build._ensure_component(recipe)
    monkeypatch.setitem(build._BUILDERS, "c", whole)
    for _ in range(2):
        path = build._ensure_component(recipe).binary("thing")
        assert path is not None
        assert path.read_bytes() == b"whole"
    assert calls == [[]], "built once, and not on top of what the failed build left"
    assert [path.name for path in (cache / "components").iterdir()] == [f"thing-1.2.3-{recipe.key}"]


def test_image_names_are_what_kubeadm_prints(cache: Path, tmp_path: Path) -> None:
    plan = load_plan("legacy")
    printed = "k8s.gcr.io/kube-proxy:v1.20.15\\nregistry.k8s.io/coredns/coredns:v1.8.6\\nlocalhost:5000/pause:3.2\\n"
    kubeadm = cache / "components" / "bin" / "kubeadm"
    kubeadm.parent.mkdir(parents=True)
    kubeadm.write_text(f'#!/bin/sh\n[ "$5" = v1.20.15 ] && printf "{printed}"\n', encoding="utf-8")
    kubeadm.chmod(0o755)
    kubernetes = next(recipe for recipe in plan.components if recipe.name == "kubernetes")
    tags = build._image_tags(plan, [build._Built(kubernetes, kubeadm.parent.parent)])
    assert tags == {
        "kube-proxy": "k8s.gcr.io/kube-proxy:v1.20.15",
        "coredns": "registry.k8s.io/coredns/coredns:v1.8.6",
        "pause": "localhost:5000/pause:3.2",
        "web": "registry.k8s.io/kuberevive/web:1",
    }


def test_image_is_bound_to_what_is_in_it(cache: Path, tmp_path: Path) -> None:
    recipe = load_recipe(recipe_folder(tmp_path, "kind: c\nimages:\n  thing: [thing]\n"))
    paths = set()
    for key in ("aaaa", "bbbb", "aaaa"):
        place = cache / "components" / f"thing-1.2.3-{key}"
        (place / "bin").mkdir(parents=True, exist_ok=True)
        (place / "bin" / "thing").write_bytes(key.encode())
        paths.add(
            build._ensure_image("thing", "registry.k8s.io/thing:v1", [build._Built(replace(recipe, key=key), place)])
        )
    assert len(paths) == 2
    assert all("usr/local/bin/thing" in layer_names(path) for path in paths)


def test_image_nobody_makes_is_an_error(cache: Path) -> None:
    with pytest.raises(LabError, match=r"no component of the profile makes the image registry\.k8s\.io/new:v1"):
        build._ensure_image("new", "registry.k8s.io/new:v1", [])


@pytest.mark.parametrize(
    ("arguments", "code", "said"), [([], 2, "usage:"), (["later"], 1, "there is no profile 'later'")]
)
def test_command_line(arguments: list[str], code: int, said: str) -> None:
    lab = RECIPES.parent
    done = subprocess.run(
        [sys.executable, "-m", "kr_lab.build", *arguments], cwd=lab, capture_output=True, text=True, check=False
    )
    assert done.returncode == code
    assert said in done.stderr
