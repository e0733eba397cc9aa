"""Where a store is: its URL made absolute."""

from __future__ import annotations

import os
from pathlib import Path

from ..spec.urls import folder_of


def local_folder(url: str, *, base: Path | None = None) -> Path | None:
    """The absolute folder that `url` names, or None where it is not on this machine's file system.

    A relative path is resolved against `base`, by default the working directory; `~` is the user's home.
    Raises `SpecError` as `spec.urls.folder_of` does.
    """
    text = folder_of(url, path="store")
    if text is None:
        return None
    start = (base or Path.cwd()).expanduser().absolute()
    return Path(os.path.normpath(start / Path(text).expanduser()))
