from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.environment import requirements
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import SpecError


def problems(source, *packages):
    return requirements.problems(EnvironmentSpec(pip_packages=list(packages)), source)


def problems_of_file(source, text, name="requirements.txt"):
    (source / name).write_text(text)
    return requirements.problems(EnvironmentSpec(pip_requirements_file=name), source)


@pytest.mark.parametrize(
    "line",
    [
        "numpy", "numpy==1.26.4", "numpy>=1.2,<2", "torch[opt]~=2.1", "numpy; python_version < '3.12'",
        "omega @ https://example.com/omega-1.0.zip", "git+https://example.com/a/omega.git@main",
        "https://example.com/omega-1.0-py3-none-any.whl", "Ab_c.d-E",
    ],
)  # fmt: skip
def test_pips_syntax_is_accepted(source, line):
    assert problems(source, line) == []


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("numpy=1.26", "numpy==1.26"),
        ("numpy=1.26=py311_0", "numpy==1.26"),
        ("scikit learn", "write it as"),
        ("numpy==", "write it as"),
        ("numpy >= one", "write it as"),
        ("", "is empty"),
        ("# numpy", "is empty"),
        ("--no-deps", "is an option"),
        ("-r more.txt", "pipRequirementsFile"),
        ("./nowhere", "does not exist"),
        ("nowhere-1.0-py3-none-any.whl", "does not exist"),
        ("\N{ROCKET}", "write it as"),
    ],
)
def test_what_pip_would_refuse_is_refused_with_its_path(source, line, advice):
    found = problems(source, "numpy", line)
    assert [p.path for p in found] == ["environment.pipPackages[1]"]
    assert advice in found[0].message


def test_a_folder_of_the_source_tree_is_accepted(source):
    (source / "omega").mkdir()
    assert problems(source, "./omega", "./omega[extra]") == []
    read = requirements.read(EnvironmentSpec(pip_packages=["./omega[extra]"]), source)
    assert read.lines == [f"{source.resolve() / 'omega'}[extra]"]
    assert read.projects == [source.resolve() / "omega"]


def test_files_may_hold_comments_options_and_continuations(source):
    text = (
        "# what it needs\n\nnumpy==1.26.4 \\\n    --hash=sha256:" + "0" * 64 + "\n"
        "--index-url https://example.com/simple  # ours\n--extra-index-url=https://example.com/more\n"
        "pandas # tables\n-e git+https://example.com/omega.git#egg=omega\n--no-binary :all:\n"
    )
    assert problems_of_file(source, text) == []
    read = requirements.read(EnvironmentSpec(pip_requirements_file="requirements.txt"), source)
    assert [" ".join(line.split()) for line in read.lines] == [
        "numpy==1.26.4 --hash=sha256:" + "0" * 64,
        "--index-url https://example.com/simple",
        "--extra-index-url=https://example.com/more",
        "pandas",
        "git+https://example.com/omega.git#egg=omega",
        "--no-binary :all:",
    ]
    assert {"numpy", "pandas"} <= read.names


def test_a_bad_line_of_a_file_is_named_by_file_and_number(source):
    found = problems_of_file(source, "numpy\n\nscikit learn\n--indexurl x\n")
    assert [p.path for p in found] == ["environment.pipRequirementsFile"] * 2
    assert found[0].message.startswith("requirements.txt line 3: `scikit learn`")
    assert "line 4: unknown option `--indexurl`; is `--index-url` meant?" in found[1].message


def test_includes_and_constraints_are_followed_from_where_they_stand(source):
    (source / "deep").mkdir()
    (source / "deep" / "base.txt").write_text("-r more.txt\n-c limits.txt\n--find-links ./local\n")
    (source / "deep" / "more.txt").write_text("mpi4py\n")
    (source / "deep" / "limits.txt").write_text("numpy<2\n")
    (source / "deep" / "local").mkdir()
    (source / "requirements.txt").write_text("-r deep/base.txt\nnumpy\n")
    spec = EnvironmentSpec(pip_requirements_file="requirements.txt")
    assert requirements.problems(spec, source) == []
    read = requirements.read(spec, source)
    assert read.lines == ["mpi4py", f"--find-links {source.resolve() / 'deep' / 'local'}", "numpy"]
    assert read.constraints == ["numpy<2"]
    assert read.names == {"mpi4py", "numpy"}
    assert set(read.texts) == {"requirements.txt", "deep/base.txt", "deep/more.txt", "deep/limits.txt"}


def test_a_missing_file_lists_near_names(source):
    (source / "requirements.txt").touch()
    spec = EnvironmentSpec(pip_requirements_file="requirement.txt")
    found = requirements.problems(spec, source)
    assert found[0].path == "environment.pipRequirementsFile"
    assert "near names: requirements.txt" in found[0].message
    with pytest.raises(SpecError):
        requirements.read(spec, source)


def test_a_file_that_includes_itself_is_refused(source):
    (source / "b.txt").write_text("-r a.txt\n")
    assert "includes itself" in problems_of_file(source, "-r b.txt\n", "a.txt")[0].message


def test_a_file_that_is_no_text_is_refused(source):
    (source / "requirements.txt").write_bytes(b"\xff\xfe\x00n")
    found = requirements.problems(EnvironmentSpec(pip_requirements_file="requirements.txt"), source)
    assert "is not UTF-8" in found[0].message


def test_names_are_compared_as_pip_does(source):
    read = requirements.read(EnvironmentSpec(pip_packages=["Scikit_Learn>=1", "MPI4PY"]), source)
    assert read.names == {"scikit-learn", "mpi4py"}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_makes_the_reader_fail(text):
    list(requirements.logical_lines(text))
    requirements.name_of(text)
