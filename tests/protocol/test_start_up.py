"""What starts before anybody can work reads no more of this package than it has to."""

from __future__ import annotations

from pathlib import Path

import pytest
from imported import Imported, at_first_check, at_start, of_supervisor

COMPONENTS = Path(__file__).parents[2] / "components"


@pytest.fixture(scope="module")
def found() -> dict[str, Imported]:
    return {
        "plugin": at_start(COMPONENTS),
        "first check": at_first_check(COMPONENTS),
        "supervisor of local": of_supervisor(COMPONENTS, "local"),
        "supervisor of docker": of_supervisor(COMPONENTS, "docker"),
    }


@pytest.mark.parametrize(
    ("what", "modules", "size"),
    [
        ("plugin", 26, 86_891),
        ("first check", 157, 648_614),
        ("supervisor of local", 63, 237_551),
        ("supervisor of docker", 70, 307_000),
    ],
)
def test_no_more_is_loaded_than_a_start_needs(
    found: dict[str, Imported], what: str, modules: int, size: int
) -> None:
    """The modules of this package and the bytes of their source, as version 218181b loads them: no more than that."""
    loaded = found[what]
    assert loaded.modules <= modules and loaded.size <= size, sorted(loaded.own)


@pytest.mark.parametrize("what", ["plugin", "supervisor of local"])
def test_a_start_waits_for_no_library_that_only_a_job_needs(found: dict[str, Imported], what: str) -> None:
    assert not found[what].libraries & {"pydantic", "docker", "fsspec", "mlflow", "pathspec", "typer", "rich"}
