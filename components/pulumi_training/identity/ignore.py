"""Which files of a source directory belong to the run, and which are left out.

- `.amlignore` in the root wins over `.gitignore` in the root; they are never merged (Azure ML's rule: see
  "Storage limits of experiment snapshots" in its documentation). Ignore files in deeper folders and above the
  source directory are not read, again as Azure ML does; a deeper one is an ordinary file of the tree.
- Patterns are git's, as pathspec reads them: the two differ only for odd places of `**` (`a/**b`). As in git a
  folder that is out is not entered, so `!data/keep.csv` cannot bring back a file from a folder left out by
  `data/`; write `data/*` and `!data/keep.csv`.
- Always out, whatever the patterns say: `OUT_ANYWHERE`, `OUT_AT_ROOT`, and every folder with a `pyvenv.cfg`.
- From rules 2 on (`rules`) files of editors and trackers are out too, as if their patterns stood above those of the
  ignore file: `!mlruns/` in it brings one back.
- The ignore file in the root is itself left out: a comment added to it must not train anything again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..spec.errors import Problem, SpecError
from .rules import EDITORS, FIRST, NEWEST, TRACKERS, is_aside

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first of these in the root is read, the other is not."""

OUT_ANYWHERE = frozenset(
    (
        # version control
        ".git", ".hg", ".svn",
        # environments, and packages that are installed rather than written
        ".venv", "venv", "node_modules", ".tox", ".nox",
        # what tools leave behind
        "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".DS_Store",
        # this package's and Pulumi's own state
        ".training", ".pulumi",
    )
)  # fmt: skip
"""Names that are out at any depth, folders and files alike (`.git` is a file in a worktree or submodule)."""

OUT_AT_ROOT = frozenset(("outputs", "logs", *IGNORE_FILES))
"""Names that are out in the root only: what a run writes there, and the ignore files."""

VENV_MARK = "pyvenv.cfg"
"""A folder below the root that holds this file is a virtual environment, whatever its name."""


@dataclass(frozen=True)
class IgnoreRules:
    """The rules of one source directory.

    `source` is the name of the file they came from, or empty; `digest` changes with any change of the rules
    and tells whether remembered decisions still hold. `version` is that of `identity.rules`.
    """

    source: str
    digest: str
    spec: GitIgnoreSpec | None
    quick: re.Pattern[str] | None
    version: int = NEWEST

    def sets_aside(self, name: str, path: str, *, at_root: bool) -> bool:
        """Whether newer rules than the first leave out `path`, called `name`; a folder's ends in `/`."""
        if self.version == FIRST or not is_aside(name, at_root):
            return False
        return self.spec is None or not self._brings_back(path)

    def _brings_back(self, path: str) -> bool:
        """Whether the last pattern that is about `path` itself, and not about a folder it is in, begins with `!`."""
        assert self.spec is not None
        found = self.spec.check_file(path)
        if found.include is not False:
            return False
        folder = path.rstrip("/").rpartition("/")[0]
        return not folder or self.spec.check_file(folder + "/").index != found.index

    def leaves_out(self, path: str) -> bool:
        """Whether the patterns leave out `path`: relative, posix, with a trailing `/` for a folder.

        Only asked for paths whose parent folders are in.
        """
        if self.spec is None or (self.quick is not None and self.quick.search(path) is None):
            return False
        return self.spec.match_file(path)


def load_rules(root: str, version: int = NEWEST) -> IgnoreRules:
    """Reads the rules of the source directory `root`. Raises SpecError for a file that cannot be read."""
    for name in IGNORE_FILES:
        try:
            content = Path(root, name).read_bytes()
        except (FileNotFoundError, IsADirectoryError):
            continue
        except OSError as error:
            raise _refuse(f"{name} cannot be read: {error.strerror}") from error
        return _parse(name, content, version)
    return IgnoreRules(source="", digest=_digest("", b"", version), spec=None, quick=None, version=version)


def built_in_rule(path: str) -> str:
    """The name in `path` (relative, posix) that is always out, or an empty string."""
    parts = path.split("/")
    if parts[0] in OUT_AT_ROOT:
        return parts[0]
    return next((part for part in parts if part in OUT_ANYWHERE), "")


def _parse(name: str, content: bytes, version: int) -> IgnoreRules:
    # As git reads it: lines end at a newline only, with a carriage return before it or without.
    lines = [line.removesuffix("\r") for line in content.decode("utf-8-sig", "surrogateescape").split("\n")]
    # `data/**` is all that is in `data` but not `data` itself; pathspec would match the folder as well.
    written = [
        re.sub(r"(?<=[^/])/\*\* *$", "/**/*", line)
        for line in lines
        if line.strip() and not line.startswith("#")
    ]
    digest = _digest(name, content, version)
    if not written:
        return IgnoreRules(name, digest, None, None, version)
    # Imported here: a tree without patterns need not pay for it.
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines([line for line in written if _is_valid(line)])
    return IgnoreRules(name, digest, spec, _quick(spec), version)


def _is_valid(line: str) -> bool:
    """Whether the pattern means something; git passes over others (`!`, a backslash at the end)."""
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True


def _quick(spec: GitIgnoreSpec) -> re.Pattern[str] | None:
    """One expression that matches whatever any excluding pattern may match; most paths need no more."""
    sources = []
    for pattern in spec.patterns:
        if pattern.include:
            expression = getattr(pattern, "regex", None)
            if not isinstance(expression, re.Pattern) or not isinstance(expression.pattern, str):
                return None
            # Two groups of one name may not stand in one expression.
            sources.append(re.sub(r"\(\?P<\w+>", "(?:", expression.pattern))
    try:
        return re.compile("|".join(f"(?:{source})" for source in sources) or r"(?!)")
    except re.error:
        return None


def _digest(name: str, content: bytes, version: int) -> str:
    built_in = " ".join(sorted(OUT_ANYWHERE | OUT_AT_ROOT))
    if version != FIRST:
        built_in += " ".join((f" {version}", *EDITORS, *sorted(TRACKERS)))
    return hashlib.sha256(f"{name}\0{built_in}\0".encode() + content).hexdigest()


def _refuse(message: str) -> SpecError:
    return SpecError(Problem("sourceDirectory", message))
