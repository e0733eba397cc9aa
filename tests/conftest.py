"""What all tests have in common: nothing of a person's own is used, and tests of a target are counted.

No test reads or writes what a person of this machine has: caches and lists of the tests' own stand in their place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers_of_targets import SERVERS
from spoken import counted

_MADE = "TESTS_FOLDER_OF_SESSION"
"""Set by the process that made the folder, and so seen by its workers, which use it too."""
_TOOLS = ("engine", "binaries")
"""What `tools/` brings for everybody: programs, looked up by their version."""


def pytest_configure(config: pytest.Config) -> None:
    """Moves the user's folders, before anything is imported that remembers them."""
    if _MADE in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="training-tests-"))
    os.environ[_MADE] = str(folder)
    own = _user_cache()
    cache = folder / "cache"
    (cache / "pulumi-training").mkdir(parents=True)
    for name in _TOOLS:
        (cache / "pulumi-training" / name).symlink_to(own / "pulumi-training" / name)
    # Packages and objects that are the same for everybody, and the tests' own.
    for name in ("uv", "go-build", "pulumi-training-tests"):
        (own / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(own / name)
    os.environ["XDG_CACHE_HOME"] = str(cache)
    os.environ["XDG_STATE_HOME"] = str(folder / "state")
    config.add_cleanup(lambda: _remove(folder))


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that are marked as a target's, or whose parameter names it, are counted where they spoke to its server."""
    callspec = getattr(request.node, "callspec", None)
    parameters = set(map(str, callspec.params.values())) if callspec else set()
    with ExitStack() as stack:
        for target, server in SERVERS.items():
            if request.node.get_closest_marker(target) or target in parameters:
                stack.enter_context(counted(request.node.nodeid, server))
        yield


def _remove(folder: Path) -> None:
    os.environ.pop(_MADE, None)
    shutil.rmtree(folder, ignore_errors=True)


def _user_cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return base if base.is_absolute() else Path.home() / ".cache"
