"""tools/pulumi and what it starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
TOOL = CHECKOUT / "tools" / "pulumi"
sys.path.append(str(CHECKOUT / "tools"))

from engine import ensure, installer, modules, progress, stand_in, version  # noqa: E402
from engine.errors import EngineError  # noqa: E402
from engine.lock import held  # noqa: E402
from engine.places import Places  # noqa: E402

WANTED = "v3.259.0"


def write_program(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def write_pulumi(folder: Path, said: str = WANTED) -> Path:
    return write_program(folder / "pulumi", f"echo {said}")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Places of an empty cache, on a PATH without pulumi and go."""
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv(installer.SKIP, "1")
    return Places(cache=tmp_path / "cache", version=WANTED, checkout=tmp_path / "checkout")


def test_verify_accepts_the_pinned_version_only(tmp_path: Path) -> None:
    version.verify(write_pulumi(tmp_path / "right"), WANTED)
    with pytest.raises(EngineError, match=r"should be pulumi v3\.259\.0.*v3\.1\.0"):
        version.verify(write_pulumi(tmp_path / "wrong", "v3.1.0"), WANTED)
    with pytest.raises(EngineError, match="does not start"):
        version.verify(tmp_path / "missing", WANTED)


def test_what_was_built_is_verified_and_renamed_into_place(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def build(bin_folder: Path, cache: Path, wanted: str) -> None:
        seen.append(bin_folder)
        assert not places.home.exists()
        write_pulumi(bin_folder)

    monkeypatch.setattr(modules, "build", build)
    found = ensure.ensure(places)
    assert found.pulumi == places.pulumi
    assert not seen[0].is_relative_to(places.home)
    assert (places.home / "bin" / stand_in.NAME).exists()
    assert ensure.ensure(places) == found
    assert len(seen) == 1


def test_a_wrong_version_is_not_kept_and_the_error_says_how_to_install(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "build", lambda folder, *_: write_pulumi(folder, "v3.260.0-dev"))
    with pytest.raises(EngineError) as caught:
        ensure.ensure(places)
    words = str(caught.value)
    assert "v3.260.0-dev" in words
    assert "https://www.pulumi.com/docs/install/" in words
    assert "put Go on PATH" in words
    assert not places.home.exists()


def test_a_failed_build_shows_the_compilers_words(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    go = write_program(
        places.cache.parent / "go-bin" / "go",
        '[ "$1" = env ] && echo go9.9.9 && exit\necho no proxy answers; exit 1',
    )
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    with pytest.raises(EngineError, match="no proxy answers"):
        ensure.ensure(places)


def test_an_old_go_is_not_taken(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_program(places.cache.parent / "old" / "go", "echo go1.21.0")
    wheel = write_program(places.cache / "go" / "bin" / "go", "echo go9.9.9")
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    assert modules.find_go(places.cache) == wheel


def test_a_failed_installer_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(installer.SKIP, raising=False)
    broken = write_program(tmp_path / "python", "echo URLError: no network >&2; exit 1")
    assert not installer.install(broken, tmp_path / "root", WANTED)


def test_a_second_caller_waits_and_says_for_whom(tmp_path: Path) -> None:
    lock, done = tmp_path / "lock", tmp_path / "done"
    program = (
        f"import sys, time; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "from pathlib import Path\nfrom engine.lock import held\n"
        f"with held(Path({str(lock)!r}), 'making tea', print):\n"
        f"    print('held', flush=True); time.sleep(0.5); Path({str(done)!r}).touch()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        said: list[str] = []
        with held(lock, "drinking it", said.append):
            assert done.exists()
    assert said == [f"waiting for process {first.pid}: making tea (0 s)"]


def test_a_killed_holder_frees_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    program = (
        f"import sys, time; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "from pathlib import Path\nfrom engine.lock import held\n"
        f"with held(Path({str(lock)!r}), 'hanging', print):\n    print('held', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
    said: list[str] = []
    with held(lock, "next", said.append):
        assert said == []


def test_long_work_tells_its_time_and_ends_at_its_limit(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.05)
    monkeypatch.setattr(progress, "TTY_SECONDS", 0.05)
    started = time.monotonic()
    with pytest.raises(EngineError, match="no end after 0 s\nhalf a word"):
        progress.run_with_progress(
            "waiting", ["sh", "-c", "printf 'half a word'; sleep 60"], limit_seconds=0.3
        )
    assert time.monotonic() - started < 20
    assert "waiting: 0 s so far" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        "    virtualenv: env",
        "  options: {toolchain: pip, virtualenv: 'env'}",
        '    virtualenv: "env"  # here',
    ],
)
def test_the_wrapper_starts_the_host_under_the_projects_python(tmp_path: Path, line: str) -> None:
    stand_in.place(tmp_path / "engine")
    write_program(tmp_path / "project" / "env" / "bin" / "python", 'echo "$0 $*"')
    (tmp_path / "project" / "Pulumi.yaml").write_text(f"# virtualenv: other\nruntime:\n{line}\n")
    below = tmp_path / "project" / "below"
    below.mkdir()
    wrapper = tmp_path / "engine" / "bin" / stand_in.NAME
    said = subprocess.run([wrapper, "1.2.3.4:5"], cwd=below, capture_output=True, text=True).stdout.split()
    assert said == [
        str(tmp_path / "project" / "env" / "bin" / "python"),
        str(tmp_path / "engine" / "language_host.py"),
        "1.2.3.4:5",
    ]


def test_the_wrapper_says_what_is_missing(tmp_path: Path) -> None:
    stand_in.place(tmp_path / "engine")
    write_program(tmp_path / "bare" / "python3", "exit 1")
    wrapper = tmp_path / "engine" / "bin" / stand_in.NAME
    path = f"{tmp_path / 'bare'}:/usr/bin:/bin"
    for name in ("python3", "python"):
        write_program(tmp_path / "bare" / name, "exit 1")
    done = subprocess.run([wrapper], cwd=tmp_path, env={"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install pulumi" in done.stderr


def test_the_command_line_answers_on_stdout_only(tmp_path: Path) -> None:
    own = write_pulumi(tmp_path / "own")
    environment = {
        "PATH": f"{own.parent}:{os.environ['PATH']}",
        "TRAINING_ENGINE_DIR": str(tmp_path / "cache"),
    }
    for arguments in ([], ["ensure"], ["where"]):
        done = subprocess.run(
            [sys.executable, TOOL, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == f"{own}\n"
    ran = subprocess.run(
        [sys.executable, TOOL, "run", "--", "version"], env=environment, capture_output=True, text=True
    )
    assert ran.stdout == f"{WANTED}\n"


def test_where_says_how_to_get_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TOOL, "where"],
        env={"PATH": "/usr/bin:/bin", "TRAINING_ENGINE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "tools/pulumi ensure" in done.stderr
