"""What is put on top of a base image: which packages, in which layers, and what the base has already."""

from __future__ import annotations

from ..spec.errors import Problem, SpecError
from . import build_context, interpreters, mpi, uv
from .dockerfile import CondaLayer, Recipe
from .image_probe import OLDEST_PYTHON, ImageFacts
from .image_request import ImageRequest


def recipe(
    request: ImageRequest, base: str, facts: ImageFacts, conda: CondaLayer | None
) -> tuple[Recipe, build_context.Lists]:
    """The layers on top of `base`, in which `facts` were found, and the lists of packages that they install."""
    packages = request.packages
    version = request.python_version
    fits = (
        conda is None
        and facts.python is not None
        and facts.release >= OLDEST_PYTHON
        and (version is None or interpreters.matches(version, facts.python_version))
    )
    has_own_mpi = facts.mpirun is not None
    wanted = tuple(
        line
        for line in packages.additions
        if not (line == mpi.WHEEL and has_own_mpi)
        and not (line == mpi.BINDINGS and facts.has_mpi4py and fits)
    )
    # A layer of their own, which seldom changes; one resolution where the user's options hold for them too.
    find_links = list(request.spec.find_links)
    has_options = any(line.startswith("-") for line in packages.pip.lines)
    apart = () if packages.pip.constraints or find_links or has_options else wanted
    lists = build_context.Lists.of(packages, find_links, extra=() if apart else wanted)
    layers = Recipe(
        base=base,
        python=facts.python if fits else None,
        python_version=version,
        conda=conda,
        mpi=apart,
        has_packages=lists.has_packages,
        has_constraints=bool(lists.constraints),
        options=(*lists.options, *uv.index_arguments()),
        has_ca_bundle=request.ca_bundle is not None,
        keeps_ca_bundle=request.spec.ca_bundle_in_image,
        user=facts.user,
    )
    return layers, lists


def conda_layer(request: ImageRequest, facts: ImageFacts, micromamba: str) -> CondaLayer | None:
    """What conda installs, by the tool that the base has, or by that of the image `micromamba`.

    Raises:
        SpecError: a channel is a folder of this machine.
    """
    conda = request.packages.conda
    if not conda:
        return None
    specs = list(conda.dependencies)
    if "python" not in conda.names:
        from .conda import python_spec

        specs.append(python_spec(request.python_version).replace(" ", "="))
    for channel in conda.channels:
        if channel.startswith((".", "/", "~", "file:")):
            raise SpecError(
                Problem(
                    "environment.condaChannels",
                    f"`{channel}` is a folder of this machine, which the build of an image does not see; give a URL",
                )
            )
    return CondaLayer(tuple(specs), conda.channels, facts.conda, micromamba)
