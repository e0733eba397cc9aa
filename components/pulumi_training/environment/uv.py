"""Running uv: the user's settings, short progress lines, the resolver's own words on failure."""

from __future__ import annotations

import configparser
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from .requirements import located

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/\s@]+)@")
_FRAME = "\u00d7\u2570\u2500\u25b6\u2502\u251c "
"""What uv draws around the causes of an error."""
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NOT_OURS = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "UV_BREAK_SYSTEM_PACKAGES",
    "UV_TARGET",
    "UV_PREFIX",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PROJECT",
    "PYTHONHOME",
    "PYTHONPATH",
    "__PYVENV_LAUNCHER__",
)
"""Variables that would send packages, or the choice of Python, somewhere else."""
_FROM_PIP = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "constraint": ("UV_CONSTRAINT",),
    "cert": ("SSL_CERT_FILE",),
}
"""A setting of pip, and the variables by which uv is told; the first is set unless one of them is."""

_NO_INDEX = "no-index"


class UvFailed(Exception):
    """uv ended with an error; `lines` is all it said, credentials masked."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)
        super().__init__(words(lines))


@lru_cache(maxsize=1)
def binary() -> str:
    """The uv program of the `uv` wheel."""
    import uv

    return str(uv.find_uv_bin())


def environment(spec: EnvironmentSpec, source: Path, base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables uv runs with: the user's own, pip's settings where uv has none, and over them the spec's.

    Indexes go by variables and not by arguments because their URLs may hold credentials, and arguments can be
    read by every user of a machine.
    """
    given = dict(os.environ if base is None else base)
    result = {name: value for name, value in given.items() if name not in _NOT_OURS}
    for setting, value in pip_settings(given).items():
        if setting == _NO_INDEX:
            continue
        names = _FROM_PIP[setting]
        if not any(result.get(name) for name in names):
            separator = "," if setting == "find-links" else " "
            result[names[0]] = separator.join(value.split())
    if spec.index_url:
        result.pop("UV_INDEX_URL", None)
        result["UV_DEFAULT_INDEX"] = spec.index_url
    if spec.extra_index_urls:
        result.pop("UV_EXTRA_INDEX_URL", None)
        result["UV_INDEX"] = " ".join(spec.extra_index_urls)
    if spec.ca_bundle:
        result["SSL_CERT_FILE"] = str(located(source, spec.ca_bundle).resolve())
    result.update(NO_COLOR="1", UV_NO_PROGRESS="1", PYTHONNOUSERSITE="1")
    return result


def index_arguments(base: Mapping[str, str] | None = None) -> list[str]:
    """What no variable of uv can say: pip's `no-index`."""
    value = pip_settings(os.environ if base is None else base).get(_NO_INDEX, "")
    return ["--no-index"] if value.lower() in ("1", "true", "yes", "on") else []


def pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """pip's settings that say where packages come from: its files, then its variables over them.

    Where uv has a configuration file of the user or of the system, pip's indexes are left alone.
    """
    found: dict[str, str] = {}
    if environ.get("PIP_CONFIG_FILE") != os.devnull:
        for path in _pip_files(environ):
            parser = configparser.RawConfigParser()
            try:
                parser.read(path, encoding="utf-8")
            except (configparser.Error, UnicodeDecodeError):
                continue
            for section in ("global", "install"):
                if parser.has_section(section):
                    found.update({k.replace("_", "-"): v for k, v in parser.items(section)})
    known = (*_FROM_PIP, _NO_INDEX)
    for setting in known:
        value = environ.get("PIP_" + setting.upper().replace("-", "_"))
        if value:
            found[setting] = value
    kept = {k: v for k, v in found.items() if k in known and v.strip()}
    if any(path.is_file() for path in _uv_files(environ)):
        kept = {k: v for k, v in kept.items() if k == "cert"}
    return kept


def run(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    folder: Path,
    log: IO[str],
    progress: Callable[[str], None],
    descriptors: Sequence[int] = (),
) -> list[str]:
    """Runs uv to its end and returns what it said, line by line; every line also goes to `log`.

    `descriptors` are inherited: locks live as long as uv does. An exception out of `progress` stops uv.

    Raises:
        UvFailed: it ended with an error.
    """
    print("$ uv " + mask_urls(" ".join(arguments)), file=log, flush=True)
    process = subprocess.Popen(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environ),
        cwd=folder,
        pass_fds=tuple(descriptors),
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    lines: list[str] = []
    try:
        assert process.stdout is not None
        for raw in process.stdout:
            line = mask_urls(_ANSI.sub("", raw.rstrip("\n")))
            lines.append(line)
            print(line, file=log, flush=True)
            short = progress_of(line)
            if short:
                progress(short)
        code = process.wait()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if code:
        if code < 0:
            lines.append(f"error: uv was stopped by {signal.Signals(-code).name}")
        raise UvFailed(lines)
    return lines


def ask(arguments: Sequence[str], *, environ: Mapping[str, str]) -> str | None:
    """The standard output of a short uv command; None if it failed."""
    answer = subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=dict(environ),
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return answer.stdout if answer.returncode == 0 else None


def progress_of(line: str) -> str | None:
    """The short line for the row that a line of uv stands for; None for noise."""
    line = line.strip()
    match = re.match(r"(Downloading|Building|Updating|Cloning) (\S+)(?: \(([\d.]+) ?([KMG]?i?B)\))?", line)
    if match:
        verb, what, size, unit = match.groups()
        return f"{verb} {what}" + (f" ({size} {unit})" if size else "")
    match = re.match(r"(Resolved|Installed) (\d+ packages?) in ([\d.]+) ?(\w+)", line)
    if match:
        verb, what, time, unit = match.groups()
        return f"{verb} {what} in {time} {unit}"
    return None


def words(lines: Sequence[str]) -> str:
    """What uv says is wrong, without its frames, arrows and progress."""
    start = next(
        (i for i, line in enumerate(lines) if re.match(r"\s*(\u00d7|error:)", line)), max(0, len(lines) - 10)
    )
    kept = []
    for line in lines[start:]:
        plain = line.lstrip(_FRAME)
        if plain and not plain.startswith(("warning:", "+ ", "- ")):
            kept.append(re.sub(r"^(error|cause): ", "", plain))
    return "\n".join(kept).strip()


def mask_urls(text: str) -> str:
    """Hides user names, passwords and tokens in URLs."""
    return _CREDENTIALS.sub(r"\1****@", text)


def logins(text: str) -> tuple[str, ...]:
    """What is secret in the URLs of a text: passwords, or tokens without one, as they stand there and as they are meant."""
    found = [user_password for _, user_password in _CREDENTIALS.findall(text)]
    secrets = [login.partition(":")[2] or login.rstrip(":") for login in found]
    return tuple(dict.fromkeys([*found, *secrets, *map(unquote, secrets)]))


def _pip_files(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/pip.conf"),
        Path("/etc/xdg/pip/pip.conf"),
        home / ".pip/pip.conf",
        config / "pip/pip.conf",
    ]
    files += [home / "Library/Application Support/pip/pip.conf"] if sys.platform == "darwin" else []
    files += [Path(sys.prefix) / "pip.conf"]
    if environ.get("PIP_CONFIG_FILE"):
        files.append(Path(environ["PIP_CONFIG_FILE"]))
    return files


def _uv_files(environ: Mapping[str, str]) -> list[Path]:
    home = Path(environ.get("HOME") or Path.home())
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [config / "uv/uv.toml", Path("/etc/uv/uv.toml"), Path("/etc/xdg/uv/uv.toml")]
    if environ.get("UV_CONFIG_FILE"):
        files.append(Path(environ["UV_CONFIG_FILE"]))
    return files
