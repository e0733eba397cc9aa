"""The software of a run, as a declaration."""

from __future__ import annotations

from enum import Enum

from .fields import Model, ignored, key


class CondaFallback(str, Enum):
    """What to do on the local target when no conda channel answers."""

    PYPI = "pypi"
    """Take packages that the checked-in table maps from PyPI, with a warning."""
    ERROR = "error"
    """Fail, and name the ways out."""


class ImageRegistry(Model):
    """Where a private image is pulled from or pushed to (Azure ML's `ContainerRegistry`)."""

    address: str = ignored(
        description="The registry's address, without a scheme.", example="registry.example.com:5000"
    )
    username: str | None = ignored(None, description="The user to log in as.")
    password: str | None = ignored(None, description="The password or token to log in with.", secret=True)


class EnvironmentSpec(Model):
    """What must be installed before the script can run.

    Paths are relative to the job's source directory (the rule of Azure ML's Estimator).
    """

    python_version: str | None = key(
        None,
        description="The Python to use, as `3.11`; the one that runs the plugin by default.",
        example="3.11",
    )
    pip_packages: list[str] = key(
        [], description="Requirements in pip's syntax.", example=["numpy", "mpi4py>=4"]
    )
    pip_requirements_file: str | None = key(
        None,
        description="A requirements file, relative to the source directory; elsewhere too.",
        example="requirements.txt",
    )
    conda_packages: list[str] = key(
        [], description="Requirements in conda's syntax.", example=["scikit-learn"]
    )
    conda_dependencies_file: str | None = key(
        None,
        description="A conda environment file, relative to the source directory; elsewhere too.",
        example="environment.yml",
    )
    conda_channels: list[str] = key(
        [],
        description="Conda channels, best first: names, URLs or folders; `conda-forge` where none is given.",
        example=["conda-forge"],
    )
    conda_fallback: CondaFallback = key(
        CondaFallback.PYPI, description="On the local target, what to do when no conda channel answers."
    )
    index_url: str | None = ignored(None, description="The package index to use instead of the default one.")
    extra_index_urls: list[str] = ignored([], description="Further package indexes.")
    find_links: list[str] = ignored(
        [], description="Folders or pages that hold wheels.", example=["./wheels"]
    )
    user_managed: bool = key(
        False, description="Use the interpreter or image as it is; nothing is installed.", example=True
    )
    interpreter: str | None = key(
        None,
        description="With userManaged: the Python to run, on this machine or inside the image.",
        example="/opt/conda/bin/python",
    )
    image: str | None = key(
        None,
        description="The base image, or with userManaged the image; for targets that run containers.",
        example="python:3.11-slim",
    )
    image_registry: ImageRegistry | None = ignored(
        None,
        description="Credentials of a private registry; an `image` that names no registry is one of this one.",
    )
    image_repository: str | None = ignored(
        None,
        description="Where a built image is pushed to, and looked for before it is built.",
        example="registry.example.com/team/training",
    )
    dockerfile: str | None = key(
        None,
        description="A Dockerfile, relative to the source directory; elsewhere too.",
        example="Dockerfile",
    )
    build_context: str | None = key(
        None, description="The folder a Dockerfile builds from; the source directory by default."
    )
    build_arguments: dict[str, str] = key(
        {}, description="Arguments of the image build.", example={"CUDA": "12"}
    )
    build_secrets: dict[str, str] = ignored(
        {},
        description="Values for the secret mounts of the Dockerfile, by id; BuildKit only.",
        secret=True,
    )
    platform: str | None = key(None, description="The platform to build an image for.", example="linux/amd64")
    ca_bundle: str | None = ignored(
        None, description="A file of certificate authorities that builds must trust.", example="./ca.pem"
    )
    ca_bundle_in_image: bool = key(
        False, description="Keep the caBundle in the image, so that runs trust it too.", example=True
    )
    refresh: str | None = key(
        None,
        description="Any text; a new one resolves unpinned packages and builds again.",
        example="2026-11",
    )

    @property
    def uses_conda(self) -> bool:
        """Whether anything is asked of conda."""
        return bool(self.conda_packages or self.conda_dependencies_file)
