"""What each target needs, looked at by its own checks, and the targets that other packages bring."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from ...targets import catalog
from ...targets.contract.check import Check, State


def own() -> list[Callable[[], list[Check]]]:
    """The checks of our targets, in their order."""
    described = (catalog.describe(name) for name in catalog.names())
    return [catalog.part(target.doctor) for target in described if target.doctor]


def of_other_packages() -> list[Check]:
    """Every target that an installed package brings, then what its own checks found."""
    found: list[Check] = []
    troubles: list[str] = []
    for target in catalog.known(troubles.append):
        if target.name in catalog.names():
            continue
        package = catalog.package_of(target.name)
        found.append(Check(f"Target {target.name}", State.OK, f"comes with {package} {_version(package)}"))
        if target.doctor is not None:
            found += catalog.part(target.doctor)()
    return [
        *found,
        *(Check("Target", State.WARN, words, "reinstall or remove its package") for words in troubles),
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
