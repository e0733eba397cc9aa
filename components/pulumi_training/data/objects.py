"""Data in an object store, through fsspec: what is there, and bringing single objects over."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from ..spec.errors import PermanentError, Problem, SpecError, TrainingError, TransientError, mask
from ..spec.object_services import EXTRAS, NO_BUCKET, REFUSALS
from ..spec.outcome import Reason
from ..spec.refusals import cause, is_of_this_machine
from ..spec.urls import display, scheme_of, secrets_of
from .references import Place

_MD5 = re.compile(r"^[0-9a-f]{32}$")


class Object(NamedTuple):
    """An object: path relative to the place (empty where that is the object), bytes, mark of its content.

    `md5` is its content's, in hex, where the service tells it. `mark` is that, or another checksum, an ETag,
    or the time of its last change: the best that the service has.
    """

    path: str
    size: int
    mark: str
    md5: str | None


class Objects:
    """The objects at a place. Making one raises `SpecError` where its driver is not installed.

    Every method raises `TransientError` where the service does not answer, and
    `PermanentError(DATA_UNAVAILABLE)` where it refuses.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._fs, self._root = _connect(place)

    def exists(self) -> bool:
        """Whether there is an object or a folder."""
        with self._explained():
            self._fs.invalidate_cache()
            return bool(self._fs.exists(self._root))

    def files(self) -> list[Object]:
        """Every object, sorted by path. Empty where there is none."""
        with self._explained():
            self._fs.invalidate_cache()
            found: dict[str, dict[str, Any]] = self._fs.find(self._root, detail=True)
            if not isinstance(found, dict):  # adlfs, of a single object: its name alone
                found = {name: self._fs.info(name) for name in found}
        root = self._root.strip("/")
        objects = []
        for name, info in found.items():
            relative = name.strip("/")[len(root) :].strip("/")
            if info.get("type", "file") == "file" and not name.endswith("/"):
                objects.append(_object(relative, info))
        return sorted(objects)

    def get(self, path: str, destination: str) -> None:
        """Writes one object to the file `destination`."""
        with self._explained():
            self._fs.get_file(self._at(path), destination)

    def get_all(self, wanted: Sequence[tuple[str, str]]) -> None:
        """As `get`, for pairs of path and destination at once: less work for this machine than one call each.

        Where it raises, some may be there, and some in part.
        """
        with self._explained():
            self._fs.get([self._at(path) for path, _ in wanted], [to for _, to in wanted])

    def put(self, source: str, path: str) -> Object:
        """Puts the file `source` at `path`; the object as the service has it now."""
        with self._explained():
            self._fs.put_file(source, self._at(path))
            self._fs.invalidate_cache()
            return _object(path, self._fs.info(self._at(path)))

    def beside(self) -> tuple[str, str, list[str]]:
        """The nearest place above that is there (shown), the name missing in it, and the names there."""
        parent, wanted = self._root.rstrip("/"), ""
        while "/" in parent.strip("/"):
            parent, _, wanted = parent.rpartition("/")
            try:
                with self._explained():
                    names = self._fs.ls(parent, detail=False)
            except TrainingError:
                continue
            shown = display(self.place.url).split(self._root.strip("/"))[0] + parent.strip("/")
            return shown, wanted, [name.rstrip("/").rpartition("/")[2] for name in names]
        return self.place.display, wanted, []

    def _at(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except TrainingError:
            raise
        except FileNotFoundError as error:
            raise PermanentError(Reason.DATA_UNAVAILABLE, f"{self.place} is not there: {error}") from error
        except (
            Exception
        ) as error:  # each driver has its own family of errors: OSError, ClientError, HttpError, ...
            system = cause(error)
            if system is not None and is_of_this_machine(system):
                raise system from None  # no answer of the store's; whoever asked knows which folder it was for
            words = mask(f"{type(error).__name__}: {error}", secrets_of(self.place.url))
            if any(sign in words.lower() for sign in NO_BUCKET):
                told = f"{self.place} is not there: {words}. Make the bucket or container."
                raise PermanentError(Reason.DATA_UNAVAILABLE, told) from error
            if isinstance(error, PermissionError) or any(sign in words.lower() for sign in REFUSALS):
                raise PermanentError(Reason.DATA_UNAVAILABLE, f"{self.place} refused: {words}") from error
            raise TransientError(f"{self.place} did not answer: {words}") from error


def _connect(place: Place) -> tuple[Any, str]:
    import fsspec

    scheme = scheme_of(place.url)
    try:
        fs, root = fsspec.core.url_to_fs(place.url)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        way = f"`pip install 'pulumi-training[{extra}]'`" if extra else "the fsspec driver for it"
        raise SpecError(Problem("inputs", f"{scheme}:// needs {way} ({error})")) from error
    except (ValueError, TypeError) as error:
        words = mask(str(error), secrets_of(place.url))
        raise SpecError(Problem("inputs", f"{place} is not a place this can read: {words}")) from error
    return fs, str(root)


def _object(path: str, info: dict[str, Any]) -> Object:
    md5 = _md5(info)
    # The ETags of Azure and Google change with metadata too, so a checksum goes first.
    marks = (md5, info.get("crc32c"), info.get("checksum"), info.get("ETag"), info.get("etag"))
    times = (
        _time(info.get(name)) for name in ("mtime", "LastModified", "last_modified", "modified", "created")
    )
    mark = next((str(value) for value in (*marks, *times) if value), "")
    return Object(path, int(info.get("size") or 0), mark.strip('"'), md5)


def _time(value: object) -> Any:
    # A listing may tell as a number what asking for one object tells as a datetime (fsspec's memory does).
    return value.timestamp() if isinstance(value, datetime) else value


def _md5(info: dict[str, Any]) -> str | None:
    """What S3 (single-part ETag), Google (`md5Hash`) and Azure (`content_md5`) tell of the content's MD5."""
    etag = str(info.get("ETag", "")).strip('"').lower()
    settings = info.get("content_settings") or {}  # Azure's prints as a dict and is none
    of_azure = settings.get("content_md5") if isinstance(settings, dict) else settings.content_md5
    told = info.get("md5Hash") or of_azure
    if isinstance(told, (bytes, bytearray)):
        return bytes(told).hex()
    if isinstance(told, str):
        try:
            return base64.b64decode(told, validate=True).hex()
        except ValueError:
            return None
    # A server-side encrypted object's ETag looks the same and is no MD5.
    encrypted = info.get("ServerSideEncryption") not in (None, "", "AES256")
    return etag if _MD5.match(etag) and not encrypted else None
