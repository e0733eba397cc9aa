from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pulumi_training.identity.stat_cache import StatCache

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "src"
    folder.mkdir()
    return folder


@pytest.fixture
def write(source: Path) -> Write:
    """Writes files, by relative path, into the source directory."""

    def write_files(files: Mapping[str, str]) -> Path:
        for path, content in files.items():
            place = source / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        return source

    return write_files


@pytest.fixture
def cache(tmp_path: Path) -> StatCache:
    return StatCache(tmp_path / "cache")
