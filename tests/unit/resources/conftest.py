from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from mock_program import Declared, run
from pulumi.runtime import settings


@pytest.fixture
def declare() -> Iterator[Callable[..., Declared]]:
    """Runs a program and gives what it registered."""
    yield run
    settings.reset_options()
