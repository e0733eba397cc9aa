"""A target is a folder: with its folder, its face and its line in the catalog deleted, nothing misses it.

In a copy of the checkout that has no Docker target: lint, types and layers hold, the local target's tests pass, and what is
generated from the descriptors (the schema, the README's table, what `doctor` looks at) says nothing of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.prefix) / "bin"
GONE = "docker"
PACKAGE = Path("components/pulumi_training")
OF_LOCAL = (
    "tests/unit/targets/test_descriptors.py",
    "tests/unit/targets/test_target_is_a_folder.py",
    "tests/unit/targets/test_agent_place.py",
    "tests/unit/targets/test_launching.py",
    "tests/unit/targets/test_local_processes.py",
    "tests/unit/targets/test_slots.py",
    "tests/contract/targets/test_local_processes_run.py",
    "tests/contract/targets/test_slots_between_processes.py",
    "tests/unit/spec/test_spec_schema.py",
    "tests/unit/docs/test_reference.py",
)
CONTRACT = "tests/contract/targets/test_target_contract.py"
_CASES = (
    "every_rank_and_ends_well or plan_is_pure or one_failed_rank or grace or submitting_twice or remove_ends"
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout without the target, and with what is generated made anew."""
    folder = tmp_path_factory.mktemp("without") / "checkout"
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(line, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    if (ROOT / ".mypy_cache").is_dir():  # checked by content, so what did not change is not checked again
        shutil.copytree(ROOT / ".mypy_cache", folder / ".mypy_cache")
    shutil.rmtree(folder / PACKAGE / "targets" / GONE)
    (folder / PACKAGE / f"{GONE}.py").unlink()
    catalog = folder / PACKAGE / "targets" / "catalog.py"
    lines = catalog.read_text().splitlines(keepends=True)
    kept = [line for line in lines if f'"{GONE}":' not in line]
    assert len(kept) == len(lines) - 1, "one line of the catalog names a target"
    catalog.write_text("".join(kept))
    run(folder, "python", "-m", "pulumi_training.schema.write")
    run(folder, "python", "docs/generate.py")
    return folder


def run(folder: Path, program: str, *words: str, **more: str) -> str:
    """Runs a program of the virtual environment on the copy; an AssertionError with all that it said if it fails."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRAINING_", "PULUMI_"))
    }
    done = subprocess.run(
        [str(BIN / program), *words], cwd=folder, env={**kept, "PYTHONPATH": str(folder / "components"), **more},
        stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{program} {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_copy_is_what_is_run(copy: Path) -> None:
    words = "from pulumi_training.targets import catalog; print(catalog.__file__, *catalog.names())"
    file, *names = run(copy, "python", "-c", words).split()
    assert Path(file).is_relative_to(copy)
    assert names and GONE not in names


def test_lint_and_layers_hold(copy: Path) -> None:
    run(
        copy, "ruff", "check", "--no-cache", "components", "docs", "tools"
    )  # tests of what is gone are there still
    run(copy, "lint-imports", "--no-cache")


def test_types_hold(copy: Path) -> None:
    run(copy, "mypy")


def test_the_schema_has_no_token_of_it(copy: Path) -> None:
    resources = json.loads((copy / PACKAGE / "schema.json").read_text())["resources"]
    before = json.loads((ROOT / PACKAGE / "schema.json").read_text())["resources"]
    assert not [token for token in resources if f":{GONE}:" in token]
    gone = {token for token in before if f":{GONE}:" in token}
    assert gone and set(resources) == set(before) - gone


def test_the_table_of_targets_and_the_reference_say_nothing_of_it(copy: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| .* \|$", (copy / "README.md").read_text(), re.MULTILINE)
    assert "local" in rows and GONE not in rows
    assert f"## {GONE}." not in (copy / "docs/reference.md").read_text()


def test_doctor_does_not_look_at_it(copy: Path, tmp_path: Path) -> None:
    words = (
        "import json; from pulumi_training.cli.doctor import examine\n"
        "print(json.dumps([check.name for check in examine()]))"
    )
    names = json.loads(run(copy, "python", "-c", words, TRAINING_STATE_DIR=str(tmp_path)))
    assert "Python" in names
    assert not [name for name in names if GONE in name.lower()]


def test_the_tests_of_the_local_target_pass(copy: Path) -> None:
    run(copy, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *OF_LOCAL)


@pytest.mark.mpi
def test_the_local_target_keeps_the_contract(copy: Path) -> None:
    said = run(copy, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", CONTRACT, "-k", _CASES)
    assert re.search(r"\d+ passed", said) and GONE not in said
