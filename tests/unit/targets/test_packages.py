"""Targets that other packages bring: found by their entry points, refused in words that name the package, never looked for
where no one asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pulumi_training.provider.components import component_of
from pulumi_training.schema.generate import package_schema
from pulumi_training.spec.errors import SpecError
from pulumi_training.targets import catalog, packages

TINY = Path(__file__).resolve().parents[2] / "packages" / "tiny"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing that one test installs is known to the next."""
    _forget()
    yield
    _forget()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def install(place: Path, package: str, entry: str, version: str = "1.0") -> None:
    """What pip leaves of a package beside its modules."""
    folder = place / f"{package.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(f"[{packages.GROUP}]\n{entry}\n")


def install_tiny(place: Path) -> None:
    (place / "training_tiny").symlink_to(TINY / "training_tiny")
    install(place, "training-tiny", "tiny = training_tiny.descriptor:DESCRIPTOR")


def refused(name: str, package: str = "") -> str:
    with pytest.raises(SpecError) as caught:
        catalog.describe(name, package)
    (problem,) = caught.value.problems
    assert problem.path == "compute.target"
    return problem.message


def test_a_package_brings_a_target(place: Path) -> None:
    assert "not in this version" in refused("tiny")
    _forget()
    install_tiny(place)
    target = catalog.get("tiny")
    assert (target.name, catalog.package_of("tiny")) == ("tiny", "training-tiny")
    told: list[str] = []
    assert [each.name for each in catalog.known(told.append)] == [*catalog.names(), "tiny"]
    assert not told
    assert component_of("training:tiny:Workspace").token == "training:tiny:Workspace"
    descriptor = catalog.describe("tiny")
    added = set(package_schema([descriptor])["resources"]) - set(package_schema([])["resources"])
    assert added == {f"training:tiny:{kind}" for kind in ("Workspace", "Datastore", "ComputeCluster")}


def test_one_that_is_gone_is_missed_by_the_name_of_its_package() -> None:
    words = refused("tiny", "training-tiny")
    assert "comes with the package training-tiny" in words and "pip install training-tiny" in words


def test_ours_are_of_no_package_and_cannot_be_taken_over(place: Path) -> None:
    for name in catalog.names():
        install(place, f"thief-of-{name}", f"{name} = nowhere:DESCRIPTOR")
        assert catalog.package_of(name) == ""
        assert catalog.describe(name).name == name
    told: list[str] = []
    assert [each.name for each in catalog.known(told.append)] == list(catalog.names())
    assert not told


def test_two_packages_of_one_name_are_both_named(place: Path) -> None:
    install(place, "first", "tiny = a:DESCRIPTOR")
    install(place, "second", "tiny = b:DESCRIPTOR")
    words = refused("tiny")
    assert "first and second" in words and "uninstall all but one" in words


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("tiny = is_not_there:DESCRIPTOR", "cannot be loaded: ModuleNotFoundError"),
        ("tiny = json:DESCRIPTOR", "cannot be loaded: AttributeError"),
        ("tiny = json:dumps", "is no descriptor of a target of that name"),
        (
            "tiny = pulumi_training.targets.local.descriptor:DESCRIPTOR",
            "is no descriptor of a target of that name",
        ),
    ],
)
def test_what_cannot_be_one_is_named_and_stops_no_other(place: Path, entry: str, words: str) -> None:
    install(place, "training-broken", entry)
    said = refused("tiny")
    assert "training-broken" in said and words in said
    told: list[str] = []
    assert [each.name for each in catalog.known(told.append)] == list(catalog.names())
    assert len(told) == 1 and "training-broken" in told[0]


def _forget() -> None:
    packages.find.cache_clear()
    packages._points.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "training_tiny"]:
        del sys.modules[name]
