from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.cli.text import ago, duration, metrics, size
from pulumi_training.spec.text import last_redraw, safe, safe_log


@given(st.text())
def test_no_text_steers_a_terminal(text: str) -> None:
    for cleaned, allowed in ((safe(text), "\t"), (safe_log(text), "\t\n\r")):
        assert all(c in allowed or (ord(c) >= 32 and not 0x7F <= ord(c) <= 0x9F) for c in cleaned)
    assert "\n" not in safe(text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\x1b]8;;http://evil\x07link\x1b]8;;\x07b", "alinkb"),
        ("a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
        ("\x1bPq#0\x1b\\x", "x"),
        ("\x1bc\x1b(Bx", "x"),
        ("bell\x07", "bell\\x07"),
        ("cut \x1b[31", "cut 31"),
        ("cut \x1b", "cut \\x1b"),
        ("two\nlines", "two lines"),
        ("caf\u00e9 \u4f60\u597d [bold]", "caf\u00e9 \u4f60\u597d [bold]"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_escape_sequences_go_and_words_stay(text: str, cleaned: str) -> None:
    assert safe(text) == cleaned


@pytest.mark.parametrize(
    ("line", "shown"),
    [("1%\r50%\r100%", "100%"), ("1%\r50%\r", "50%"), ("plain", "plain"), ("\r\r", "")],
)
def test_a_progress_bar_shows_its_last_state(line: str, shown: str) -> None:
    assert last_redraw(line) == shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "-"),
        (0, "0.0 s"),
        (9.96, "10 s"),
        (59.6, "1m 00s"),
        (65, "1m 05s"),
        (3599.6, "1h 00m"),
        (90061, "1d 01h"),
    ],
)
def test_durations(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("at", "words"),
    [
        (None, "-"),
        (1000, "just now"),
        (2000, "just now"),
        (970, "30 s ago"),
        (700, "5 min ago"),
        (1000 - 7200, "2 h ago"),
        (1000 - 86400, "1 day ago"),
        (1000 - 3 * 86400, "3 days ago"),
    ],
)
def test_times_ago(at: float | None, words: str) -> None:
    assert ago(at, now=1000) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (20 << 20, "20 MiB"), (3 << 50, "3072 TiB")],
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words


def test_metrics_are_cut() -> None:
    assert metrics({"a": 0.96111, "b": 12.0, "c": 1e-5, "d": 1.0}) == "a 0.9611  b 12  c 1e-05  …"
    assert metrics({}) == ""
