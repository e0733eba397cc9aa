"""Code on the pages compiles and names what exists; links lead somewhere; commands are commands."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, ROOT, Block, anchors_of, blocks, blocks_of, links_of
from typer.main import get_command

import pulumi_training
from pulumi_training import docker, local
from pulumi_training.cli.main import build
from pulumi_training.spec.policy import Retries

_PARAMETERS = {
    kind.__name__: set(inspect.signature(kind).parameters)
    for kind in (
        pulumi_training.TrainingJob, pulumi_training.Environment, pulumi_training.RecordRetention,
        local.Workspace, local.Datastore, local.ComputeCluster,
    )
}  # fmt: skip
for _kind in (docker.Datastore, docker.ComputeCluster):  # the pages call those of any target `target`
    _PARAMETERS[_kind.__name__] |= set(inspect.signature(_kind).parameters)
_DATA_METHODS = {
    name: set(inspect.signature(getattr(local.Datastore, name)).parameters)
    for name in ("as_mount", "as_download", "as_upload", "path")
}
_PYTHON = blocks("python")
_SHELL = [*blocks("console"), *blocks("sh")]


@pytest.mark.parametrize("block", _PYTHON, ids=str)
def test_python_blocks_compile(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", _PYTHON, ids=str)
def test_python_blocks_name_parameters_that_exist(block: Block) -> None:
    for call in (node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        known = _PARAMETERS.get(name) or _DATA_METHODS.get(name)
        if known is not None:
            unknown = {word.arg for word in call.keywords if word.arg} - known
            assert not unknown, f"{name} at {block} has no {unknown}"


@pytest.mark.parametrize("block", _PYTHON, ids=str)
def test_retries_on_the_pages_are_retries(block: Block) -> None:
    for word in (node for node in ast.walk(ast.parse(block.text)) if isinstance(node, ast.keyword)):
        if word.arg == "retries":
            Retries.model_validate(ast.literal_eval(word.value))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        leads_to = (page.parent / path).resolve() if path else page
        assert leads_to.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors_of(leads_to), f"{page.name}: {link}"


def test_the_readme_shows_the_quickstart_program() -> None:
    shown = next(block for block in blocks_of(ROOT / "README.md") if block.language == "python")
    program = ast.parse((ROOT / "stacks/quickstart/__main__.py").read_text())
    for call in (node for node in ast.walk(program) if isinstance(node, ast.Call)):
        call.keywords = [word for word in call.keywords if word.arg != "opts"]
    if ast.get_docstring(program):
        program.body = program.body[1:]
    # Its one switch between targets is for `make up TARGET=...`; the page shows the one line that counts.
    switch = next(node for node in program.body if isinstance(node, ast.If))
    position = program.body.index(switch)
    program.body[position : position + 1] = switch.orelse
    program.body.pop(0)  # import os, for that switch
    assert ast.unparse(ast.parse(shown.text)) == ast.unparse(program)


def test_the_readme_names_the_two_commands() -> None:
    first = blocks_of(ROOT / "README.md")[0].text
    assert [line.split("#")[0].strip() for line in first.splitlines()] == ["make up", "make test"]


@pytest.mark.parametrize("block", _SHELL, ids=str)
def test_commands_on_the_pages_exist(block: Block) -> None:
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in verbs, line
        elif words and Path(words[0]).name == "pulumi-training":
            command: Any = get_command(build())
            rest = words[1:]
            while hasattr(command, "commands"):
                assert rest and rest[0] in command.commands, line
                command, rest = command.commands[rest[0]], rest[1:]
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in rest if word.startswith("-")} <= options, line


def test_every_parameter_in_the_table_for_azure_ml_exists() -> None:
    page = (ROOT / "docs/from-azure-ml.md").read_text()
    table = page.split("| Estimator | here |")[1].split("\n\n")[0]
    ours = [row.split("|")[2] for row in table.splitlines()[2:]]
    named = {name for cell in ours for name in re.findall(r"`([a-z_]{4,})(?:=[^`]*)?`", cell) if "_" in name}
    estimators = set(inspect.signature(pulumi_training.Estimator).parameters)
    assert named and named <= _PARAMETERS["TrainingJob"] | estimators


def test_nothing_on_the_pages_is_of_one_machine() -> None:
    for path in [*PAGES, *(ROOT / "docs/pictures").glob("*.svg")]:
        assert not re.search(r"/(root|home|Users|work)/", path.read_text(encoding="utf-8")), path
