"""`targets.containers` knows no backend: neither a target nor the library of one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from pulumi_training.targets import catalog, containers

FOLDER = Path(containers.__file__).parent
LIBRARIES = {"docker", "python_on_whales", "kubernetes", "azure", "requests", "urllib3"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_module_imports_neither_a_target_nor_a_backends_library(path: Path) -> None:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0] if node.level != 1 else "")
            if node.level == 2 and node.module is None:
                found |= {alias.name for alias in node.names}
    assert not found & {*LIBRARIES, *catalog.names()}


@pytest.mark.parametrize("name", [*catalog.names(), "kubernetes", "azureml"])
def test_no_module_says_the_name_of_a_target(name: str) -> None:
    words = f'"{name}"', f"'{name}'", f"{name}.json"
    assert not [path.name for path in FOLDER.glob("*.py") if any(w in path.read_text("utf-8") for w in words)]
