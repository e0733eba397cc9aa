from __future__ import annotations

from pulumi_training.provider.training_job_outputs import closing_line
from pulumi_training.record.documents import AttemptDocument


def test_the_closing_line_has_the_time_and_the_last_metrics() -> None:
    document = AttemptDocument(
        "fit-1", 1, started_at=10.0, ended_at=14.4, metrics={"loss": 0.25, "accuracy": 0.96}
    )
    words = closing_line(document)
    assert [part for part in ("4 s", "loss 0.25", "accuracy 0.96") if part not in words] == []
