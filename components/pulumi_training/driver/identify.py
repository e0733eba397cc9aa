"""What a job is held to be the same by: the digest of its source, its run key, and the rules behind both.

Rules change from version to version (`identity.rules`), runs do not: what was made under older rules keeps its
digest, its key and its rules as long as these rules still give them. Only a real change makes a run under the
newest. A provider's Check and a submission from a notebook ask the same way, so that both find the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..environment import beside
from ..identity.key import run_key
from ..identity.rules import FIRST, NEWEST
from ..identity.rules import known as known_rules
from ..identity.tree import Tree
from ..record.record import Record
from ..record.store import NotFound, Store
from ..spec.errors import Problem, SpecError, TrainingError
from ..spec.job import JobSpec
from ..spec.partition import key_fields
from .intend import runs_of_owner
from .look import look

IsKept = Callable[[str, int], bool]
"""Whether a run of this key is there, made under this version of the rules."""


@dataclass(frozen=True)
class Identity:
    """What decides whether a job is another run; `tree` is the source as it was seen, whatever digest counts.

    `environment_files` are the digests of what the environment is made of and the tree has not.
    """

    source_digest: str
    run_key: str
    rules: int
    tree: Tree
    environment_files: Mapping[str, str] = field(default_factory=dict)


def identify(
    job: JobSpec,
    base: Path,
    refused: Collection[str],
    problems: list[Problem],
    *,
    before: int | None,
    is_kept: IsKept,
) -> Identity | None:
    """The identity of a job that lacks nothing but what its files tell; None where something is wrong with it.

    What is wrong with its files is added to `problems`. `before` is the version of the rules that the state was
    made under, None where there is no state; then a run in the record may tell (`is_kept` is asked for each
    older version, where that makes a difference). Properties in `refused` are wrong or unknown already.
    """
    found: list[Problem] = []
    for rules in dict.fromkeys((before or NEWEST, NEWEST)):
        found = []
        identity = _under(rules, job, base, refused, found)
        if (refused or problems) and not found:
            return None  # no key yet; this only looks for what is wrong
        if identity is not None and (rules == NEWEST or is_kept(identity.run_key, rules)):
            break
    newest = identity
    if before is None and (newest is None or newest.tree.aside or newest.environment_files):
        for rules in range(NEWEST - 1, FIRST - 1, -1):
            identity = _under(rules, job, base, refused, [])
            if identity is not None and is_kept(identity.run_key, rules):
                return identity
    problems += found
    return newest


def in_record(job: JobSpec, base: Path, urn: str) -> IsKept:
    """Whether the newest run that a resource has in its workspace's store is the one: for a resource without a state.

    Its state may be lost, or not written yet: an update was killed, and this package replaced before the next.
    """

    def is_kept(key: str, rules: int) -> bool:
        assert job.compute is not None
        try:
            store = Store.open(job.compute.store, base=base)
            runs = runs_of_owner(store, urn)
            run = Record(store, runs[-1]).run_document() if runs else None
        except NotFound:
            return False
        except TrainingError:
            return False  # a store that does not answer is a matter for whoever has to write to it
        return run is not None and run.run_key == key and known_rules(run.source_rules) == rules

    return is_kept


def _under(
    rules: int, job: JobSpec, base: Path, refused: Collection[str], found: list[Problem]
) -> Identity | None:
    tree = look(job, base, refused, found, rules=rules)
    if tree is None or found:
        return None
    digest = job.source_digest or tree.digest
    fields = key_fields(job.model_copy(update={"source_digest": digest}))
    files: dict[str, str] = {}
    if rules != FIRST and job.environment is not None and beside.names_files(job.environment):
        try:
            files = beside.contents(job.environment, tree.root, {entry.path for entry in tree.entries})
        except SpecError as error:
            found += error.problems
            return None
    # Only where there are any: a job without is the same under either rules.
    key = run_key({**fields, "environmentFiles": files} if files else fields)
    return Identity(digest, key, rules, tree, files)
