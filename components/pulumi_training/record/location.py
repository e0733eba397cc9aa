"""Where a store is: its URL made absolute, and the form of it that may be shown."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ..spec.errors import Problem, SpecError

MASK = "[secret]"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)(://|::)")
_WINDOWS = re.compile(r"^(?:file:/{2,3})?[A-Za-z]:[\\/]|^\\\\")


def local_folder(url: str, *, base: Path | None = None) -> Path | None:
    """The absolute folder that `url` names, or None where it is not on this machine's file system.

    Takes plain paths, `~`, and `file://` URLs (`file:///data`, `file://./runs`, `file://~/runs`); a relative
    path is resolved against `base`, by default the working directory. Raises `SpecError` for an empty value,
    a Windows path, or a `file://` URL of another host.
    """
    text = url.strip()
    if not text:
        raise SpecError(
            Problem("store", "is empty; write a folder, such as ./runs, or a URL, such as s3://bucket/runs")
        )
    if _WINDOWS.match(text):
        raise SpecError(Problem("store", f"{text} is a Windows path; run under WSL and write its Linux path"))
    match = _SCHEME.match(text)
    if match and (match.group(1).lower() not in ("file", "local") or match.group(2) == "::"):
        return None
    if match:
        text = unquote(text[match.end() :])
        if text.startswith("localhost/"):
            text = text[len("localhost") :]
        elif text and not text.startswith(("/", ".", "~")):
            raise SpecError(
                Problem(
                    "store",
                    f"{display(url)} names the host '{text.split('/')[0]}'; write file:///path for a folder",
                )
            )
    return Path(
        os.path.normpath((base or Path.cwd()).expanduser().absolute() / Path(text or ".").expanduser())
    )


def display(url: str) -> str:
    """`url` with user names, passwords and query values taken out, for messages, logs and outputs."""
    if not _SCHEME.match(url):
        return url
    return "::".join(_display_one(part) for part in url.split("::"))


def _display_one(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.split("://", 1)[0] + "://" + MASK
    user, at, host = parts.netloc.rpartition("@")
    # abfs://container@account.dfs.core.windows.net is no credential; a password always follows a colon.
    if at and (":" in user or parts.scheme not in ("abfs", "abfss", "wasb", "wasbs", "az")):
        user = MASK
    query = re.sub(r"=[^&;]*", f"={MASK}", parts.query)
    if query and "=" not in query:
        query = MASK
    fragment = MASK if parts.fragment and parts.query else parts.fragment
    return urlunsplit((parts.scheme, f"{user}{at}{host}", parts.path, query, fragment))
