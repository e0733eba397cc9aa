"""What makes two images the same: the digest they are tagged with."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import Problem, SpecError
from . import build_context, mpi, requirements
from .digest import Request, content_of, key_fields

if TYPE_CHECKING:
    from ..spec.environment import EnvironmentSpec

REPOSITORY = "training-env"
"""The name of the images that are made here; the digest is their tag."""
BASE_REPOSITORY = "training-env-base"
"""The name of images built from a user's own Dockerfile, before anything of ours is put on them."""
BASE_VARIABLE = "TRAINING_BASE_IMAGE"
"""Names the base image of environments that name none; `{python}` in it is replaced by the version."""
CA_VARIABLE = "TRAINING_CA_BUNDLE"
"""Names the CA bundle of builds whose environment names none: a matter of the network one is in."""
_APART = frozenset(
    (
        "pip_packages",
        "pip_requirements_file",
        "conda_dependencies_file",
        "python_version",
        "image",
        "dockerfile",
        "build_context",
        "conda_fallback",  # of the local target only
    )
)
"""Key fields that are put in by their content, or in a normal form, or do not concern images."""


class ImageRequest:
    """All that an image is built from, read once. `tags` are the tags that would do, the exact one first.

    Raises:
        SpecError: a file is missing or cannot be read.
    """

    def __init__(self, spec: EnvironmentSpec, source: Path, *, needs_mpi: bool, needs_mpi4py: bool) -> None:
        self.spec = spec
        self.source = source
        self.needs_mpi = needs_mpi
        self.needs_mpi4py = needs_mpi4py
        self.packages = Request(spec, source, needs_mpi=needs_mpi, needs_mpi4py=needs_mpi4py)
        self.python_version = self.packages.python_version
        self.base = base_image(spec, self.python_version)
        self.context = build_context.UserContext.read(spec, source) if spec.dockerfile else None
        self.ca_bundle = ca_bundle(spec, source)
        self.content = self._content()
        self.digest = _digest({**self.content, "mpi": list(self.packages.additions)})

    @property
    def tag(self) -> str:
        """What the image is called on the daemon."""
        return f"{REPOSITORY}:{self.digest}"

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of images that would do: this one, and those with an MPI that is not asked for but harmless."""
        more = Request(self.spec, self.source, needs_mpi=True, needs_mpi4py=True).additions
        chosen = [tuple(self.packages.additions)]
        if mpi.WHEEL in more and (mpi.BINDINGS not in self.packages.additions):
            chosen.append((mpi.WHEEL,))
        chosen.append(tuple(more))
        digests = [_digest({**self.content, "mpi": list(additions)}) for additions in chosen]
        return tuple(f"{REPOSITORY}:{digest}" for digest in dict.fromkeys(digests))

    @property
    def base_tag(self) -> str:
        """What the image of the user's own Dockerfile is called on the daemon."""
        assert self.context is not None
        names = ("dockerfile", "context", "arguments", "platform", "refresh")
        return f"{BASE_REPOSITORY}:{_digest({name: self.content.get(name) for name in names})}"

    def _content(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "version": 1,
            "fields": key_fields(self.spec, _APART),
            "pip": sorted(set(self.spec.pip_packages)),
            "files": self.packages.pip.texts,
            "projects": {str(i): content_of(path) for i, path in enumerate(self.packages.pip.projects)},
            "python": self.python_version,
            "platform": self.spec.platform,
            "refresh": self.spec.refresh,
            "arguments": self.spec.build_arguments,
        }
        if self.packages.conda:
            content["conda_file"] = self.packages.conda.text
        if self.context:
            content["dockerfile"] = self.context.text
            content["context"] = self.context.digest
        else:
            content["base"] = self.base
        if self.spec.ca_bundle_in_image and self.ca_bundle:
            content["ca_bundle"] = hashlib.sha256(self.ca_bundle.read_bytes()).hexdigest()
        return content


def problems(spec: EnvironmentSpec, source: Path) -> list[Problem]:
    """Everything wrong with what is to be installed into an image, as far as it can be seen without Docker."""
    from . import conda_file, interpreters

    of_conda = conda_file.problems(spec, source)
    conda = None if of_conda else conda_file.read(spec, source)
    found = [
        *interpreters.problems(spec.python_version),
        *requirements.problems(spec, source, more=conda.pip if conda else ()),
        *of_conda,
    ]
    if spec.user_managed and not (spec.image or spec.dockerfile):
        found.append(
            Problem("environment.image", "a user managed environment in containers is an image; name it")
        )
    return found


def base_image(spec: EnvironmentSpec, python_version: str | None) -> str:
    """The image that packages go on top of: the spec's own, in its registry, else one with the Python wanted."""
    if spec.image:
        from .registry import qualified

        return qualified(spec.image, spec.image_registry)
    found = re.search(r"\d+\.\d+", python_version or "")
    version = found.group() if found else f"{sys.version_info[0]}.{sys.version_info[1]}"
    return (os.environ.get(BASE_VARIABLE) or "python:{python}-slim").replace("{python}", version)


def ca_bundle(spec: EnvironmentSpec, source: Path) -> Path | None:
    """The file of certificate authorities that builds trust, if one is named.

    Raises:
        SpecError: it does not exist.
    """
    named = spec.ca_bundle or os.environ.get(CA_VARIABLE)
    if not named:
        if spec.ca_bundle_in_image:
            raise SpecError(
                Problem("environment.caBundleInImage", "needs a caBundle: name the file that is to be kept")
            )
        return None
    path = requirements.located(source, named).resolve()
    if not path.is_file():
        raise SpecError(Problem("environment.caBundle", f"`{named}` does not exist ({path})"))
    return path


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
