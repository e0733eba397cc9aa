"""Data and outputs brought from an object store, beside the storage client alone.

The client alone is fsspec's own `get`, by the file system object that ours has: it lists and it copies, with no
checksum, no journal, and files that are in place before they are whole.
"""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pulumi_training import local
from pulumi_training.client.download import download, wanted
from pulumi_training.record.attempt import Attempt
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Outcome, Reason

from .bench import Bench
from .figure import Figure, ratio
from .object_servers import bucket, lacking
from .pairs import Take, interleaved

BOUND = 1.2
SMALL = 2_000
"""Bytes of each of many files."""
MEGABYTE = 1_000_000
COUNT = 2_000
MEGABYTES = 2_000
"""Of the one file."""
NAMES = {"s3": "S3", "azure": "Azure Blob"}

Fetch = Callable[[Path], object]
"""Brings everything below a folder that is not there yet."""


def measure(bench: Bench) -> list[Figure]:
    """Wall time from the call to its answer, the listing included; each round into a new folder."""
    figures = []
    for service in NAMES:
        why = lacking(service)
        if why:
            bench.say(f"downloads: {NAMES[service]} is left out: {why}")
            continue
        place = bench.place("downloads") / service
        with bucket(service, place / "server") as url:
            figures += list(_figures(bench, service, url, place))
        shutil.rmtree(place)
    return figures


def _figures(bench: Bench, service: str, url: str, place: Path) -> Iterator[Figure]:
    import fsspec

    count, megabytes = (COUNT // 10, 200) if bench.is_quick else (COUNT, MEGABYTES)
    many, one = _many(place / "many", count), _one(place / "one", megabytes)
    fs, root = fsspec.core.url_to_fs(url)
    bench.say(f"downloads: {count} files and one of {megabytes} MB go to {NAMES[service]}")
    fs.put(str(many), f"{root}/many", recursive=True)
    fs.put_file(str(one / "0.bin"), f"{root}/one/0.bin")
    data = local.Datastore("data", workspace=local.Workspace("lab"), source=url)
    words = {"many": f"{count} files of 2 KB", "one": f"one file of {megabytes} MB"}
    sizes = {"many": count * SMALL, "one": megabytes * MEGABYTE}
    rounds = {"many": 7, "one": 3}
    store = Store.open(f"{url}/store")
    bare, top = fsspec.core.url_to_fs(f"{url}/store", use_listings_cache=False)
    for kind, folder in (("many", many), ("one", one)):

        def of_data(to: Path, kind: str = kind) -> object:
            return data.download(str(to), kind, show_progress=False)

        yield _figure(
            bench, f"data from {NAMES[service]}: {words[kind]}", of_data, _alone(fs, f"{root}/{kind}", kind),
            place, sizes[kind], rounds[kind],
        )  # fmt: skip
        attempt = _finished(store, f"fit-{kind}", folder)

        def of_run(to: Path, attempt: Attempt = attempt) -> object:
            return download(attempt, wanted(attempt), to)

        yield _figure(
            bench, f"outputs from {NAMES[service]}: {words[kind]}", of_run,
            _alone(bare, f"{top}/{attempt.prefix}/outputs", kind), place, sizes[kind], rounds[kind],
        )  # fmt: skip


def _alone(fs: Any, prefix: str, kind: str) -> Fetch:
    def fetch(to: Path) -> object:
        fs.invalidate_cache()
        if kind == "one":
            to.mkdir()
            return fs.get_file(f"{prefix}/0.bin", str(to / "0.bin"))
        return fs.get(prefix, str(to), recursive=True)

    return fetch


def _figure(
    bench: Bench, name: str, ours: Fetch, alone: Fetch, place: Path, size: int, rounds: int
) -> Figure:
    taken = interleaved(
        {"ours": _take(ours, place, size), "alone": _take(alone, place, size)},
        bench.rounds(rounds),
        warm_up=1,
    )
    return Figure(name, taken["ours"], ratio(BOUND), taken["alone"], "fsspec get")


def _take(fetch: Fetch, place: Path, size: int) -> Take:
    """Counts what came too, and removes it, so that nobody waits for the disk to take what another wrote."""
    numbers = itertools.count()

    def take(_: int) -> float:
        to = place / f"to-{next(numbers)}"
        started = time.perf_counter()
        fetch(to)
        taken = time.perf_counter() - started
        came = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
        if came != size:
            raise RuntimeError(f"{came} of {size} bytes came to {to}")
        shutil.rmtree(to)
        return taken

    return take


def _many(folder: Path, count: int) -> Path:
    for number in range(count):
        file = folder / f"part-{number % 20:02d}" / f"{number}.bin"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(SMALL))
    return folder


def _one(folder: Path, megabytes: int) -> Path:
    folder.mkdir(parents=True)
    with (folder / "0.bin").open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(MEGABYTE))
    return folder


def _finished(store: Store, run_id: str, outputs: Path) -> Attempt:
    """A run that has ended, as another machine finds it: all of it in the store, nothing of it here."""
    owner = {"urn": "", "stack": "dev", "project": "bench"}
    record = Record(store, run_id)
    record.write_run(RunDocument(run_id, run_id, owner, "lab", "v1:00", {}, "sha256:00"))
    attempt = record.start_attempt(AttemptDocument(run_id, 1, target="local"))
    if attempt is None:
        raise RuntimeError(f"{run_id} has an attempt already")
    shutil.rmtree(attempt.folder / "outputs")
    shutil.copytree(outputs, attempt.folder / "outputs")
    attempt.update(started_at=time.time(), ended_at=time.time(), outcome=Outcome(Reason.COMPLETED))
    attempt.write_manifest()
    attempt.sync_all()
    shutil.rmtree(attempt.folder)
    return attempt
