"""tools/pulumi: versions, the lock, half-made builds, the environment, what errors say."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
TOOL = CHECKOUT / "tools" / "pulumi"
sys.path.append(str(CHECKOUT / "tools"))

from engine import ensure, installer, modules, shell, stand_in, version  # noqa: E402
from engine.errors import EngineError  # noqa: E402
from engine.places import Places, cache_folder, pulumi_on_path  # noqa: E402

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


def test_the_pinned_version_is_the_one_of_go_mod(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module x\n\ngo 1.25.3\n\nrequire (\n\tgithub.com/pulumi/pulumi/pkg/v3 v3.1.2\n)\n")
    assert version.pinned_pulumi(go_mod) == "v3.1.2"
    assert version.needed_go(go_mod) == (1, 25, 3)
    assert version.pinned_pulumi() == WANTED


def test_a_go_mod_without_the_pin_is_an_error(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module x\n")
    with pytest.raises(EngineError, match=r"go\.mod pins no version"):
        version.pinned_pulumi(go_mod)


@pytest.mark.parametrize(
    ("text", "numbers"), [("go1.26.8", (1, 26, 8)), ("go1.27rc1", (1, 27, 0)), ("devel", (0, 0, 0))]
)
def test_go_versions_are_read(text: str, numbers: tuple[int, ...]) -> None:
    assert version.parse_go(text) == numbers


def test_the_cache_follows_the_platform_and_its_override(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRAINING_ENGINE_DIR", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "pulumi-training" / "engine"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "pulumi-training" / "engine"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == tmp_path / "Library" / "Caches" / "pulumi-training" / "engine"
    monkeypatch.setenv("TRAINING_ENGINE_DIR", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"


def test_a_pulumi_of_path_is_used_as_it_is(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    own = write_pulumi(places.cache.parent / "own", "v9.9.9")
    real_host = write_program(own.parent / stand_in.NAME, "echo 1")
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    found = ensure.ensure(places)
    assert (found.pulumi, found.folders, found.origin) == (own, (), "PATH")
    assert real_host.read_text() == "#!/bin/sh\necho 1\n"


def test_a_pulumi_of_path_without_a_host_gets_a_stand_in_elsewhere(
    places: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = write_pulumi(places.cache.parent / "own")
    monkeypatch.setenv("PATH", f"{own.parent}:/usr/bin:/bin")
    found = ensure.ensure(places)
    assert found.folders == (places.lone_host / "bin",)
    assert stand_in.is_stand_in(places.lone_host / "bin" / stand_in.NAME)
    assert [file.name for file in own.parent.iterdir()] == ["pulumi"]
    assert "stand-in" in capsys.readouterr().err


def test_this_tool_itself_on_path_is_not_a_pulumi(places: Places) -> None:
    assert pulumi_on_path(places, f"{TOOL.parent}:/usr/bin:/bin") is None


def test_a_half_made_build_is_neither_used_nor_left(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    killed = places.cache / f"{ensure.BUILDING}of-a-killed-one" / WANTED / "bin"
    write_pulumi(killed)

    def interrupted(bin_folder: Path, cache: Path, wanted: str) -> None:
        write_pulumi(bin_folder)
        raise KeyboardInterrupt

    monkeypatch.setattr(modules, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure.ensure(places)
    assert [entry.name for entry in places.cache.iterdir()] == ["lock"]


def test_the_installer_is_skipped_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(installer.SKIP, "1")
    assert not installer.install(Path(sys.executable), tmp_path, WANTED)
    monkeypatch.delenv(installer.SKIP)
    assert not installer.install(None, tmp_path, WANTED)
    said = capsys.readouterr().err
    assert "TRAINING_SKIP_PULUMI_INSTALLER=1" in said
    assert "no virtual environment yet" in said


def test_env_puts_cli_and_plugin_on_path_and_keeps_a_passphrase(places: Places) -> None:
    (places.venv / "bin").mkdir(parents=True)
    (places.home / "bin").mkdir(parents=True)
    engine = ensure.Engine(places.pulumi, (places.home / "bin",), "cache")
    text = shell.exports(places, engine, {"PATH": "/a dir:/bin"})
    lines = dict(shlex.split(line)[1].split("=", 1) for line in text.splitlines())
    assert lines["PATH"] == f"{places.home}/bin:{places.venv}/bin:/a dir:/bin"
    assert lines["PULUMI_SKIP_UPDATE_CHECK"] == "true"
    assert lines["PULUMI_CONFIG_PASSPHRASE"] == ""
    assert shell.exports(places, engine, {**os.environ, **lines}) == ""
    kept = shell.additions(places, engine, {"PATH": "/bin", "PULUMI_CONFIG_PASSPHRASE_FILE": "/secret"})
    assert "PULUMI_CONFIG_PASSPHRASE" not in kept


def test_an_unchanged_stand_in_is_not_written_again(tmp_path: Path) -> None:
    assert stand_in.place(tmp_path)
    assert not stand_in.place(tmp_path)
    (tmp_path / "language_host.py").write_text("older")
    assert stand_in.place(tmp_path)
