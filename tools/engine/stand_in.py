"""The stand-in Python language host: whether it is needed, and its files beside a CLI."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

NAME = "pulumi-language-python"
FILES = ("language_host.py", "language_program.py")
MARK = "# pulumi-training: stand-in for Pulumi's Python language host"
WRAPPER = f"""#!/bin/sh
{MARK}
# Starts language_host.py under the Python of the project that Pulumi runs now: its `virtualenv` option, else
# the first of the active environment, python3 and python that has Pulumi's SDK.
here=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd) || exit 1
root=$PWD
while [ "$root" != / ] && [ ! -f "$root/Pulumi.yaml" ]; do root=$(dirname -- "$root"); done
option=
if [ -f "$root/Pulumi.yaml" ]; then
    value="[\\"']\\{{0,1\\}}\\([^]\\"'#,}}[:space:]]*\\)"
    option=$(sed -n -e '/^[[:space:]]*#/d' -e "s/.*virtualenv:[[:space:]]*$value.*/\\1/p" \\
        "$root/Pulumi.yaml" | head -n 1)
    if [ -z "$option" ] && grep -q 'toolchain:[[:space:]]*uv' "$root/Pulumi.yaml"; then option=.venv; fi
fi
case $option in
    '') ;;
    /*) python=$option/bin/python ;;
    *) python=$root/$option/bin/python ;;
esac
if [ -n "$option" ] && [ -x "$python" ]; then exec "$python" "$here/language_host.py" "$@"; fi
has_sdk='import importlib.util as u; raise SystemExit(not u.find_spec("pulumi"))'
for python in "${{VIRTUAL_ENV:+$VIRTUAL_ENV/bin/python}}" python3 python; do
    [ -n "$python" ] || continue
    if "$python" -c "$has_sdk" 2>/dev/null; then
        exec "$python" "$here/language_host.py" "$@"
    fi
done
echo "No Python with Pulumi's SDK: neither the project's virtual environment" \\
    "(${{option:-no virtualenv option}}), nor an active one, nor python3 has the package 'pulumi'." \\
    "Install it there: pip install pulumi" >&2
exit 1
"""


def is_stand_in(host: Path) -> bool:
    """Whether a language host is ours rather than Pulumi's own."""
    with host.open("rb") as file:
        return MARK.encode() in file.read(400)


def real_host(pulumi: Path, path: str | None = None) -> Path | None:
    """Pulumi's own Python language host, beside a CLI or on PATH; None where there is none."""
    beside = [folder / NAME for folder in (pulumi.parent, pulumi.resolve().parent)]
    folders = (path if path is not None else os.environ.get("PATH", os.defpath)).split(os.pathsep)
    on_path = [Path(found) for folder in folders if folder and (found := shutil.which(NAME, path=folder))]
    return next((host for host in (*beside, *on_path) if host.is_file() and not is_stand_in(host)), None)


def place(folder: Path) -> bool:
    """Put the host's files under `folder`, its command in `folder`/bin; returns whether anything changed."""
    source = Path(__file__).parent
    changed = [_write(folder / name, (source / name).read_bytes(), 0o644) for name in FILES]
    return any([*changed, _write(folder / "bin" / NAME, WRAPPER.encode(), 0o755)])


def _write(file: Path, content: bytes, mode: int) -> bool:
    if file.is_file() and file.read_bytes() == content:
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    Path(temporary).chmod(mode)
    Path(temporary).replace(file)  # whole or not at all: another checkout may be starting it now
    return True
