"""Where things are: this checkout, its virtual environment, the cache that all checkouts share."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .version import pinned_pulumi

CHECKOUT = Path(__file__).resolve().parents[2]
ENTRY = CHECKOUT / "tools" / "pulumi"


@dataclass(frozen=True)
class Places:
    """Folders for one checkout and one pinned pulumi; nothing here is made yet."""

    cache: Path
    version: str
    checkout: Path = CHECKOUT

    @property
    def home(self) -> Path:
        """The folder of the pinned CLI, renamed into place when complete."""
        return self.cache / self.version

    @property
    def pulumi(self) -> Path:
        """The pinned CLI."""
        return self.home / "bin" / "pulumi"

    @property
    def lone_host(self) -> Path:
        """The folder of a stand-in language host for a pulumi of PATH that has none."""
        return self.cache / "language-host"

    @property
    def venv(self) -> Path:
        """This checkout's virtual environment."""
        return self.checkout / ".venv"

    @property
    def venv_python(self) -> Path | None:
        """The virtual environment's Python, None before `make` made it."""
        python = self.venv / "bin" / "python"
        return python if python.exists() else None


def find_places() -> Places:
    """Places from the environment: TRAINING_ENGINE_DIR, else the platform's cache folder."""
    return Places(cache=cache_folder(), version=pinned_pulumi())


def cache_folder() -> Path:
    """The folder all checkouts share; TRAINING_ENGINE_DIR overrides the platform's convention."""
    if override := os.environ.get("TRAINING_ENGINE_DIR"):
        return Path(override).expanduser().absolute()
    return user_cache() / "engine"


def user_cache() -> Path:
    """What this package keeps in the platform's cache folder of the user."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "pulumi-training"
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return root / "pulumi-training"


def pulumi_on_path(places: Places, path: str | None = None) -> Path | None:
    """The pulumi of PATH, None where there is none but this tool itself or the cached one."""
    for folder in (path if path is not None else os.environ.get("PATH", os.defpath)).split(os.pathsep):
        found = shutil.which("pulumi", path=folder) if folder else None
        if found is None or Path(found).resolve() in (ENTRY, places.pulumi.resolve()):
            continue
        return Path(found)
    return None
