"""Makes an image that the daemon does not have: its base, what is put on top, its labels, its push."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.errors import PermanentError, Problem, SpecError
from ..spec.outcome import Reason
from . import build_context, builder, image_tags, image_uv, registry, uv
from .builder_classic import refuse_secrets
from .dockerfile import CA_SECRET, SETTINGS_SECRET, CondaLayer, dockerfile_text, settings_text
from .image_probe import ImageFacts, demand, probe
from .image_pull import pull_image
from .image_recipe import conda_layer, recipe
from .image_request import ImageRequest

if TYPE_CHECKING:
    from docker import DockerClient

MICROMAMBA_VARIABLE = "TRAINING_MICROMAMBA_IMAGE"
MICROMAMBA = "mambaorg/micromamba:2.3.2"
"""Where micromamba comes from for base images without any conda tool."""
_INDEXES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INSECURE_HOST")


def make(
    request: ImageRequest,
    client: DockerClient,
    log: Path,
    progress: Callable[[str], None],
    secrets: dict[str, str],
    *,
    cache: Path | None,
) -> tuple[ImageFacts, str, bool]:
    """Makes the image, or pulls it from its repository; returns its facts, its reference, and whether it was built.

    The caller holds the digest's lock.

    Raises:
        SpecError, PermanentError: as `image.ensure_image`.
    """
    return _Make(request, client, log, progress, secrets, cache).run()


class _Make:
    """One image to be made."""

    def __init__(
        self,
        request: ImageRequest,
        client: DockerClient,
        log: Path,
        progress: Callable[[str], None],
        secrets: dict[str, str],
        cache: Path | None,
    ) -> None:
        self.request = request
        self.spec = request.spec
        self.client = client
        self.log = log
        self.progress = progress
        self.secrets = {**self.spec.build_secrets, **secrets}
        self.cache = cache
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)

    def run(self) -> tuple[ImageFacts, str, bool]:
        """Pulled, or built and pushed."""
        pulled = self._from_repository()
        if pulled is not None:
            return pulled
        kept = self._kept()
        if kept is not None:
            return kept
        base = self._base()
        base_id = str(self.client.images.get(base).id)
        facts = probe(
            self.client,
            base,
            interpreter=self.spec.interpreter,
            platform=self.spec.platform,
            cache=self.cache,
        )
        draft = base
        if self.spec.user_managed:
            demand(
                facts,
                base,
                interpreter=self.spec.interpreter,
                needs_mpi=self.request.needs_mpi,
                needs_mpi4py=self.request.needs_mpi4py,
            )
        else:
            draft = self._with_packages(base, facts)
        if draft != base:
            facts = probe(self.client, draft, platform=self.spec.platform, cache=self.cache)
            self._check(facts)
        image = self._finish(draft, base, base_id, facts)
        return facts, self._pushed(image), True

    def _from_repository(self) -> tuple[ImageFacts, str, bool] | None:
        repository = self.spec.image_repository
        if not repository:
            return None
        reference = f"{repository}:{self.request.digest}"
        try:
            pull_image(self.client, reference, self.spec, self.progress)
        except registry.NoSuchImageError:
            return None
        image = self.client.images.get(reference)
        facts = image_tags.facts_of(image)
        if facts is None or facts.python is None:
            return None
        name, _, tag = self.request.tag.rpartition(":")
        image.tag(name, tag)
        return facts, registry.digest_in(image, repository) or str(image.id), False

    def _kept(self) -> tuple[ImageFacts, str, bool] | None:
        """One that was built here for another repository, or for none, and has only to be pushed."""
        image = image_tags.find(self.client, self.request.tag)
        facts = image_tags.facts_of(image) if image is not None else None
        return None if facts is None else (facts, self._pushed(image), False)

    def _base(self) -> str:
        """The base image, on the daemon: pulled, or built from the user's own Dockerfile."""
        if self.request.context is None:
            self._have(self.request.base)
            return self.request.base
        context = self.request.context
        tag = self.request.base_tag
        if image_tags.find(self.client, tag) is not None and not self.spec.refresh:
            return tag
        missing = [name for name in context.facts.secrets if name not in self.secrets]
        if missing:
            raise SpecError(
                Problem(
                    "environment.buildSecrets", f"the Dockerfile mounts {', '.join(missing)}; give the values"
                )
            )
        chosen = builder.choose(self.client)
        if not chosen.mounts:
            refuse_secrets(tuple(context.facts.secrets or self.spec.build_secrets))
        for name in context.facts.bases:
            self._have(name)
        builder.run(
            chosen,
            builder.Build(
                folder=context.folder,
                dockerfile=context.dockerfile,
                tag=tag,
                ignored=context.ignored,
                arguments=self.spec.build_arguments,
                platform=self.spec.platform,
                secrets={name: self.secrets[name] for name in context.facts.secrets},
                is_fresh=bool(self.spec.refresh),
            ),
            self.log,
            self.progress,
            secrets=tuple(self.secrets.values()),
        )
        return tag

    def _have(self, name: str) -> None:
        """Pulls an image that is not there for the platform, or, with `refresh`, one that may have moved."""
        there = image_tags.find(self.client, name, platform=self.spec.platform)
        if there is not None and (not self.spec.refresh or not there.attrs.get("RepoDigests")):
            return  # one that was never in a registry can only be used as it is
        try:
            pull_image(self.client, name, self.spec, self.progress)
        except PermanentError as error:
            if there is None:
                raise
            self.progress(f"{name} could not be pulled again, going on with the one at hand: {error.message}")

    def _with_packages(self, base: str, facts: ImageFacts) -> str:
        """The image with all that is to be on top of `base`; `base` itself where it has everything."""
        layers, lists = recipe(self.request, base, facts, self._conda_layer(facts))
        if (
            layers.python is not None
            and not layers.mpi
            and not layers.has_packages
            and not layers.keeps_ca_bundle
        ):
            return base
        chosen = builder.choose(self.client)
        variables = self._indexes()
        logins = uv.logins(" ".join(variables.values()))
        if not chosen.mounts and logins:
            refuse_secrets(("the login of a package index",))
        settings = settings_text(
            variables, mounts=chosen.mounts, has_ca_bundle=self.request.ca_bundle is not None
        )
        architecture = (self.spec.platform or "").split("/")[1:2] or [self._architecture(base)]
        program = image_uv.program_for(architecture[0], is_musl=facts.is_musl, cache=self.cache)
        draft = f"{self.request.tag}-draft-{os.getpid()}"
        with tempfile.TemporaryDirectory(prefix="training-image-") as scratch:
            folder = Path(scratch)
            build_context.stage(
                folder,
                lists,
                text=dockerfile_text(layers, mounts=chosen.mounts),
                settings=settings,
                uv=program,
                ca_bundle=self.request.ca_bundle,
            )
            secrets = {SETTINGS_SECRET: settings}
            if self.request.ca_bundle:
                secrets[CA_SECRET] = self.request.ca_bundle.read_text(encoding="utf-8", errors="replace")
            builder.run(
                chosen,
                builder.Build(
                    folder=folder,
                    dockerfile=folder / "Dockerfile",
                    tag=draft,
                    platform=self.spec.platform,
                    secrets=secrets if chosen.mounts else {},
                    is_fresh=bool(self.spec.refresh),
                ),
                self.log,
                self.progress,
                secrets=logins,
            )
        return draft

    def _conda_layer(self, facts: ImageFacts) -> CondaLayer | None:
        image = os.environ.get(MICROMAMBA_VARIABLE) or MICROMAMBA
        layer = conda_layer(self.request, facts, image)
        if layer is not None and facts.conda is None:
            try:
                self._have(image)
            except PermanentError as error:
                raise PermanentError(
                    Reason.IMAGE_PULL_FAILED,
                    f"conda packages are installed by micromamba, which {image} brings, and it cannot be had. Name a "
                    f"copy of it in {MICROMAMBA_VARIABLE}, take a base image that has conda, mamba or micromamba, or "
                    f"ask for the packages as pip_packages.\n{error.message}",
                ) from error
        return layer

    def _indexes(self) -> dict[str, str]:
        given = uv.environment(self.spec, self.request.source)
        return {name: given[name] for name in _INDEXES if given.get(name)}

    def _architecture(self, base: str) -> str:
        return str(self.client.images.get(base).attrs.get("Architecture") or "amd64")

    def _check(self, facts: ImageFacts) -> None:
        if facts.python is None or (self.request.needs_mpi and facts.mpirun is None):
            what = "Python" if facts.python is None else "mpirun"
            raise PermanentError(
                Reason.IMAGE_BUILD_FAILED,
                f"The image was built, but no {what} was found in it.\nThe whole log: {self.log}",
            )

    def _finish(self, draft: str, base: str, base_id: str, facts: ImageFacts) -> Any:
        return image_tags.finish(
            self.client,
            draft,
            self.request.tag,
            digest=self.request.digest,
            facts=facts,
            base=self.request.base if self.request.context is None else str(self.spec.dockerfile),
            base_id=base_id,
            is_draft=draft != base,
        )

    def _pushed(self, image: Any) -> str:
        repository = self.spec.image_repository
        if not repository:
            return str(image.id)
        reference = f"{repository}:{self.request.digest}"
        credentials = registry.credentials_for(reference, self.spec.image_registry)
        image.tag(repository, self.request.digest)
        try:
            return registry.push(self.client, reference, credentials=credentials, progress=self.progress)
        except BaseException:
            # Where images are kept by containerd, whatever has the repository's tag looks like one that was pushed.
            if registry.familiar(reference) != self.request.tag:
                with contextlib.suppress(Exception):
                    self.client.api.remove_image(reference, noprune=True)
            raise
