"""A run's own copy of the source: made at intent from the tree that Check saw, and for a retry from the archive."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..record.attempt import Attempt
from ..record.files import OURS, locked
from ..record.notes import Notes
from ..record.sources import fetch, key_of
from ..record.store import StoreError, explained
from ..spec.errors import PermanentError, TransientError
from ..spec.outcome import Reason
from ..spec.refusals import advice
from .folders import link_folders

if TYPE_CHECKING:
    from ..identity.tree import Tree

_PATIENCE_SECONDS = 600.0


@contextmanager
def alone(attempt: Attempt) -> Iterator[None]:
    """Keeps every other process of this machine from intending or copying for the same run meanwhile.

    Raises:
        TransientError: somebody else is at it for ten minutes.
        StoreError: the folder cannot be written.
    """
    folder = attempt.folder.parent.parent
    try:
        with locked(folder / f"{OURS}intend.lock", timeout=_PATIENCE_SECONDS):
            yield
    except TimeoutError as error:
        raise TransientError(str(error)) from error
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {advice(error)}") from error


def is_copied(attempt: Attempt) -> bool:
    """Whether the copy is whole: its list of files is written last."""
    return (attempt.folder / "code").is_dir() and attempt.store.exists(_manifest_key(attempt))


def copy(attempt: Attempt, tree: Tree) -> None:
    """Copies a tree as it was read into the attempt.

    Raises:
        PermanentError: the source changed meanwhile.
        StoreError: the copy cannot be written.
    """
    from ..identity.copy import copy_tree  # the supervisor, which imports this module, must load fast

    code = attempt.prepare_folder() / "code"
    attempt.keep_room()
    shutil.rmtree(code, ignore_errors=True)
    with explained(code, "the source could not be copied there"):
        copy_tree(tree, code)
        link_folders(code)
    attempt.store.write(_manifest_key(attempt), json.dumps(tree.manifest(), indent=0).encode(), durable=False)


def bring(attempt: Attempt) -> None:
    """Makes sure that the copy is there: one that a crash left out, or a retry's, comes from the archive.

    The archive and not the tree on disk, which may have changed since, nor the copy of the attempt before,
    which its script may have changed.

    Raises:
        PermanentError: there is neither copy nor archive.
    """
    with alone(attempt):
        if is_copied(attempt):
            return
        notes = attempt.document().notes
        digest = notes.tree_digest
        if not digest or not attempt.store.exists(key_of(digest)):
            raise PermanentError(
                Reason.LAUNCH_FAILED,
                "the source was not copied when the run was asked for, and is not archived",
            )
        code = attempt.prepare_folder() / "code"
        attempt.keep_room()
        temporary = attempt.folder / "code.part"
        for left in (code, temporary):
            shutil.rmtree(left, ignore_errors=True)
        with explained(code, "the source could not be unpacked there"):
            fetch(attempt.store, digest, temporary)
            link_folders(temporary)
            temporary.rename(code)
            _keep_environment_of(attempt, notes)
        if not attempt.store.exists(_manifest_key(attempt)):
            attempt.store.write(_manifest_key(attempt), _files_of(attempt, notes), durable=False)


def _keep_environment_of(attempt: Attempt, notes: Notes) -> None:
    """A retry is made of the same files as the attempt before it, not of those that are there now."""
    if notes.retry_of is not None:
        from ..environment.beside import keep_again

        before = Attempt(attempt.store, attempt.run_id, notes.retry_of)
        keep_again(before.folder, attempt.folder)


def _files_of(attempt: Attempt, notes: Notes) -> bytes:
    if notes.retry_of is None:
        return b"{}"
    return attempt.store.read(f"runs/{attempt.run_id}/attempts/{notes.retry_of}/source.json")


def _manifest_key(attempt: Attempt) -> str:
    return f"{attempt.prefix}/source.json"
