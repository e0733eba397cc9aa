"""Which Docker daemon is meant: what a cluster says, else what the docker command goes by."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from ...spec.errors import Problem, SpecError

_HERE = "unix:///var/run/docker.sock"


def address_of(settings: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Where the daemon is, as what a later process needs to find the same one: `docker_host`, and `tls` if any.

    The cluster's own setting wins, then what the docker command goes by: the context of DOCKER_CONTEXT, DOCKER_HOST
    (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), the current context.

    Raises:
        SpecError: a context does not exist, or cannot be read.
    """
    host, tls = settings.get("dockerHost", ""), settings.get("tls", "")
    context = environ.get("DOCKER_CONTEXT", "")
    folder = Path(environ.get("DOCKER_CONFIG") or "~/.docker").expanduser()
    if not host and not context:
        host = environ.get("DOCKER_HOST", "")
        if not tls and environ.get("DOCKER_TLS_VERIFY"):
            tls = environ.get("DOCKER_CERT_PATH") or str(folder)
    if not host:
        host, its_tls = _of_context(folder, context or _current_context(folder))
        tls = tls or its_tls
    return {"docker_host": host, **({"tls": str(Path(tls).expanduser().absolute())} if tls else {})}


def _current_context(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_bytes()).get("currentContext") or "")
    except (OSError, ValueError, AttributeError):
        return ""


def _of_context(folder: Path, name: str) -> tuple[str, str]:
    """Host of a context, and the folder of its certificates if it has one.

    The Docker SDK finds contexts only where there is a config.json beside them, which nothing requires.
    """
    if name in ("", "default"):
        return _HERE, ""
    place = hashlib.sha256(name.encode()).hexdigest()
    try:
        document = json.loads((folder / "contexts" / "meta" / place / "meta.json").read_bytes())
        host = str(document["Endpoints"]["docker"]["Host"])
    except FileNotFoundError:
        raise _unusable(
            f"there is no docker context {name!r}; `docker context ls` shows what there is"
        ) from None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise _unusable(f"docker context {name!r} cannot be read, or names no daemon: {error}") from error
    certificates = folder / "contexts" / "tls" / place / "docker"
    return host, str(certificates) if certificates.is_dir() else ""


def _unusable(words: str) -> SpecError:
    return SpecError(Problem("compute.settings.dockerHost", words))
