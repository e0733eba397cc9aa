"""The text of the Dockerfile that puts packages on top of a base image. Pure: no file is read.

The order of the layers is from what seldom changes to what changes often: uv, the interpreter, conda's
packages, MPI, pip's packages. The source of a run is in none of them, so a changed script builds nothing.

With BuildKit all that the build needs is mounted and leaves no trace in the image; the classic builder knows no
mounts, so there uv and the lists lie in a layer (not in the image's file system: the last step removes them).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

PREFIX = "/opt/training"
"""Where the environment lies that is made when the base image has no Python that fits."""
PYTHONS = "/opt/training-python"
"""Where uv puts a Python that it had to download; readable by every user."""
BUILD = "/tmp/training-build"
"""Where the build's own files are seen during the build."""
CONTEXT = "training"
"""The folder of the build context that holds them."""
CA_BUNDLE = "/etc/ssl/training-ca.pem"
"""Where the CA bundle stays, if it is to stay."""
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE")
_UV_LOCKS = "/tmp/uv-*.lock"
SETTINGS_SECRET = "training-settings"
CA_SECRET = "training-ca"


@dataclass(frozen=True)
class CondaLayer:
    """Conda packages: `tool` is a conda, mamba or micromamba of the base image; None takes `image`'s micromamba.

    `specs` and `channels` are as conda's command line takes them.
    """

    specs: tuple[str, ...]
    channels: tuple[str, ...]
    tool: str | None
    image: str = ""


@dataclass(frozen=True)
class Recipe:
    """All that the text is made from.

    `python` is the base image's interpreter that packages go into; None makes one at `PREFIX` of
    `python_version`. `mpi` are requirements of a layer of their own; `has_packages` and `has_constraints` say
    which files the context holds; `options` are further words for `uv pip install`. `user` is the base image's user.
    """

    base: str
    python: str | None
    python_version: str | None = None
    conda: CondaLayer | None = None
    mpi: tuple[str, ...] = ()
    has_packages: bool = False
    has_constraints: bool = False
    options: tuple[str, ...] = ()
    has_ca_bundle: bool = False
    keeps_ca_bundle: bool = False
    user: str = ""

    @property
    def target_python(self) -> str:
        """The Python that packages go into."""
        return self.python or f"{PREFIX}/bin/python"


def dockerfile_text(recipe: Recipe, *, mounts: bool) -> str:
    """The Dockerfile; `mounts` says whether the builder is BuildKit, which mounts what the build needs."""
    writer = _WithMounts(recipe) if mounts else _WithCopies(recipe)
    lines = []
    if recipe.conda and recipe.conda.tool is None:
        lines += [f"FROM {recipe.conda.image} AS micromamba", ""]
    lines += [f"FROM {recipe.base}", "USER root"]
    lines += writer.begin()
    if recipe.conda:
        lines += writer.conda(recipe.conda)
    elif recipe.python is None:
        version = f" --python {shlex.quote(recipe.python_version)}" if recipe.python_version else ""
        lines += writer.run(f"{BUILD}/uv venv --no-project{version} {PREFIX}", "uv")
    install = f"{BUILD}/uv pip install --break-system-packages --python {shlex.quote(recipe.target_python)}"
    options = "".join(f" {shlex.quote(word)}" for word in recipe.options)
    if recipe.mpi:
        lines += writer.run(f"{install}{options} {shlex.join(recipe.mpi)}", "uv")
    if recipe.has_packages:
        words = f" --constraints {BUILD}/constraints.txt" if recipe.has_constraints else ""
        lines += writer.lists()
        lines += writer.run(f"{install}{words}{options} --requirements {BUILD}/requirements.txt", "all")
    lines += writer.end()
    if recipe.keeps_ca_bundle:
        lines += [f"COPY {CONTEXT}/ca.pem {CA_BUNDLE}"]
        lines += ["ENV " + " ".join(f"{name}={CA_BUNDLE}" for name in CA_VARIABLES)]
    if recipe.python is None:
        lines.append(f"ENV PATH={PREFIX}/bin:$PATH")
    if recipe.user:
        lines.append(f"USER {recipe.user}")
    return "\n".join(lines) + "\n"


def settings_text(variables: dict[str, str], *, mounts: bool, has_ca_bundle: bool) -> str:
    """The shell lines that every build step reads first: where packages come from and how uv behaves.

    `variables` are uv's own for indexes. Bytecode is compiled because a container starts from the image each
    time and would compile it each time.
    """
    exports = {
        "UV_COMPILE_BYTECODE": "1",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_INSTALL_DIR": PYTHONS,
        "NO_COLOR": "1",
        **({"UV_CACHE_DIR": f"{BUILD}-cache"} if mounts else {"UV_NO_CACHE": "1"}),
        **variables,
    }
    if has_ca_bundle:
        exports |= dict.fromkeys(CA_VARIABLES, f"{BUILD}/ca.pem")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(exports.items()))


class _WithCopies:
    """Steps for the classic builder."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def begin(self) -> list[str]:
        """uv and the settings, in this order: uv seldom changes."""
        lines = [f"COPY {CONTEXT}/uv {BUILD}/uv", f"COPY {CONTEXT}/settings {BUILD}/settings"]
        return [*lines, f"COPY {CONTEXT}/ca.pem {BUILD}/ca.pem"] if self.recipe.has_ca_bundle else lines

    def lists(self) -> list[str]:
        """The requirements and all they point at."""
        return [f"COPY {CONTEXT}/lists {BUILD}/"]

    def conda(self, layer: CondaLayer) -> list[str]:
        """Conda's packages, by the tool of the base image or by micromamba of its own image."""
        lines = [] if layer.tool else [f"COPY --from=micromamba /bin/micromamba {BUILD}/micromamba"]
        return [*lines, *self.run(_conda_command(layer), "conda")]

    def run(self, command: str, needs: str) -> list[str]:
        """One step."""
        return [f"RUN . {BUILD}/settings && {command}"]

    def end(self) -> list[str]:
        """Takes the build's files out of sight."""
        return [f"RUN rm -rf {BUILD} {_UV_LOCKS}"]


class _WithMounts:
    """Steps for BuildKit. Settings and CA bundle are secrets: they may change without a new build."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def begin(self) -> list[str]:
        return []

    def lists(self) -> list[str]:
        return []

    def conda(self, layer: CondaLayer) -> list[str]:
        return self.run(_conda_command(layer), "conda")

    def run(self, command: str, needs: str) -> list[str]:
        mounts = [f"type=secret,id={SETTINGS_SECRET},target={BUILD}-settings"]
        if self.recipe.has_ca_bundle:
            mounts.append(f"type=secret,id={CA_SECRET},target={BUILD}/ca.pem")
        if needs == "conda":
            if self.recipe.conda and self.recipe.conda.tool is None:
                mounts.append(f"type=bind,from=micromamba,source=/bin/micromamba,target={BUILD}/micromamba")
        else:
            mounts.append(f"type=bind,source={CONTEXT}/uv,target={BUILD}/uv")
            mounts.append(f"type=cache,id=training-uv,target={BUILD}-cache")
        if needs == "all":
            for name in ("requirements.txt", *(["constraints.txt"] if self.recipe.has_constraints else [])):
                mounts.append(f"type=bind,source={CONTEXT}/lists/{name},target={BUILD}/{name}")
            mounts.append(f"type=bind,source={CONTEXT}/lists/files,target={BUILD}/files,rw")
        words = "".join(f"--mount={mount} \\\n    " for mount in mounts)
        return [f"RUN {words}. {BUILD}-settings && {command}"]

    def end(self) -> list[str]:
        return [f"RUN rm -rf {BUILD} {BUILD}-cache {BUILD}-settings {_UV_LOCKS}"]


def _conda_command(layer: CondaLayer) -> str:
    tool = layer.tool or f"{BUILD}/micromamba"
    channels = "".join(f" -c {shlex.quote(channel)}" for channel in layer.channels)
    clean = f"{shlex.quote(tool)} clean -y --all"
    create = (
        f"{shlex.quote(tool)} create -y -p {PREFIX} --override-channels{channels} {shlex.join(layer.specs)}"
    )
    return f"{create} && {clean}"
