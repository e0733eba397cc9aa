"""The agent as something to ship: an unpacked copy for this machine, a zipapp for others.

An unpacked copy starts faster (its modules are compiled once per Python version; a zipapp is read and
compiled at every start), so local runs use `install` and other targets `build_zipapp`.
"""

from __future__ import annotations

import functools
import hashlib
import os
import py_compile
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "training_agent"
"""What the shipped copy is called; the code has relative imports only, so any name would do."""
_MAIN = f"""import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from {PACKAGE}.__main__ import main

sys.exit(main(sys.argv[1:]))
"""
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)


@functools.cache
def source_digest() -> str:
    """sha256 over the agent's own source, 16 hex digits: the version of what is shipped."""
    digest = hashlib.sha256(_MAIN.encode())
    for name, path in _sources():
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def install(folder: Path) -> Path:
    """Puts an unpacked copy into `folder`/<digest>, once, and answers the file that `python -I -S` runs.

    A file and not its folder: for a folder Python loads `runpy` first, 10 ms. Raises OSError.
    """
    destination = folder / source_digest()
    if (destination / "__main__.py").exists():
        return destination / "__main__.py"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        for name, path in _sources():
            copy = temporary / PACKAGE / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (temporary / "__main__.py").write_text(_MAIN, encoding="utf-8")
        for path in sorted((temporary / PACKAGE).rglob("*.py")):
            py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        temporary.chmod(0o755)
        try:
            os.rename(temporary, destination)
        except OSError:
            if not (destination / "__main__.py").exists():  # another process was faster: that is as good
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return destination / "__main__.py"


def shipped(home: Path, python_version: str) -> list[Path]:
    """The files of an unpacked copy for a machine with this Python; compiled ones too where it is as this one is."""
    found = sorted(home.rglob("*.py"))
    if python_version.split(".")[:2] == [str(number) for number in sys.version_info[:2]]:
        found += sorted(home.rglob(f"*.{sys.implementation.cache_tag}.pyc"))
    return found


def build_zipapp(destination: Path) -> Path:
    """Writes one file that `python -I -S` runs; equal sources give equal bytes. Raises OSError."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(f".{destination.name}.{os.getpid()}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        entries = [("__main__.py", _MAIN.encode())]
        entries += [(f"{PACKAGE}/{name}", path.read_bytes()) for name, path in _sources()]
        for name, content in entries:
            entry = zipfile.ZipInfo(name, date_time=_FIRST_DAY)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    os.replace(temporary, destination)
    return destination


def _sources() -> list[tuple[str, Path]]:
    root = Path(__file__).parent
    return sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
