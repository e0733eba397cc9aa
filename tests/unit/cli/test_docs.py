from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import typer

from pulumi_training.cli.exit import ExitCode
from pulumi_training.cli.main import build

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def verbs(app: typer.Typer, before: str = "") -> Iterator[str]:
    for command in app.registered_commands:
        assert command.callback
        yield f"{before}{command.name}"
    for group in app.registered_groups:
        assert group.typer_instance
        yield from verbs(group.typer_instance, f"{group.name} ")


def test_every_verb_has_its_place_on_the_page() -> None:
    names = list(verbs(build()))
    assert {"runs list", "logs", "plugin install", "doctor"} <= set(names)
    for name in names:
        assert re.search(rf"^###.*`{name}[` ]", PAGE, re.MULTILINE), name


def test_every_exit_code_is_on_the_page() -> None:
    for code in ExitCode:
        assert f"| {code.value} |" in PAGE
