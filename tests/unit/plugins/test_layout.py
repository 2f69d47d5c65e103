"""What must stand beside what: a finding its catalogue row, a repair its action, module and tasks, a default its specification."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.kuberevive.cluster.plugins.plugin_utils import _judge, _steps
from ansible_collections.kuberevive.cluster.plugins.plugin_utils._judge.causes import RULES
from ansible_collections.kuberevive.cluster.plugins.plugin_utils.model import LAYERS

ROOT = Path(__file__).resolve().parents[3]
COLLECTION = ROOT / "collections" / "ansible_collections" / "kuberevive" / "cluster"
PLUGIN_UTILS = ROOT / "plugins" / "plugin_utils"
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
_CODE = re.compile(r'"((?:host|runtime|pki|kubelet|etcd|apiserver|rbac|controllers|node)\.[a-z_]+)"')

# Known repairs that nothing takes: they say what would be needed.
ALWAYS_REFUSED = {"ca_replace", "etcd_quorum_restore"}

_steps.load()
_judge.load()
KINDS = sorted(_steps.KINDS)


def codes() -> list[str]:
    """Every finding code that the judge can say."""
    found = {check.code for check in _judge.CHECKS}
    for path in (PLUGIN_UTILS / "_judge").glob("*.py"):
        found |= set(_CODE.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


@pytest.mark.parametrize("name", ["galaxy.yml", "meta", "playbooks", "plugins", "roles"])
def test_the_collection_is_the_repository(name: str) -> None:
    link = COLLECTION / name
    assert link.is_symlink()
    assert link.resolve() == ROOT / name


def test_the_collection_holds_nothing_else() -> None:
    assert sorted(path.name for path in COLLECTION.iterdir()) == ["galaxy.yml", "meta", "playbooks", "plugins", "roles"]


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*_*.yml")), ids=lambda path: path.stem)
def test_a_playbook_of_two_words_has_its_hyphenated_name(path: Path) -> None:
    hyphenated = path.with_name(path.name.replace("_", "-"))
    assert hyphenated.is_symlink()
    assert hyphenated.resolve() == path


@pytest.mark.parametrize("name", ["diagnose.yml", "recover-power-loss.yml"])
def test_the_two_commands_work_from_the_root(name: str) -> None:
    assert (ROOT / name).is_symlink()
    assert (ROOT / name).resolve().parent == ROOT / "playbooks"


@pytest.mark.parametrize("path", sorted((ROOT / "playbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_playbooks_hold_roles_only(path: Path) -> None:
    for play in yaml.safe_load(path.read_text(encoding="utf-8")):
        assert play["name"]
        for task in play.get("tasks", []):
            words = set(task) - {"name", "vars", "when", "tags"}
            assert words in ({"ansible.builtin.import_role"}, {"ansible.builtin.meta"}), task


@pytest.mark.parametrize("role", ROLES)
def test_defaults_are_the_specification(role: str) -> None:
    defaults_file = ROOT / "roles" / role / "defaults" / "main.yml"
    specification = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    defaults = (yaml.safe_load(defaults_file.read_text(encoding="utf-8")) if defaults_file.exists() else None) or {}
    entries = specification["argument_specs"].values()
    options = [item for entry in entries for item in (entry.get("options") or {}).items()]
    assert {name: option["default"] for name, option in options if "default" in option} == defaults


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_whole(role: str) -> None:
    for name in ("README.md", "meta/main.yml", "meta/argument_specs.yml", "tasks/main.yml"):
        assert (ROOT / "roles" / role / name).is_file(), name


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_whole(layer: str) -> None:
    for name in (f"_probe/{layer}.sh", f"_facts/{layer}.py", f"_judge/{layer}.py", f"_steps/{layer}.py"):
        assert (PLUGIN_UTILS / name).is_file(), name
    assert layer in ROLES


@pytest.mark.parametrize("name", sorted(set(KINDS) - ALWAYS_REFUSED))
def test_a_repair_has_its_tasks_action_and_module(name: str) -> None:
    role = _steps.KINDS[name].phase.partition("_")[0]
    tasks = yaml.safe_load((ROOT / "roles" / role / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))
    for task in tasks:
        (action,) = [word.rpartition(".")[2] for word in task if word.startswith("kuberevive.cluster.")]
        assert (ROOT / "plugins" / "action" / f"{action}.py").is_file()
        assert (ROOT / "plugins" / "modules" / f"{action}.py").is_file()


@pytest.mark.parametrize("name", sorted(ALWAYS_REFUSED))
def test_what_is_always_refused_has_no_tasks(name: str) -> None:
    assert name in KINDS
    assert list((ROOT / "roles").glob(f"*/tasks/{name}.yml")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "action").glob("*.py")), ids=lambda path: path.stem)
def test_the_sh_of_an_action_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    kind = re.search(r'KIND = "([a-z_]+)"', text)
    scripts = {word for quoted in re.findall(r'"([^"]*\.sh)"', text) for word in quoted.split() if "{" not in word}
    if kind and "(StepBase)" in text and ".sh" not in text and "def take" not in text:
        scripts = {f"{kind.group(1)}.sh"}
    assert [script for script in scripts if not (PLUGIN_UTILS / "_steps" / script).is_file()] == []


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "action").glob("*.py")), ids=lambda path: path.stem)
def test_an_action_has_its_documentation(path: Path) -> None:
    text = (ROOT / "plugins" / "modules" / path.name).read_text(encoding="utf-8")
    for word in ("DOCUMENTATION", "EXAMPLES", "RETURN"):
        assert f"\n{word} = r" in text
    documentation = text.partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
    assert yaml.safe_load(documentation)["module"] == path.stem


@pytest.mark.parametrize("code", codes())
def test_a_finding_has_its_row_in_the_catalogue(code: str) -> None:
    assert f"`{code}`" in (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")


def test_causes_name_findings_that_exist() -> None:
    known = set(codes())
    for rule in RULES:
        assert rule.effect.endswith("*") or rule.effect in known, rule
        assert rule.cause.endswith("*") or rule.cause in known, rule


def test_findings_repairs_and_consents_fit() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (PLUGIN_UTILS / "_judge").glob("*.py"))
    named = set(re.findall(r'repair="([a-z_]+)"', text))
    assert named <= set(KINDS)
    consents = importlib.import_module(_judge.__name__ + ".consents").CONSENTS
    assert set(re.findall(r'consent="([a-z_.]+)"', text)) <= set(consents)


def test_no_task_ignores_errors() -> None:
    for folder in ("roles", "playbooks", "molecule"):
        for path in (ROOT / folder).rglob("*.yml"):
            assert "ignore_errors" not in path.read_text(encoding="utf-8"), path


def test_no_file_is_longer_than_can_be_read() -> None:
    long = [
        str(path.relative_to(ROOT))
        for folder in ("plugins", "lab", "tests", "molecule", "roles", "playbooks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".sh", ".yml")
        and path.is_file()
        and len(path.read_text(encoding="utf-8").splitlines()) > 400
    ]
    assert long == []
