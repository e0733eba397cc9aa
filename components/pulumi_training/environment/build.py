"""Builds an environment into its place in the cache; the caller holds its lock."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from ..spec.errors import PermanentError, TrainingError
from ..spec.outcome import Reason
from ..spec.text import count
from . import cache, interpreters, mpi, uv
from .digest import Request
from .requirements import located

TAIL_LINES = 40


def build(
    request: Request, prefix: Path, log_path: Path, progress: Callable[[str], None], descriptor: int
) -> cache.CachedEnvironment:
    """Builds, and leaves nothing behind on any failure, an interruption included.

    `descriptor` is the lock's: installers inherit it.

    Raises:
        PermanentError: `Reason.ENVIRONMENT_FAILED` with the installer's own words.
    """
    cache.clear(prefix)
    prefix.parent.mkdir(parents=True, exist_ok=True)
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("w", encoding="utf-8") as log:
        try:
            with tempfile.TemporaryDirectory(prefix="training-environment-") as scratch:
                return _Build(request, prefix, Path(scratch), log, progress, descriptor).run()
        except BaseException as error:
            cache.clear(prefix)
            if isinstance(error, uv.UvFailed):
                raise failed(str(error), log_path) from error
            if isinstance(error, OSError):
                raise failed(f"{error.strerror or error}: {error.filename or prefix}", log_path) from error
            if isinstance(error, TrainingError) and not isinstance(error, PermanentError):
                raise
            if isinstance(error, PermanentError):
                raise failed(error.message, log_path) from error
            raise


def failed(message: str, log_path: Path) -> PermanentError:
    """The error of a failed build: the words, the last lines, and where the whole log is."""
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines() if log_path.exists() else []
    return PermanentError(
        Reason.ENVIRONMENT_FAILED,
        f"The environment could not be built. {uv.mask_urls(message)}\nThe whole log: {log_path}",
        log_tail="\n".join(lines[-TAIL_LINES:]),
    )


class _Build:
    """One build: its inputs, and the warnings it gathers."""

    def __init__(
        self,
        request: Request,
        prefix: Path,
        scratch: Path,
        log: IO[str],
        progress: Callable[[str], None],
        descriptor: int,
    ) -> None:
        self.request = request
        self.prefix = prefix
        self.scratch = scratch
        self.log = log
        self.progress = progress
        self.descriptor = descriptor
        self.environ = uv.environment(request.spec, request.source)
        self.warnings = list(request.pip.warnings)
        self.lines = list(request.pip.lines)
        self.python_version = request.python_version

    @property
    def python(self) -> Path:
        return self.prefix / "bin" / "python"

    def run(self) -> cache.CachedEnvironment:
        """Does it all, the marker last."""
        conda_packages = self._conda() if self.request.conda else None
        if conda_packages is None:
            self._venv()
        self._pip(conda_packages or ())
        found = mpi.find(self.prefix / "bin")
        if found is None and self.request.needs_mpi:
            # Kept without one it would fail every run that shares it.
            raise PermanentError(
                Reason.ENVIRONMENT_FAILED, f"No MPI works in it: {mpi.complaint(self.prefix / 'bin')}"
            )
        result = cache.CachedEnvironment(
            digest=self.request.digest,
            created=time.time(),
            python_version=self._version(),
            packages=self._packages(conda_packages or ()),
            warnings=tuple(self.warnings),
            mpirun=str(found.mpirun.relative_to(self.prefix)) if found else None,
            mpi=found.flavour if found else None,
            spec=_plain(self.request),
        )
        cache.complete(self.prefix, result)
        return result

    def _conda(self) -> tuple[str, ...] | None:
        """Installs by conda; None where no channel answered and everything comes from PyPI instead."""
        from . import conda, conda_names

        assert self.request.conda is not None
        try:
            return conda.install(
                self.request.conda,
                self.python_version,
                self.prefix,
                source=self.request.source,
                progress=self.progress,
                log=self.log,
            )
        except conda.ChannelsUnavailable as error:
            cache.clear(self.prefix)
            self.warnings.append(conda_names.explain(error))
            self.progress(self.warnings[-1])
            translated = conda_names.translate(
                self.request.conda, error, self.request.spec.conda_fallback.value
            )
            self.warnings += translated.warnings
            self.lines += translated.lines
            self.python_version = self.python_version or translated.python_version
            return None

    def _venv(self) -> None:
        wanted = interpreters.choose(self.python_version, self.environ)
        self.progress(f"Creating a virtual environment with Python {self.python_version or self._running()}")
        try:
            self._uv("venv", "--no-project", "--python", wanted, str(self.prefix))
        except uv.UvFailed as error:
            if self.python_version is None or Path(wanted).is_absolute():
                raise
            have = ", ".join(interpreters.installed(self.environ))
            raise PermanentError(
                Reason.ENVIRONMENT_FAILED,
                f"Python {self.python_version} is neither on this machine (it has {have}) nor could it be "
                f"downloaded: {error}\nSet environment.pythonVersion to one of these, or install Python "
                f"{self.python_version}.",
            ) from error

    def _pip(self, conda_packages: tuple[str, ...]) -> None:
        lines = [*self.lines, *self._additions(conda_packages)]
        if not any(not line.startswith("-") for line in lines):
            return
        file = self.scratch / "requirements.txt"
        file.write_text("\n".join(map(self._copied, lines)) + "\n", encoding="utf-8")
        arguments = ["pip", "install", "--python", str(self.python), "--requirements", str(file)]
        arguments += uv.index_arguments()
        if self.request.pip.constraints:
            constraints = self.scratch / "constraints.txt"
            constraints.write_text("\n".join(self.request.pip.constraints) + "\n", encoding="utf-8")
            arguments += ["--constraints", str(constraints)]
        for place in self.request.spec.find_links:
            local = located(self.request.source, place).resolve()
            arguments += ["--find-links", place if "://" in place else str(local)]
        if conda_packages:
            arguments += ["--break-system-packages"]  # a conda prefix may say that it is managed by conda
        asked = sum(1 for line in lines if not line.startswith("-"))
        self.progress(f"Resolving {count(asked, 'package')}")
        self._uv(*arguments)

    def _additions(self, conda_packages: tuple[str, ...]) -> list[str]:
        """What MPI needs, unless conda's solver already brought it along."""
        have = {_canonical(line) for line in conda_packages}
        mapped = {name for line in self.lines if (name := _name(line))}
        result = []
        for line in self.request.additions:
            others = mpi.PACKAGES if line == mpi.WHEEL else {mpi.BINDINGS}
            if not others & (have | mapped):
                result.append(line)
        return result

    def _copied(self, line: str) -> str:
        """A line with a local folder, pointed at a copy: builds write into the folder they build."""
        for index, project in enumerate(self.request.pip.projects):
            if project.is_dir() and (line == str(project) or line.startswith(f"{project}[")):
                copy = self.scratch / str(index) / project.name
                if not copy.exists():
                    ignore = shutil.ignore_patterns(
                        ".git", "__pycache__", ".venv", "build", "dist", "*.egg-info"
                    )
                    shutil.copytree(project, copy, ignore=ignore, symlinks=True)
                return f"{copy}{line[len(str(project)) :]}"
        return line

    def _packages(self, conda_packages: tuple[str, ...]) -> tuple[str, ...]:
        """All packages with their versions; uv sees conda's Python packages too, and those are named once."""
        known = {_canonical(line) for line in conda_packages}
        rest = [line for line in self._freeze() if _canonical(line) not in known]
        return tuple(sorted([*conda_packages, *rest], key=str.lower))

    def _freeze(self) -> list[str]:
        text = uv.ask(["pip", "freeze", "--python", str(self.python)], environ=self.environ) or ""
        lines = [uv.mask_urls(line.strip()) for line in text.splitlines() if line.strip()]
        return [line.replace(f"file://{self.scratch}/", "file:") for line in lines]

    def _version(self) -> str:
        text = uv.ask(
            ["python", "find", "--no-project", "--show-version", str(self.python)], environ=self.environ
        )
        return (text or "").strip() or self.python_version or ""

    def _running(self) -> str:
        import platform

        return platform.python_version()

    def _uv(self, *arguments: str) -> None:
        uv.run(
            arguments,
            environ=self.environ,
            folder=self.scratch,
            log=self.log,
            progress=self.progress,
            descriptors=(self.descriptor,),
        )


def _canonical(line: str) -> str:
    from .requirements import canonical

    return canonical(line.split("==")[0].split(" @ ")[0])


def _name(line: str) -> str | None:
    from .requirements import name_of

    return None if line.startswith("-") else name_of(line)


def _plain(request: Request) -> dict[str, object]:
    """The spec as kept beside the environment: what decides it, without credentials."""
    kept = request.spec.model_dump(
        mode="json", exclude_defaults=True, exclude={"image_registry", "build_arguments"}
    )
    for name in ("index_url", "extra_index_urls", "find_links"):
        kept.pop(name, None)
    kept["pip_packages"] = [uv.mask_urls(line) for line in request.spec.pip_packages]
    return {**kept, "additions": list(request.additions)}
