"""What a user's own Dockerfile says before it is built: its base images, the files it takes, its secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HEREDOC = re.compile(r"\d*<<(-?)([\"']?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_TAKE_HEREDOCS = ("RUN", "COPY", "ADD")
_FLAG = re.compile(r"--([a-z]+)(?:=(\S*))?\s+")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|([A-Za-z_]\w*))")


@dataclass(frozen=True)
class DockerfileFacts:
    """What could be read out of the text.

    `bases` are the images to have before the build, without stages, `scratch` and names that cannot be told;
    `sources` the paths of the context that are copied or mounted, or None where that cannot be told and all
    of the context counts; `secrets` the ids of secret mounts.
    """

    bases: tuple[str, ...]
    sources: tuple[str, ...] | None
    secrets: tuple[str, ...]


def read_dockerfile(text: str, arguments: Mapping[str, str]) -> DockerfileFacts:
    """Reads a Dockerfile; `arguments` are the build arguments, which may stand in `FROM` lines."""
    known: dict[str, str] = {}
    stages: set[str] = set()
    bases: list[str] = []
    sources: list[str] = []
    secrets: list[str] = []
    is_certain = True
    for word, rest in instructions(text):
        if word == "ARG" and not stages and not bases:
            name, _, default = rest.partition("=")
            known[name.strip()] = arguments.get(name.strip(), default.strip().strip("\"'"))
        elif word == "FROM":
            image, stage = _from(rest, known)
            if image is not None and image.casefold() not in stages and image != "scratch":
                bases.append(image)
            stages.add((stage or str(len(stages))).casefold())
        elif word in ("COPY", "ADD"):
            found = _copied(rest)
            is_certain = is_certain and found is not None
            sources += found or ()
        elif word == "RUN":
            for mount in _mounts(rest):
                if mount.get("type", "bind") == "secret":
                    secrets.append(mount.get("id") or mount.get("target", "").rpartition("/")[2])
                elif mount.get("type", "bind") == "bind" and "from" not in mount:
                    sources.append(mount.get("source") or mount.get("src") or ".")
    is_certain = is_certain and not any("$" in source or "**" in source for source in sources)
    return DockerfileFacts(
        tuple(dict.fromkeys(bases)),
        tuple(dict.fromkeys(sources)) if is_certain else None,
        tuple(dict.fromkeys(secrets)),
    )


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions in order, in capitals, with the rest of their line; bodies of heredocs are left out."""
    escape = "\\"
    directive = re.match(r"(?:#[^\n]*\n)*?#\s*escape\s*=\s*(\S)", text, re.I)
    if directive:
        escape = directive.group(1)
    lines = text.splitlines()
    at = 0
    pending = ""
    while at < len(lines):
        raw = lines[at]
        at += 1
        if raw.lstrip().startswith("#") or (pending and not raw.strip()):
            continue
        line = raw.rstrip()
        if line.endswith(escape):
            pending += line[:-1] + " "
            continue
        whole, pending = pending + line, ""
        if whole.strip():
            at = _after_heredocs(whole.split(), lines, at)
            yield _parted(whole)
    if pending.strip():
        yield _parted(pending)


def _parted(instruction: str) -> tuple[str, str]:
    word, *rest = instruction.split(maxsplit=1)
    return word.upper(), "".join(rest).strip()


def _after_heredocs(words: list[str], lines: list[str], at: int) -> int:
    """The line behind the heredocs of an instruction that ends before line `at`.

    By BuildKit's rules a heredoc is a word of its own, so that `<<<` and `1<<N` are none. One that never ends is none.
    """
    taker = words[1] if words[0].upper() == "ONBUILD" and len(words) > 1 else words[0]
    if taker.upper() not in _TAKE_HEREDOCS:
        return at
    for match in filter(None, map(_HEREDOC.fullmatch, words)):
        dash, _, name = match.groups()
        for index in range(at, len(lines)):
            if (lines[index].lstrip("\t") if dash else lines[index]) == name:
                at = index + 1
                break
    return at


def _from(rest: str, known: Mapping[str, str]) -> tuple[str | None, str | None]:
    words = [word for word in rest.split() if not word.startswith("--")]
    stage = words[2] if len(words) > 2 and words[1].upper() == "AS" else None
    image = _VARIABLE.sub(lambda m: known.get(m[1] or m[3]) or m[2] or m[0], words[0]) if words else ""
    return (None if "$" in image or not image else image), stage


def _copied(rest: str) -> list[str] | None:
    while flag := _FLAG.match(rest):
        if flag.group(1) == "from":
            return []
        rest = rest[flag.end() :]
    if rest.startswith("["):
        try:
            words = [str(word) for word in json.loads(rest)]
        except ValueError:
            return None
    else:
        words = rest.split()
    return [word for word in words[:-1] if not re.match(r"\d*<<|[a-z+]+://|git@", word)]


def _mounts(rest: str) -> Iterator[dict[str, str]]:
    while flag := _FLAG.match(rest):
        if flag.group(1) == "mount" and flag.group(2):
            yield dict(part.partition("=")[::2] for part in flag.group(2).split(","))
        rest = rest[flag.end() :]
