"""URLs of stores and datastores as text: which of them are folders, and what of them may be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit, urlunsplit

from .errors import Problem, SpecError

MASK = "[secret]"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*)(://|::)")
_WINDOWS = re.compile(r"^(?:file:/{2,3})?[A-Za-z]:[\\/]|^\\\\")
# The user part of these is a container or a bucket, not a person.
_CONTAINER_FIRST = frozenset(("abfs", "abfss", "wasb", "wasbs", "az"))
_OPENS = re.compile("sig|tok|key|secret|pass|pwd|cred|auth", re.IGNORECASE)
_LONG = 20
"""Characters of a value in a query that is no option: a key by whatever name."""


def folder_of(url: str, *, path: str) -> str | None:
    """The folder that `url` names, as written (`~` and relative ones too), or None for any other place.

    Takes plain paths and `file://` URLs (`file:///data`, `file://./runs`, `file://~/runs`). Raises
    `SpecError` at the property `path` for an empty value, a Windows path, or a `file://` URL of another host.
    """
    text = url.strip()
    if not text:
        raise SpecError(Problem(path, "is empty; write a folder (./data) or a URL (s3://bucket/data)"))
    if _WINDOWS.match(text):
        raise SpecError(Problem(path, f"{text} is a Windows path; run under WSL and write its Linux path"))
    match = _SCHEME.match(text)
    if not match:
        return text
    if match.group(1).lower() not in ("file", "local") or match.group(2) == "::":
        return None
    text = unquote(text[match.end() :])
    if text.startswith("localhost/"):
        return text[len("localhost") :]
    if text and not text.startswith(("/", ".", "~")):
        host = text.split("/")[0]
        raise SpecError(
            Problem(path, f"{display(url)} names the host '{host}'; write file:///path for a folder")
        )
    return text or "."


def scheme_of(url: str) -> str:
    """The scheme of the storage that `url` leads to, in lower case; empty for a plain path."""
    match = _SCHEME.match(url.strip().rsplit("::", 1)[-1])
    return match.group(1).lower() if match else ""


ON_COMPUTE = ("volume", "host")
"""Schemes of data that is where containers run: a volume, or a folder of the daemon's machine."""


def on_compute(url: str) -> tuple[str, str, str] | None:
    """Kind, source and the folder below it, for data that is where containers run; None for any other.

    `volume://digits/train` is the folder `train` of volume `digits`; `host:///data` the folder `/data`.
    """
    scheme = scheme_of(url)
    if scheme not in ON_COMPUTE:
        return None
    rest = url.strip().partition("://")[2]
    if scheme == "host":
        return scheme, "/" + rest.strip("/"), ""
    source, _, below = rest.strip("/").partition("/")
    return scheme, source, below


def display(url: str) -> str:
    """`url` with user names, passwords and query values taken out, for messages, logs and outputs."""
    if not _SCHEME.match(url):
        return url
    return "::".join(_display_one(part) for part in url.split("::"))


def secrets_of(url: str) -> tuple[str, ...]:
    """The words of `url` that `display` takes out, to be masked where a library repeats them."""
    found: list[str] = []
    for part in url.split("::"):
        scheme, _, rest = part.partition("://")
        user = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[0]
        if ":" in user or scheme not in _CONTAINER_FIRST:
            found += [word for name in user.split(":", 1) for word in (name, unquote(name))]
        found += re.findall(r"[?&;][^=&;]*=([^&;#]*)", part)
    return tuple(dict.fromkeys(word for word in found if word))


def credentials_of(url: str) -> tuple[str, ...]:
    """What of `url` opens the place that it names: `user:password`, signatures and keys of its query; none of a path.

    A user alone opens nothing, as in `ssh://ann@gpu-box`; nor does `?timeout=60`.
    """
    found: list[str] = []
    for part in url.split("::"):
        if "://" not in part:
            continue
        user = re.split(r"[/?#]", part.partition("://")[2], maxsplit=1)[0].rpartition("@")[0]
        password = user.partition(":")[2]
        if password:
            found += [user, password, unquote(password)]
        for key, value in re.findall(r"[?&;]([^=&;]*)=([^&;#]+)", part):
            if _OPENS.search(key) or len(value) >= _LONG:
                found += [value, unquote(value)]
    return tuple(dict.fromkeys(found))


def without_credentials(url: str) -> str:
    """`url` without what opens its place (`credentials_of`): what may be noted, and is opened by the service's own chain."""
    for word in sorted(credentials_of(url), key=len, reverse=True):
        url = url.replace(f"{word}@", "")
        url = re.sub(rf"[^?&;]*={re.escape(word)}(&|;|(?=#)|$)", "", url)
    return re.sub(r"[?&;]+(?=#|::|$)", "", url)


def _display_one(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.split("://", 1)[0] + "://" + MASK
    user, at, host = parts.netloc.rpartition("@")
    if at and (":" in user or parts.scheme not in _CONTAINER_FIRST):
        user = MASK
    query = re.sub(r"=[^&;]*", f"={MASK}", parts.query)
    if query and "=" not in query:
        query = MASK
    return urlunsplit((parts.scheme, f"{user}{at}{host}", parts.path, query, parts.fragment))
