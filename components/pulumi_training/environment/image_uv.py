"""The uv program that goes into a build: one that runs on the image's system and machine."""

from __future__ import annotations

import platform as machine
import shutil
import sys
import tempfile
from pathlib import Path

from ..spec.environment import EnvironmentSpec
from ..spec.errors import PermanentError
from ..spec.outcome import Reason
from . import cache as caches
from . import uv

_TARGETS = {
    ("amd64", False): "x86_64-unknown-linux-gnu",
    ("amd64", True): "x86_64-unknown-linux-musl",
    ("arm64", False): "aarch64-unknown-linux-gnu",
    ("arm64", True): "aarch64-unknown-linux-musl",
}
_NAMES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def program_for(architecture: str, *, is_musl: bool, cache: Path | None = None) -> Path:
    """The uv of this machine where it fits the image, else that of the wheel for the image, kept in the cache.

    `architecture` is as Docker says it (`amd64`, `arm64`).

    Raises:
        PermanentError: `Reason.IMAGE_BUILD_FAILED` where there is none for it, or the package index does not answer.
    """
    wanted = _NAMES.get(architecture, architecture)
    if sys.platform == "linux" and _NAMES.get(machine.machine()) == wanted and not is_musl and _is_glibc():
        return Path(uv.binary()).resolve()
    target = _TARGETS.get((wanted, is_musl))
    if target is None:
        raise PermanentError(
            Reason.IMAGE_BUILD_FAILED,
            f"There is no uv for images of {architecture}; name a Dockerfile of your own, which installs what it "
            "needs, or an image with userManaged",
        )
    place = caches.root(cache).parent / "images" / "uv" / f"{_version()}-{target}"
    if not place.exists():
        _bring(target, place)
    return place


def _bring(target: str, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    environ = uv.environment(EnvironmentSpec(), Path.cwd())
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        words = ["pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--target", folder]
        words += ["--python-platform", target, "--python", sys.executable, f"uv=={_version()}"]
        if uv.ask(words, environ=environ) is None:
            raise PermanentError(
                Reason.IMAGE_BUILD_FAILED,
                f"uv for {target} could not be had from the package index: is it reachable from this machine?",
            )
        found = Path(folder) / "bin" / "uv"
        found.chmod(0o755)
        shutil.move(str(found), place)


def _version() -> str:
    from importlib.metadata import version

    return version("uv")


def _is_glibc() -> bool:
    return machine.libc_ver()[0] == "glibc"
