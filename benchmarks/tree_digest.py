"""The digest of a source tree beside git, on a tree of 20,000 files.

    python benchmarks/tree_digest.py [--files 20000] [--rounds 7]

Rounds are interleaved, so that a busy machine is busy for both; the table shows medians. `git add` starts
from an empty index each time: once into an empty object store, which is what a person does, and once where
the objects are there already, which is the least that git can do.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pulumi_training.identity.copy import copy_tree
from pulumi_training.identity.stat_cache import StatCache
from pulumi_training.identity.tree import TreeLimits, read_tree

GIT = {
    **os.environ,
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_OPTIONAL_LOCKS": "0",
}
PATTERNS = """# what a Python project ignores
*.py[cod]
*.so
build/
dist/
*.egg-info/
.coverage
htmlcov/
*.log
.env
data/*
!data/keep.csv
/checkpoints
*.ckpt
wandb/
mlruns/
tmp*/
"""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patterns", action="store_true", help="with a .gitignore of 16 patterns")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "tree")
        make_tree(root, options.files, patterns=options.patterns)
        report(options.files, options.patterns, measure(root, Path(scratch), options.files, options.rounds))


def make_tree(root: Path, files: int, *, patterns: bool) -> None:
    """`files` files of 0.2 to 8 KB, 40 to a folder, three folders deep."""
    chance = random.Random(7)
    for number in range(files):
        folder = root / f"pkg{number // 4000}" / f"mod{number // 400}" / f"part{number // 40}"
        if number % 40 == 0:
            folder.mkdir(parents=True)
        (folder / f"file_{number}.py").write_bytes(chance.randbytes(chance.randint(100, 4000)).hex().encode())
    if patterns:
        (root / ".gitignore").write_text(PATTERNS)


def measure(root: Path, scratch: Path, files: int, rounds: int) -> dict[str, list[float]]:
    cache = StatCache(scratch / "cache")
    limits = TreeLimits(max_bytes=2**40, max_files=files + 10)
    times: dict[str, list[float]] = {}

    def take(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        times.setdefault(name, []).append(time.perf_counter() - started)

    def read() -> object:
        return read_tree(root, limits=limits, cache=cache)

    def git(*arguments: str) -> object:
        return subprocess.run(["git", *arguments], cwd=root, env=GIT, check=True, capture_output=True)

    # Stamps must be old enough to be believed, in git's index and in our cache; the page cache is warm.
    read()
    time.sleep(1.1)
    for _ in range(rounds):
        shutil.rmtree(root / ".git", ignore_errors=True)
        git("init", "-q")
        take("git add, empty store", lambda: git("add", "."))
        take("git status", lambda: git("status", "--short"))
        (root / ".git" / "index").unlink()
        take("git add, objects there", lambda: git("add", "."))
        shutil.rmtree(cache.folder, ignore_errors=True)
        take("digest, first time", read)
        take("digest, unchanged", read)
        git("status")
        take("git status", lambda: git("status", "--short"))
        take("digest, unchanged", read)
    small = scratch / "small"
    make_tree(small, 1200, patterns=False)
    tree = read_tree(small)
    for number in range(rounds):
        place = scratch / f"copy{number}"
        take("verified copy, 5 MB in 1,200 files", partial(copy_tree, tree, place))
    return times


def report(files: int, patterns: bool, times: dict[str, list[float]]) -> None:
    median = {name: statistics.median(taken) * 1000 for name, taken in times.items()}
    print(f"{files} files{', 16 patterns' if patterns else ''}")
    for name, value in median.items():
        print(f"  {name:36} {value:8.1f} ms")
    for name, other, most in (
        ("digest, first time", "git add, empty store", 0.6),
        ("digest, first time", "git add, objects there", None),
        ("digest, unchanged", "git status", 4.0),
    ):
        aim = f"   (aim: at most {most})" if most else ""
        print(f"  {name} / {other}: {median[name] / median[other]:.2f}{aim}")


if __name__ == "__main__":
    main()
