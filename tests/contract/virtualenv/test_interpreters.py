"""Interpreters and launchers are found by asking them."""

from __future__ import annotations

import os

from pulumi_training.environment import interpreters, mpi


def test_the_first_launcher_that_works_is_taken(tmp_path):
    for name, text in (("a", "#!/bin/sh\nexit 1\n"), ("b", "#!/bin/sh\necho 'mpirun (Open MPI) 4.1.4'\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mpirun").write_text(text)
        (tmp_path / name / "mpirun").chmod(0o755)
    found = mpi.find(tmp_path / "none", path=f"{tmp_path / 'a'}:{tmp_path / 'b'}")
    assert found == mpi.Mpi(tmp_path / "b" / "mpirun", "openmpi4")
    assert mpi.find(tmp_path / "a") is None


def test_pyenvs_pythons_are_found(tmp_path, monkeypatch):
    for version in ("3.30.1", "3.30.2", "notes"):
        python = tmp_path / "versions" / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch(0o755)
    environ = {**os.environ, "PYENV_ROOT": str(tmp_path), "PATH": str(tmp_path)}
    assert interpreters.choose("3.30", environ) == str(tmp_path / "versions/3.30.2/bin/python")
    assert interpreters.choose("3.31", environ) == "3.31"
    assert "3.30.1" in interpreters.installed(environ)
