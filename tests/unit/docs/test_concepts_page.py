"""The tables of docs/concepts.md say what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from pulumi_training.spec.outcome import RULES, OnNextUp, Reason, Status

PAGE = (Path(__file__).parents[3] / "docs/concepts.md").read_text()
_WORDS = {OnNextUp.BY_POLICY: "follow `rerun_failed`"}


def test_the_reason_table_is_the_outcome_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (\w+) \| (yes|no) \| ([^|]+) \|$", PAGE, re.MULTILINE)
    expected = [
        (
            reason.value,
            rule.status.value,
            "yes" if rule.is_retryable else "no",
            _WORDS.get(rule.on_next_up, rule.on_next_up.value),
        )
        for reason, rule in RULES.items()
    ]
    assert rows == expected
    assert {row[0] for row in rows} == {reason.value for reason in Reason}


def test_every_status_is_explained() -> None:
    section = PAGE.split("## Status\n")[1].split("## ")[0]
    assert set(re.findall(r"`(\w+)`", section)) == {status.value for status in Status}
