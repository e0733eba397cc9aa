"""Reading the line with which a launcher starts its daemon elsewhere, without a shell.

Open MPI writes `NAME=VALUE;export NAME;...;/path/prted words...`, MPICH only `"/path/hydra_pmi_proxy" words`.
Nothing else is understood: no substitution, no pipe, no second program.
"""

from __future__ import annotations

import os
import re
import shlex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DAEMONS = ("prted", "orted", "hydra_pmi_proxy", "hydra_bstrap_proxy")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_MAY_BE_SET = re.compile(r"(?:\w+_PREFIX|\w*LIBRARY_PATH|PATH|PYTHONPATH)\Z")


def read_daemon_line(line: str, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The daemon's argv and the variables to set for it; raises ValueError for anything but a daemon's line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|<>()")
    lexer.whitespace_split = True
    lexer.commenters = ""
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word and not word.strip(";&|<>()"):
            if word != ";":
                raise ValueError(f"{word!r} has no place in a daemon's line")
            parts.append([])
        else:
            parts[-1].append(word)
    variables: dict[str, str] = {}
    argv: list[str] = []
    for words in (words for words in parts if words):
        if argv:
            raise ValueError("more than one program")
        argv = _take_assignments(words, variables, environ)
    if not argv or os.path.basename(argv[0]) not in DAEMONS:
        raise ValueError(f"only launcher daemons are started here, not {argv[0] if argv else 'nothing'!r}")
    return argv, variables


def _take_assignments(words: list[str], variables: dict[str, str], environ: Mapping[str, str]) -> list[str]:
    """What remains of one command after its leading `NAME=VALUE`; `export NAME` leaves nothing."""
    if words[0] == "export":
        words = [word for word in words[1:] if "=" in word]
    for index, word in enumerate(words):
        match = _ASSIGNMENT.fullmatch(word)
        if match is None:
            return words[index:]
        name, value = match.groups()
        if not _MAY_BE_SET.match(name):
            raise ValueError(f"{name} may not be set for a daemon")
        variables[name] = _expand(value, {**environ, **variables})
    return []


def _expand(value: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: known.get(found.group(1) or found.group(2), ""), value)
