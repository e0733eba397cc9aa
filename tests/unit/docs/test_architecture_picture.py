"""The picture of the packages: every one is drawn, arrows point down, and none is drawn that another way leads to."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]
IMPORTS = {
    "top": frozenset({"left", "right", "bottom"}),
    "left": frozenset({"bottom"}),
    "right": frozenset({"bottom"}),
    "bottom": frozenset[str](),
}


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "architecture_picture", ROOT / "docs/architecture_picture.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rows_stand_above_all_that_they_import(drawing: ModuleType) -> None:
    assert drawing.rows(IMPORTS) == [["top"], ["left", "right"], ["bottom"]]


def test_an_arrow_is_left_out_where_another_way_leads_to_the_same(drawing: ModuleType) -> None:
    arrows = [line.strip() for line in drawing.picture(IMPORTS).splitlines() if "-->" in line]
    assert arrows == ["left --> bottom", "right --> bottom", "top --> left", "top --> right"]


def test_a_circle_is_named(drawing: ModuleType) -> None:
    with pytest.raises(ValueError, match="packages import each other"):
        drawing.rows({"left": frozenset({"right"}), "right": frozenset({"left"})})


def test_the_page_has_every_package_and_its_imports(drawing: ModuleType) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "components/pulumi_training").glob("*/__init__.py")}
    imports = drawing.imports_between_packages()
    assert set(imports) == packages and imports["agent"] == frozenset()
    for name in packages:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` | ")]
        assert all(f"`{imported}`" in row for imported in imports[name])
