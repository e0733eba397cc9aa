"""A store's own identity: random, made once, kept in the store, and moved along with it.

Run ids come from names, so two checkouts of one program, or two people's stacks of one name, have equal ones. What a
run has outside of its store (processes, containers, places in a queue) is told apart by this.
"""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path

from ..spec.document import DamagedDocument, check_version, parse_object
from ..spec.errors import TrainingError
from .documents import encode
from .store import NotFound, Store

KEY = "store.json"
_FORM = re.compile(r"[0-9a-f]{32}")
_VERSION = 1


def identity_of(store: Store) -> str | None:
    """The identity of a store, 32 hex digits; None where it has none yet. Writes nothing.

    Raises:
        UnreadableDocument: `store.json` is damaged; the words say what to do.
        TransientError, StoreError: the store does not answer, or refuses.
    """
    where = f"{store.display.rstrip('/')}/{KEY}"
    try:
        data = store.read(KEY)
    except NotFound:
        return None
    document = parse_object(data, where, _REMEDY)
    check_version(document, where, _VERSION, _REMEDY)
    identity = document.get("identity")
    if not isinstance(identity, str) or not _FORM.fullmatch(identity):
        raise DamagedDocument(where, "it has no identity of 32 hex digits", _REMEDY)
    return identity


def ensure_identity(store: Store) -> str:
    """The identity of a store, given to it here where it has none; of two processes that give one, both get the first's.

    Raises:
        StoreError: it has none and cannot be written.
        TrainingError: as `identity_of`.
    """
    found = identity_of(store)
    if found is not None:
        return found
    mine = uuid.uuid4().hex
    document = {"version": _VERSION, "identity": mine, "created_at": time.time()}
    if store.create(KEY, encode(document)):
        return mine
    found = identity_of(store)
    if found is None:
        raise TrainingError(f"{store.display.rstrip('/')}/{KEY} was removed while it was made; try again")
    return found


def place_of(store: Store) -> object:
    """What is equal for two stores that are one place under two names, as by a link."""
    folder = store.local_path("")
    if folder is None:
        return store.url.rstrip("/")
    try:
        found = Path(folder).stat()
    except OSError:
        return str(folder)
    return found.st_dev, found.st_ino


_REMEDY = (
    "Remove the file: the next run gives the store another identity, and the runs that are there keep the one "
    "they were started with"
)
