"""What a list of runs asks of an S3 server: counted where the driver sends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pulumi_training.client.runs import list_runs
from pulumi_training.record.documents import AttemptDocument, RunDocument
from pulumi_training.record.record import Record
from pulumi_training.record.store import Store
from pulumi_training.spec.outcome import Outcome, Reason

RUNS = 24


@pytest.mark.parametrize("bucket", ["s3"], indirect=True)
def test_a_list_takes_three_requests_for_each_run_and_many_at_once(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its document, the names of its attempts, and the newest one's; a folder without an intent is one more."""
    from aiobotocore.httpsession import AIOHTTPSession

    store = Store.open(bucket)
    for number in range(RUNS):
        record = Record(store, f"fit-{number:010d}")
        record.write_run(RunDocument(record.run_id, "fit"))
        attempt = record.start_attempt(AttemptDocument(record.run_id, 1))
        assert attempt is not None
        attempt.update(outcome=Outcome(Reason.COMPLETED))
    store.write("runs/fit-0000000003/attempts/2/ranks/0.json", b"{}")

    sent: Counter[str] = Counter()
    now, most = 0, 0
    send = AIOHTTPSession.send

    async def counted(self: AIOHTTPSession, request: Any) -> Any:
        nonlocal now, most
        sent["list" if "list-type" in request.url else request.method] += 1
        now, most = now + 1, max(most, now + 1)
        try:
            return await send(self, request)
        finally:
            now -= 1

    monkeypatch.setattr(AIOHTTPSession, "send", counted)
    listing = list_runs(bucket)
    assert len(listing.lines) == RUNS and {line.status for line in listing.lines} == {"Completed"}
    assert sent == {"list": RUNS + 1, "GET": 2 * RUNS + 1}
    assert most >= 8
