"""The backend: where Pulumi keeps the states of stacks, as its command line resolves it, told apart by a digest.

The order is the command line's: PULUMI_BACKEND_URL, `backend.url` of the nearest Pulumi.yaml, the current login of
`credentials.json` (pulumi/pkg/workspace/creds.go). The digest is of what decides which states those are: an address
may hold credentials, and may be written in several ways.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from ..spec.urls import display

_FILE = "file://"
_CLOUD = "https://api.pulumi.com"
_PROJECT_FILES = ("Pulumi.yaml", "Pulumi.yml", "Pulumi.json")
_LOGIN_KEYS = frozenset(("current", "accessTokens", "accounts"))
_ANCESTORS = 4
_HOW = frozenset(
    (
        "accelerate", "anonymous", "awssdk", "connect_timeout", "disable_https", "disablessl", "dualstack", "fips",
        "hostname_immutable", "kmskeyid", "no_tmp_dir", "profile", "rate_limiter_capacity", "region",
        "request_checksum_calculation", "response_checksum_validation", "s3forcepathstyle", "ssetype", "sslcert",
        "sslkey", "sslmode", "sslrootcert", "use_path_style",
    )
)  # fmt: skip
"""Parameters of an address that say how it is talked to, not which one it is."""
_ELSEWHERE = {
    "azblob": (("storage_account", ("AZURE_STORAGE_ACCOUNT",)),),
    "s3": (("endpoint", ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")),),
}
"""Parameters that an environment variable stands in for, where the address does not give them."""


@dataclass(frozen=True)
class Backend:
    """One backend. `digest` is 20 hex digits, equal for equal places; `url` is for people and has no credentials.

    `folder` is its folder on this machine, None for any other kind.
    """

    digest: str
    url: str = field(default="", compare=False)
    folder: Path | None = field(default=None, compare=False)


def current(folder: Path | None = None, environ: Mapping[str, str] | None = None) -> Backend | None:
    """The backend of a `pulumi` that is started in `folder` (the working directory); None where nobody can tell."""
    variables = os.environ if environ is None else environ
    place = Path.cwd() if folder is None else folder
    url = _selected(place, variables)
    return None if url is None else backend_at(url, place, variables)


def backend_of_engine() -> Backend | None:
    """The backend of the engine that started this plugin; None where nobody can tell.

    The plugin has the engine's environment and another working directory: the program's. Relative addresses and
    the project are those of the engine's.
    """
    return current(_folder_of_engine())


def backend_at(url: str, base: Path, environ: Mapping[str, str] | None = None) -> Backend | None:
    """The backend that `url` names for a `pulumi` in the folder `base`; None for what is no address."""
    variables = os.environ if environ is None else environ
    text = url.strip()
    if text.startswith(_FILE):
        return _of_folder(text, base, variables)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if not scheme or not (host or parts.path.strip("/")):
        return None
    if scheme in ("http", "https"):
        host = (
            "api." + host[4:] if host.startswith("app.") else host
        )  # the command line takes the console's too
        port = None if port in (80, 443) else port
    else:
        # The host of a bucket's address is the bucket: hosts ignore case, and so do the names of buckets.
        host = host.lower()
    where = f"{scheme}://{host}{f':{port}' if port else ''}/" + "/".join(
        p for p in parts.path.split("/") if p
    )
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name, stand_ins in _ELSEWHERE.get(scheme, ()):
        found = next((variables[each] for each in stand_ins if variables.get(each)), None)
        if name not in asked and found:
            asked[name] = found
    return Backend(_digest(where, asked), display(text))


def project_file(start: Path) -> Path | None:
    """The Pulumi.yaml of `start` or of the nearest folder above it."""
    for folder in (start.absolute(), *start.absolute().parents):
        for name in _PROJECT_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


def read_project(project: Path) -> dict[str, object]:
    """A Pulumi.yaml; empty where it cannot be read."""
    import yaml

    try:
        document = yaml.safe_load(project.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) else {}


def _selected(folder: Path, environ: Mapping[str, str]) -> str | None:
    """The address as it is written, or None."""
    if url := environ.get("PULUMI_BACKEND_URL"):
        return url
    project = project_file(folder)
    backend = read_project(project).get("backend") if project is not None else None
    if isinstance(backend, dict) and backend.get("url"):
        return str(backend["url"])
    logged_in = _logged_in(environ)
    if logged_in:
        return logged_in
    # The engine tells its plugins the service's address, also where this machine keeps its login encrypted.
    if environ.get("PULUMI_ACCESS_TOKEN"):
        return environ.get("PULUMI_API") or (_CLOUD if logged_in is not None else None)
    return None


def _logged_in(environ: Mapping[str, str]) -> str | None:
    """The current login, empty where there is none; None where it cannot be read."""
    home = environ.get("PULUMI_CREDENTIALS_PATH") or environ.get("PULUMI_HOME")
    folder = Path(home) if home else Path("~/.pulumi").expanduser()
    try:
        document: Any = json.loads((folder / "credentials.json").read_bytes())
    except FileNotFoundError:
        return ""
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or (document and not document.keys() & _LOGIN_KEYS):
        return None  # encrypted, or damaged
    return str(document.get("current") or "")


def _of_folder(url: str, base: Path, environ: Mapping[str, str]) -> Backend:
    """As the command line reads it: nothing is unquoted, `~` is the home, and parameters do not move it."""
    path, _, query = url[len(_FILE) :].partition("?")
    if path.startswith("~"):
        home = environ.get("HOME") or str(Path.home())
        path = os.path.join(home, path[2:])
    folder = os.path.realpath(os.path.join(base, path))
    asked = {name: value for name, value in parse_qsl(query) if name == "prefix"}
    states = Path(folder) / asked.get("prefix", "")
    return Backend(_digest(_FILE + folder, asked), _FILE + str(states), states)


def _digest(where: str, asked: Mapping[str, str]) -> str:
    kept = {name.lower(): value for name, value in asked.items() if name.lower() not in _HOW}
    if "endpoint" in kept:
        kept["endpoint"] = kept["endpoint"].rpartition("://")[2].rstrip("/").lower()
    text = f"{where}?{urlencode(sorted(kept.items()))}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _folder_of_engine() -> Path | None:
    """The working directory of the `pulumi` above this process; None where there is none to be seen.

    A language host may be in between.
    """
    import psutil

    try:
        for process in psutil.Process().parents()[:_ANCESTORS]:
            if process.name() in ("pulumi", "pulumi.exe"):
                return Path(process.cwd())
    except (psutil.Error, OSError):
        return None
    return None
