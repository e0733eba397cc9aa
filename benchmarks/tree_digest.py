"""The digest of a source tree of 20,000 files beside git.

`git add` starts from an empty index and an empty object store, which is what a person does; with the objects
there already it is the least that git can do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pulumi_training.identity.copy import copy_tree
from pulumi_training.identity.stat_cache import StatCache
from pulumi_training.identity.tree import TreeLimits, read_tree

from .bench import Bench
from .figure import Figure, most, ratio
from .pairs import each, turns
from .trees import make_tree

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
Times = dict[str, list[float]]


def measure(bench: Bench) -> list[Figure]:
    """In this process, with a `.gitignore` of 16 patterns and without one."""
    files = 4000 if bench.is_quick else 20_000
    figures = []
    for patterns, words in (("", ""), (PATTERNS, ", 16 patterns")):
        place = bench.place(f"tree-{len(patterns)}")
        make_tree(place / "tree", files, patterns=patterns)
        times = measured(place / "tree", place, files, bench.rounds(7))
        name = f"digest of {files} files{words}"
        first, unchanged = times["first"], times["unchanged"]
        figures += [
            Figure(f"{name}, first time", first, ratio(0.6), times.get("add", ()), "git add"),
            Figure(
                f"{name}, first time",
                first,
                ratio(None),
                times.get("add again", ()),
                "git add, objects there",
            ),
            Figure(f"{name}, unchanged", unchanged, ratio(4.0), times.get("status", ()), "git status"),
        ]
        shutil.rmtree(place)
    place = bench.place("tree-copy")
    make_tree(place / "tree", 1200)
    tree = read_tree(place / "tree")
    copies: Times = {}
    for number in each(bench.rounds(7)):
        _take(copies, "copy", partial(copy_tree, tree, place / f"copy{number}"))
    return [*figures, Figure("verified copy, 5 MB in 1,200 files", copies["copy"], most(None))]


def measured(root: Path, scratch: Path, files: int, rounds: int) -> Times:
    """Seconds of each contender, interleaved; the page cache is warm."""
    cache = StatCache(scratch / "cache")
    limits = TreeLimits(max_bytes=2**40, max_files=files + 10)
    times: Times = {}

    def read() -> object:
        return read_tree(root, limits=limits, cache=cache)

    def git(*arguments: str) -> object:
        return subprocess.run(
            ["git", *arguments], cwd=root, env=GIT, check=True, capture_output=True, timeout=300
        )

    read()
    time.sleep(1.1)  # stamps must be old enough to be believed, in git's index and in our cache
    for _ in each(rounds):
        if turns.with_peers:
            shutil.rmtree(root / ".git", ignore_errors=True)
            git("init", "-q")
            _take(times, "add", lambda: git("add", "."))
            (root / ".git" / "index").unlink()
            _take(times, "add again", lambda: git("add", "."))
        shutil.rmtree(cache.folder, ignore_errors=True)
        _take(times, "first", read)
        if turns.with_peers:
            git("status")
            _take(times, "status", lambda: git("status", "--short"))
        _take(times, "unchanged", read)
    return times


def _take(times: Times, name: str, work: Callable[[], object]) -> None:
    started = time.perf_counter()
    work()
    times.setdefault(name, []).append(time.perf_counter() - started)
