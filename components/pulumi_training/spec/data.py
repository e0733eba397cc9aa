"""What a run reads and writes beside its source tree."""

from __future__ import annotations

import re
from enum import Enum

from .fields import Model, ignored, key

REFERENCE = re.compile(r"(?<!\$)\$\{data\.([A-Za-z0-9_.-]+)\}")
"""`${data.<name>}` in an argument: the local path of that input or output. `$${data.x}` is the literal text."""

# In one pass, so that a path that is put in is never read again.
_ESCAPED_OR_REFERENCE = re.compile(r"\$\$\{data\.|" + REFERENCE.pattern)

IGNORE_FINGERPRINT = "ignored"
"""The fingerprint of an input whose changes must not train again."""


class DataMode(str, Enum):
    """How data reaches the script, in the Estimator's words."""

    MOUNT = "mount"
    DOWNLOAD = "download"
    UPLOAD = "upload"


class InputSpec(Model):
    """Data that the script reads; arguments refer to it as `${data.<name>}`."""

    uri: str = ignored(description="A folder or any fsspec URL.", example="./data")
    mode: DataMode = key(DataMode.MOUNT, description="mount or download.", example="mount")
    path_on_compute: str | None = key(
        None,
        description="Where the script finds it, relative to its working directory.",
        example="data/digits",
    )
    fingerprint: str | None = key(
        None,
        description="What stands for the content; computed where it is left out. `ignored` says that changed "
        "data must not train again.",
    )


class OutputSpec(Model):
    """A folder that the script writes and that is delivered elsewhere; arguments refer to it as `${data.<name>}`."""

    uri: str = key(description="The folder or fsspec URL to deliver to.", example="s3://bucket/models")
    mode: DataMode = key(
        DataMode.UPLOAD, description="upload, or mount where the target can.", example="upload"
    )
    path_on_compute: str | None = key(
        None, description="Where the script writes it, relative to its working directory.", example="export"
    )


def references(text: str) -> list[str]:
    """The names of the data that `text` refers to, in order."""
    return REFERENCE.findall(text)


def substitute(text: str, paths: dict[str, str]) -> str:
    """Puts local paths in place of `${data.<name>}`, and undoes `arguments.escape`.

    Raises:
        KeyError: `text` refers to a name that `paths` lacks.
    """
    return _ESCAPED_OR_REFERENCE.sub(lambda found: paths[found[1]] if found[1] else "${data.", text)
