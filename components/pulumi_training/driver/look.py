"""A job held against this machine's files: its source tree, its script, its software's files, its data.

What a provider's Check and a submission from a notebook both do, so that both find the same problems and the
same run key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from ..data.fingerprint import fingerprint
from ..environment import checks
from ..identity import manifests
from ..identity.entry import find_entry
from ..identity.rules import NEWEST
from ..identity.stat_cache import StatCache
from ..identity.tree import Tree, TreeLimits, read_tree
from ..spec.data import IGNORE_FINGERPRINT
from ..spec.errors import Problem, SpecError, TrainingError
from ..spec.job import JobSpec
from ..targets import catalog
from ..tracking.place import missing

T = TypeVar("T")
FRESH_SECONDS = 0.25
"""How long a tree that was read serves other jobs of the program; what starts one reads it anew."""


def look(
    job: JobSpec, base: Path, refused: Collection[str], problems: list[Problem], *, rules: int = NEWEST
) -> Tree | None:
    """The source tree of a job, None where it cannot be had; what is wrong with its files is added to `problems`.

    `rules` is the version of the rules that say what is in the tree. Properties in `refused` (wire names) are wrong
    or unknown already: what depends on them is passed over.
    """
    tree: Tree | None = None
    if not {"sourceDirectory", "sourceMaxBytes", "sourceMaxFiles"}.intersection(refused):
        tree = _attempted(problems, lambda: source_tree(job, base, max_age=FRESH_SECONDS, rules=rules))
    if tree is not None:
        manifests.remember(tree)
        root = tree.root
        if job.entry_script is not None and "entryScript" not in refused:
            _attempted(problems, lambda: find_entry(root, job.entry_script or "", tree))
        if job.environment is not None and "environment" not in refused:
            problems += checks.problems(job.environment, (base / job.source_directory).resolve())
    if job.compute is not None and "compute" not in refused:
        _attempted(problems, lambda: catalog.describe(job.compute.target if job.compute else ""))
        lacking = missing(job.compute.tracking_uri) if job.compute.tracking_uri else None
        if lacking is not None:
            problems.append(Problem("compute.trackingUri", lacking))
    return tree


def source_tree(job: JobSpec, base: Path, *, max_age: float = 0.0, rules: int = NEWEST) -> Tree:
    """The source tree as it is now, or was at most `max_age` seconds ago, under a version of the rules.

    Raises:
        SpecError: it is missing or over its limits.
    """
    limits = TreeLimits(max_bytes=job.source_max_bytes, max_files=job.source_max_files)
    source = (base / job.source_directory).resolve()
    return read_tree(source, limits=limits, cache=StatCache.default(), max_age=max_age, rules=rules)


def fingerprints(job: JobSpec, base: Path, problems: list[Problem]) -> dict[str, str]:
    """A fingerprint for each input that was given none; those that cannot be had are added to `problems`."""
    found: dict[str, str] = {}
    for name, item in job.inputs.items():
        if item.fingerprint is not None:
            continue
        path = f"inputs.{name}.uri"
        try:
            found[name] = fingerprint(item.uri, base=base, path=path)
        except SpecError as error:
            problems += error.problems
        except TrainingError as error:
            problems.append(
                Problem(path, f"{error.message} (fingerprint={IGNORE_FINGERPRINT!r} does without)")
            )
    return found


def _attempted(problems: list[Problem], work: Callable[[], T]) -> T | None:
    """What `work` gives, or None with its problems added."""
    try:
        return work()
    except SpecError as error:
        problems += error.problems
        return None
