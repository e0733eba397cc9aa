"""A user's own Dockerfile: what it says, and what of its context counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulumi_training.environment.build_context import UserContext, files
from pulumi_training.environment.dockerfile_reading import read_dockerfile
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import SpecError


def read(source: Path, **fields: object) -> UserContext:
    return UserContext.read(EnvironmentSpec(dockerfile="Dockerfile", **fields), source)  # type: ignore[arg-type]


def test_bases_leave_out_stages_and_scratch() -> None:
    text = """
ARG VERSION=3.11
ARG OTHER
FROM --platform=linux/amd64 python:${VERSION} AS build
FROM build AS more
FROM scratch
FROM ${OTHER:-debian:12}
FROM $NOBODY_KNOWS
FROM Debian:12
"""
    assert read_dockerfile(text, {}).bases == ("python:3.11", "debian:12", "Debian:12")
    assert read_dockerfile(text, {"VERSION": "3.12", "OTHER": "alpine"}).bases[:2] == (
        "python:3.12",
        "alpine",
    )


def test_sources_are_what_is_copied_or_mounted_from_the_context() -> None:
    text = """FROM x
COPY --chown=1:1 a.txt b/ /dest/
COPY --from=other /bin/tool /bin/tool
COPY ["with space.txt", "/dest/"]
ADD https://example.com/file /file
RUN --mount=type=bind,source=lists,target=/l --mount=type=cache,target=/c \\
    # a comment inside
    make
COPY <<EOF /written
COPY not/one /dest
EOF
"""
    assert read_dockerfile(text, {}).sources == ("a.txt", "b/", "with space.txt", "lists")


def test_stages_have_no_case() -> None:
    text = "FROM python:3.11 AS Build\nFROM build AS more\nFROM MORE\n"
    assert read_dockerfile(text, {}).bases == ("python:3.11",)


@pytest.mark.parametrize(
    "line",
    [
        "RUN wc <<< hello",
        "RUN wc <<<hello",
        "RUN test $((1<<N)) -gt $(( 1 <<N ))",
        'RUN ["bash", "-c", "wc <<< hello"]',
        'RUN ["bash", "-c", "wc <<hello"]',
        "RUN echo a <<EOF of a heredoc that never ends",
        "RUN cat <<EOF >/written\nCOPY not/one /dest\n  EOF\nEOF",
        "RUN cat <<-'EOF' 3<<\"more.txt\"\nCOPY not/one /dest\n\t\tEOF\nCOPY not/two /dest\nmore.txt",
        "ONBUILD RUN <<EOF\nCOPY not/one /dest\nEOF",
        "LABEL words=a <<EOF",
        "COPY 3<<EOF /written\nCOPY not/one /dest\nEOF",
    ],
)
def test_only_a_heredoc_hides_what_follows(line: str) -> None:
    read = read_dockerfile(f"FROM x\n{line}\nCOPY src /src\nEND\n", {})
    assert read.sources == ("src",)


def test_words_may_be_apart_by_any_white_space() -> None:
    text = "FROM\tpython:3.11\tAS\tbuild\nCOPY\tsrc\t/src\nADD \t more /more\nRUN\t--mount=type=secret,id=token\tmake\n"
    found = read_dockerfile(text, {})
    assert (found.bases, found.sources, found.secrets) == (("python:3.11",), ("src", "more"), ("token",))


@pytest.mark.parametrize("line", ["COPY $WHAT /x", "COPY a/**/b /x", "COPY [broken /x"])
def test_all_of_the_context_counts_where_sources_cannot_be_told(line: str) -> None:
    assert read_dockerfile(f"FROM x\n{line}\n", {}).sources is None


def test_secrets_are_named() -> None:
    text = "FROM x\nRUN --mount=type=secret,id=token cat /run/secrets/token\nRUN --mount=type=secret,target=/k/key x\n"
    assert read_dockerfile(text, {}).secrets == ("token", "key")


def test_a_script_that_is_not_copied_changes_nothing(source: Path) -> None:
    (source / "Dockerfile").write_text("FROM x\nCOPY lists /l\nCOPY *.cfg /c\n")
    (source / "lists").mkdir()
    (source / "lists/a.txt").write_text("1")
    (source / "train.py").write_text("print(1)")
    (source / "a.cfg").write_text("1")
    first = read(source).digest
    (source / "train.py").write_text("print(2)")
    assert read(source).digest == first
    (source / "a.cfg").write_text("2")
    second = read(source).digest
    assert second != first
    (source / "lists/a.txt").chmod(0o755)
    assert read(source).digest not in (first, second)


def test_the_ignore_file_is_honoured_and_the_dockerfiles_own_wins(source: Path) -> None:
    (source / "Dockerfile").write_text("FROM x\nCOPY . /all\n")
    (source / ".dockerignore").write_text("# words\n*.log\n!keep.log\nsecret/\n")
    for name in ("a.py", "b.log", "keep.log"):
        (source / name).write_text(name)
    (source / "secret").mkdir()
    (source / "secret/key").write_text("k")
    found = files(source, read(source).ignored)
    assert {"a.py", "keep.log"} <= set(found)
    assert not {"b.log", "secret/key"} & set(found)
    before = read(source).digest
    (source / "secret/key").write_text("another")
    assert read(source).digest == before
    (source / "Dockerfile.dockerignore").write_text("a.py\n")
    assert read(source).ignored == ("a.py",)


def test_what_is_missing_is_named_with_its_neighbours(source: Path) -> None:
    (source / "dockerfile").write_text("FROM x\n")
    with pytest.raises(SpecError, match="near names: dockerfile") as caught:
        read(source)
    assert caught.value.path == "environment.dockerfile"
    (source / "Dockerfile").write_text("FROM x\n")
    with pytest.raises(SpecError) as caught:
        read(source, build_context="./nowhere")
    assert caught.value.path == "environment.buildContext"
