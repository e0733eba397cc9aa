"""The agent as something to ship: an unpacked copy, which this machine runs and others are sent.

Not a zipapp, which is read and compiled at every start; an unpacked copy's modules are compiled once per Python version.
"""

from __future__ import annotations

import functools
import hashlib
import os
import py_compile
import shutil
import sys
import tempfile
from pathlib import Path

PACKAGE = "training_agent"
"""What the shipped copy is called; the code has relative imports only, so any name would do."""
_MAIN = f"""import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from {PACKAGE}.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


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


def _sources() -> list[tuple[str, Path]]:
    root = Path(__file__).parent
    return sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
