"""Source trees to measure with."""

from __future__ import annotations

import random
from pathlib import Path


def make_tree(root: Path, files: int, *, patterns: str = "") -> None:
    """`files` files of 0.2 to 8 KB, 40 to a folder, three folders deep; 1,200 of them are 5 MB."""
    chance = random.Random(7)
    for number in range(files):
        folder = root / f"pkg{number // 4000}" / f"mod{number // 400}" / f"part{number // 40}"
        if number % 40 == 0:
            folder.mkdir(parents=True)
        (folder / f"file_{number}.py").write_bytes(chance.randbytes(chance.randint(100, 4000)).hex().encode())
    if patterns:
        (root / ".gitignore").write_text(patterns)


def make_source(root: Path, script: str, *, files: int = 0) -> Path:
    """A source tree with `train.py`, and the files that make it heavy."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "train.py").write_text(script)
    if files:
        make_tree(root / "library", files)
    return root
