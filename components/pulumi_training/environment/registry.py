"""Images from and to registries: whose credentials, what is told meanwhile, and what a refusal means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..spec.errors import PermanentError
from ..spec.outcome import Reason
from ..spec.text import count

if TYPE_CHECKING:
    from docker import DockerClient

    from ..spec.environment import ImageRegistry

DOCKER_HUB = "docker.io"
_HUB_NAMES = (DOCKER_HUB, "index.docker.io", "registry-1.docker.io")
_REFUSED = re.compile(
    r"unauthorized|authentication required|no basic auth|incorrect username|denied|forbidden|\b40[13]\b", re.I
)
_UNKNOWN = re.compile(r"not found|manifest unknown|name unknown|no such image|does not exist|\b404\b", re.I)
_AMBIGUOUS = re.compile(r"repository does not exist or may require", re.I)
_UNREACHABLE = re.compile(
    r"connection refused|no such host|i/o timeout|timeout|dial tcp|EOF|network is unreachable|TLS handshake|"
    r"server misbehaving|no route to host",
    re.I,
)
_CERTIFICATE = re.compile(r"x509|certificate", re.I)
_PLAIN_HTTP = re.compile(r"server gave HTTP response to HTTPS client", re.I)


class NoSuchImageError(PermanentError):
    """The registry answered, and has no image of that name, or shows it to nobody without a login."""


def host_of(reference: str) -> str:
    """The registry that a reference speaks of; `docker.io` where it names none, or that one by another name."""
    return _bare(_named_host(reference) or DOCKER_HUB)


def qualified(image: str, registry: ImageRegistry | None) -> str:
    """An image that names no registry, as one of the registry given (Azure ML's rule for `image_registry_details`)."""
    if registry is None or not registry.address or _named_host(image):
        return image
    return f"{_bare(registry.address)}/{image}"


def familiar(repository: str) -> str:
    """A repository as Docker tells it: without the name of Docker Hub, and without its `library/`.

    The rule is that of `reference.FamiliarName` in github.com/distribution/reference.
    """
    for host in _HUB_NAMES[:2]:
        repository = repository.removeprefix(f"{host}/")
    folder, _, name = repository.partition("/")
    return name if folder == "library" and "/" not in name else repository


def digest_in(image: Any, repository: str) -> str | None:
    """`repository@sha256:...` of an image on the daemon that was pulled from or pushed to the repository."""
    for reference in image.attrs.get("RepoDigests") or ():
        name, _, digest = str(reference).partition("@")
        if familiar(name) == familiar(repository):
            return f"{repository}@{digest}"
    return None


def split(reference: str) -> tuple[str, str]:
    """The repository and the tag or digest of a reference; `latest` where it names none."""
    name, at, digest = reference.partition("@")
    if at:
        return name, digest
    name, colon, tag = reference.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (reference, "latest")


def credentials_for(reference: str, registry: ImageRegistry | None) -> dict[str, str] | None:
    """What to log in with, where the registry given is the one spoken of; None leaves it to Docker's own config.

    A user without a password is one that an Environment gave on: its password stays with it.
    """
    if registry is None or host_of(reference) != _bare(registry.address):
        return None
    if not registry.username or not registry.password:
        return None
    return {"username": registry.username, "password": registry.password}


def pull(
    client: DockerClient,
    reference: str,
    *,
    credentials: Mapping[str, str] | None,
    platform: str | None,
    progress: Callable[[str], None],
) -> None:
    """Pulls an image. Without credentials Docker's config and its credential helpers are asked.

    Raises:
        NoSuchImageError: `Reason.IMAGE_PULL_FAILED`; there is no such image.
        PermanentError: of the same reason; refused logins and dead registries are told apart.
    """
    repository, tag = split(reference)
    progress(f"Pulling {reference}")
    try:
        stream = client.api.pull(
            repository, tag=tag, stream=True, decode=True, auth_config=_plain(credentials), platform=platform
        )
        _follow(stream, f"Pulling {reference}", progress)
    except _errors() as error:
        raise _failed("pulled", reference, _words(error), credentials) from error


def push(
    client: DockerClient,
    reference: str,
    *,
    credentials: Mapping[str, str] | None,
    progress: Callable[[str], None],
) -> str:
    """Pushes an image under a tag that it has, and returns `repository@sha256:...`, which no later push changes.

    Raises:
        PermanentError: `Reason.IMAGE_BUILD_FAILED` where the registry refuses it: the image was made, and no one
            else can have it.
    """
    repository, tag = split(reference)
    progress(f"Pushing {reference}")
    try:
        stream = _without_limit(client.api).push(
            repository, tag=tag, stream=True, decode=True, auth_config=_plain(credentials)
        )
        digest = _follow(stream, f"Pushing {reference}", progress)
    except _errors() as error:
        raise _failed("pushed", reference, _words(error), credentials) from error
    if digest is None:
        raise _failed("pushed", reference, "the registry named no digest", credentials)
    return f"{repository}@{digest}"


def _without_limit(api: object) -> Any:
    """The same API on the same connections, which waits for each answer as long as it takes.

    While a registry commits a large layer a push says nothing. Pulls and builds of the SDK have no limit of their
    own accord; its pushes have the client's, which other threads go on to use.
    """
    patient = object.__new__(type(api))
    patient.__dict__.update(api.__dict__, timeout=None)
    return patient


class _Refused(Exception):
    """A stream that ended with an error."""


def _errors() -> tuple[type[Exception], ...]:
    import docker.errors
    import requests

    return (_Refused, docker.errors.DockerException, requests.exceptions.RequestException)


def _follow(stream: Iterable[Mapping[str, Any]], what: str, progress: Callable[[str], None]) -> str | None:
    """Tells a line for each change of the sum of all layers; returns the digest that a push ends with."""
    layers: dict[str, tuple[int, int]] = {}
    done: set[str] = set()
    digest = None
    told = ""
    for event in stream:
        if "error" in event or "errorDetail" in event:
            raise _Refused(str(event.get("error") or event["errorDetail"].get("message") or event))
        aux = event.get("aux") or {}
        digest = aux.get("Digest") or digest
        layer, status = event.get("id"), str(event.get("status") or "")
        if not layer or status.startswith("Pulling from"):
            continue
        detail = event.get("progressDetail") or {}
        if status in ("Downloading", "Pushing") and detail.get("total"):
            layers[layer] = (int(detail.get("current") or 0), int(detail["total"]))
        elif status in (
            "Download complete",
            "Already exists",
            "Pull complete",
            "Pushed",
            "Layer already exists",
        ):
            done.add(layer)
            layers[layer] = (layers.get(layer, (0, 0))[1],) * 2
        else:
            layers.setdefault(layer, (0, 0))
        line = _line(what, layers, done)
        if line != told:
            told = line
            progress(line)
    return digest


def _line(what: str, layers: Mapping[str, tuple[int, int]], done: set[str]) -> str:
    current, total = (sum(pair[i] for pair in layers.values()) for i in (0, 1))
    size = f", {current >> 20} of {total >> 20} MiB" if total >= 1 << 20 else ""
    return f"{what}: {len(done)} of {count(len(layers), 'layer')}{size}"


def _failed(verb: str, reference: str, words: str, credentials: Mapping[str, str] | None) -> PermanentError:
    host = host_of(reference)
    who = (
        f"as {credentials['username']!r}"
        if credentials
        else "without a login, or with the one of Docker's config"
    )
    said = _without_names(words, reference)
    kind: type[PermanentError] = PermanentError
    if _PLAIN_HTTP.search(said):
        why = (
            f"the registry {host} speaks plain HTTP; name it under `insecure-registries` of the Docker daemon"
        )
    elif _CERTIFICATE.search(said):
        why = (
            f"the certificate of {host} is not trusted by the Docker daemon; put its authority's certificate into "
            f"/etc/docker/certs.d/{host}/ca.crt on the daemon's machine"
        )
    elif _AMBIGUOUS.search(said) and not credentials:
        kind = NoSuchImageError
        why = "there is no such image, or it is private; check its name, or give imageRegistry a username and password"
    elif _UNKNOWN.search(said):
        kind = NoSuchImageError
        why = "there is no such image or tag; check its name"
    elif _REFUSED.search(said):
        why = (
            f"the registry {host} refused the access {who}; check imageRegistry.username and .password, "
            f"or `docker login {host}`"
        )
    elif _UNREACHABLE.search(said):
        why = f"the registry {host} does not answer the Docker daemon; check the address and the daemon's network"
    else:
        why = f"the registry {host} or the Docker daemon failed"
    reason = Reason.IMAGE_PULL_FAILED if verb == "pulled" else Reason.IMAGE_BUILD_FAILED
    return kind(reason, f"The image {reference} could not be {verb}: {why}.\nIt said: {words}")


def _without_names(words: str, reference: str) -> str:
    """What is said but for the names in it: a digest has any three digits, a repository any word."""
    repository, tag = split(reference)
    host = _named_host(reference) or DOCKER_HUB
    names = (host, repository.removeprefix(f"{host}/"), tag)
    alternatives = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<![\w.-])(?:{alternatives})(?![\w.-])", "_", words)


def _words(error: Exception) -> str:
    explanation = getattr(error, "explanation", None)
    text = explanation.decode("utf-8", "replace") if isinstance(explanation, bytes) else explanation
    return " ".join(str(text or error).split())


def _plain(credentials: Mapping[str, str] | None) -> dict[str, str] | None:
    return dict(credentials) if credentials else None


def _named_host(reference: str) -> str | None:
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else None


def _bare(address: str) -> str:
    """The host of an address; Docker's config calls Docker Hub `https://index.docker.io/v1/`."""
    host = re.sub(r"^[a-z]+://", "", address).strip("/").partition("/")[0]
    return DOCKER_HUB if host in _HUB_NAMES else host
