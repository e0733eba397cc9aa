"""The generated pages say what the package is: the schema, the descriptors of targets, the imports."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_reference", ROOT / "docs/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_up_to_date(generate: ModuleType) -> None:
    assert generate.main(["--check"]) == 0, "run `make docs`"


def test_a_stale_page_is_noticed(
    generate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate, "PAGE", tmp_path / "reference.md")
    for name, page in (("README", ROOT / "README.md"), ("ARCHITECTURE", ROOT / "docs/architecture.md")):
        monkeypatch.setattr(generate, name, tmp_path / page.name)
        (tmp_path / page.name).write_text(page.read_text())
    assert generate.main(["--check"]) == 1
    assert "make docs" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "reference.md").write_text("old")
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `local`")]
    assert len(rows) == 1
    stale = (tmp_path / "README.md").read_text().replace(rows[0], "| `local` | elsewhere | no |")
    (tmp_path / "README.md").write_text(stale)
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert (tmp_path / "README.md").read_text() == (ROOT / "README.md").read_text()
    drawn = (ROOT / "docs/architecture.md").read_text()
    (tmp_path / "architecture.md").write_text(drawn.replace("  client --> driver\n", ""))
    assert generate.main(["--check"]) == 1
    assert generate.main([]) == 0
    assert (tmp_path / "architecture.md").read_text() == drawn


def test_it_has_every_resource_input_and_output(generate: ModuleType) -> None:
    document = json.loads(generate.SCHEMA.read_text())
    for token, resource in document["resources"].items():
        section = generate.page(document).split(f"\n## {generate._title(token)}\n")[1].split("\n## ")[0]
        for wire in [*resource["inputProperties"], *resource["properties"]]:
            assert f"`{generate._snake(wire)}`" in section or f"`{wire}`" in section, (token, wire)


def test_a_change_of_a_key_field_is_another_run(generate: ModuleType) -> None:
    text = generate.page(json.loads(generate.SCHEMA.read_text()))
    job = text.split("\n## TrainingJob\n")[1].split("\n## ")[0]
    word = {
        line.split("|")[1].strip(): line.split("|")[4].strip()
        for line in job.splitlines()
        if line[:3] == "| `"
    }
    assert word["`entry_script`"] == "another run"
    assert word["`expect`"] == "in place"
    assert word["`source_max_bytes`"] == "nothing"
    assert word["`compute`"] == "by field"


def test_a_resource_without_a_model_is_an_error(generate: ModuleType) -> None:
    document = json.loads(generate.SCHEMA.read_text())
    document["resources"]["training:index:New"] = {}
    with pytest.raises(KeyError, match="New"):
        generate.page(document)
