"""Everything about a target is in its folder: nothing outside of it, of its face and of the catalog knows its name.

Names of other people's things (Dockerfile, docker.io, Azure ML's parameters, AZUREML_*, wire names) are no knowledge of a
target. The few constants that equal a target's name by chance, or must, stand here with a reason each; one that is not
needed any more fails, so that the lists stay as short as they can be.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pulumi_training
from pulumi_training.targets import catalog

ROOT = Path(pulumi_training.__file__).parent
PACKAGE = ROOT.name
NAMES = tuple(dict.fromkeys((*catalog.names(), "kubernetes", "azureml")))
"""Those there are, and those that will be."""
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))

MAY_SAY = {
    ("spec/compute.py", "local"): "the example of a property in schema.json",
    ("spec/components.py", "docker"): "the example of a property in schema.json",
    ("spec/urls.py", "local"): "fsspec's name for a folder's scheme",
    ("environment/builder.py", "docker"): "the command line of an image builder",
    ("agent/shim/sitecustomize.py", "azureml"): "the package that scripts written for Azure ML import",
}
"""By module and word."""
MAY_IMPORT_BY_STRING = {
    "targets/catalog.py": "parts of a target, by their names in its descriptor",
    "__init__.py": "the face: names of the package, each imported when it is asked for",
    "agent/channel.py": "modules of the standard library, whichever has sha256 in this Python",
    "declare/places.py": "moving data now is the client's, which a program that only declares must not load",
    "driver/preload.py": "modules of this package and of others that a run's end needs, found by listing folders",
}
"""Modules that import by a name in a text, where it is of this package or cannot be told."""


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse((ROOT / module).read_text("utf-8"), str(module))


def is_about(module: Path, name: str) -> bool:
    """Whether a module is a target's own: of its folder, its face, or the catalog."""
    own = module.parts[:2] == ("targets", name) or module.parts == (f"{name}.py",)
    return own or module.as_posix() == "targets/catalog.py"


@cache
def imported(module: Path) -> frozenset[str]:
    """The full names of what a module imports, those inside of functions too."""
    return frozenset(_imported(module))


def _imported(module: Path) -> Iterator[str]:
    parts = (PACKAGE, *module.with_suffix("").parts)
    package = parts[:-1]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            source = ".".join((*base, *(node.module.split(".") if node.module else ())))
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


@cache
def texts(module: Path) -> frozenset[str]:
    return frozenset(
        node.value
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def imports_by_string(module: Path) -> bool:
    """Whether it imports by name something that may be of this package."""
    constants = {
        target.id: node.value
        for node in tree(module).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in ("import_module", "__import__", "resolve_name"):
            given = node.args[0] if node.args else None
            given = constants.get(given.id) if isinstance(given, ast.Name) else given
            constant = given.value if isinstance(given, ast.Constant) else None
            if not isinstance(constant, str) or constant.startswith((PACKAGE, ".")):
                return True
    return False


def test_there_is_something_to_look_at() -> None:
    assert len(MODULES) > 300
    assert {"local", *catalog.names()} <= set(NAMES)
    assert f"{PACKAGE}.targets.catalog" in imported(Path("driver/start.py"))
    assert f"{PACKAGE}.targets.local.components" in imported(Path("local.py"))


@pytest.mark.parametrize("name", NAMES)
def test_no_module_imports_a_target(name: str) -> None:
    forbidden = (f"{PACKAGE}.targets.{name}", f"{PACKAGE}.{name}")
    found = {
        f"{module} imports {what}"
        for module in MODULES
        if not is_about(module, name)
        for what in imported(module)
        if what in forbidden or what.startswith(tuple(f"{each}." for each in forbidden))
    }
    assert not found


@pytest.mark.parametrize("name", NAMES)
def test_no_module_says_the_name_of_a_target(name: str) -> None:
    path = f"{PACKAGE}.targets.{name}"
    found = {
        module.as_posix()
        for module in MODULES
        if not is_about(module, name)
        if any(text == name or path in text for text in texts(module))
    }
    allowed = {module for module, word in MAY_SAY if word == name}
    assert found - allowed == set(), "ask for a feature of the target, or bring it into the target's folder"
    assert allowed - found == set(), "no longer needed: take it off the list"


def test_nothing_of_ours_is_imported_by_its_name_in_a_text() -> None:
    found = {module.as_posix() for module in MODULES if imports_by_string(module)}
    assert found - set(MAY_IMPORT_BY_STRING) == set()
    assert set(MAY_IMPORT_BY_STRING) - found == set(), "no longer needed: take it off the list"


def test_everything_on_a_list_has_a_reason() -> None:
    assert all(len(reason) > 20 for reason in (*MAY_SAY.values(), *MAY_IMPORT_BY_STRING.values()))
