import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.provider.progress import LINE_LIMIT, CallProgress, EngineLog, clean, one_line


class Recorder(EngineLog):
    """Keeps what would be sent, with the loop's time."""

    def __init__(self) -> None:
        super().__init__(None)
        self.sent: list[tuple[float, str, bool]] = []

    async def send(self, text: str, *, urn: str, severity: Any = 0, ephemeral: bool = False) -> bool:
        self.sent.append((asyncio.get_running_loop().time(), text, ephemeral))
        return True

    @property
    def texts(self) -> list[str]:
        return [text for _, text, _ in self.sent]


def run(work: Callable[[CallProgress], Awaitable[None]], **options: Any) -> Recorder:
    recorder = Recorder()

    async def main() -> None:
        progress = CallProgress(recorder, "urn:x", **options)
        await work(progress)
        await progress.finish()

    asyncio.run(main())
    return recorder


def test_the_first_line_is_shown_at_once_and_the_last_always() -> None:
    async def work(progress: CallProgress) -> None:
        for number in range(50):
            progress.line(f"line {number}")
            await asyncio.sleep(0.01)

    recorder = run(work, every=0.2)
    assert recorder.texts[0] == "line 0" and recorder.texts[-1] == "line 49"
    times = [time for time, _, _ in recorder.sent]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times[:-1])]
    assert len(recorder.sent) <= 5 and all(pause >= 0.19 for pause in pauses)


def test_a_silent_operation_repeats_its_line_with_the_time() -> None:
    async def work(progress: CallProgress) -> None:
        await asyncio.sleep(0.25)
        progress.line("epoch 1")
        await asyncio.sleep(0.5)

    recorder = run(work, every=0.01, heartbeat=0.2)
    assert recorder.texts[0] == "still working (0 s)"
    assert "epoch 1" in recorder.texts and "epoch 1 (0 s)" in recorder.texts


def test_an_equal_line_is_not_sent_again_and_durable_lines_do_not_wait() -> None:
    async def work(progress: CallProgress) -> None:
        for _ in range(5):
            progress.line("same")
            await asyncio.sleep(0.03)
        progress.line("waits for its second")
        progress.info("first\nof two")
        await asyncio.sleep(0.05)
        assert recorder_of(progress).texts == ["same", "first\nof two"]

    def recorder_of(progress: CallProgress) -> Recorder:
        log = progress._log
        assert isinstance(log, Recorder)
        return log

    recorder = run(work, every=1.0)
    assert recorder.texts == ["same", "first\nof two", "waits for its second"]
    assert [ephemeral for _, _, ephemeral in recorder.sent] == [True, False, True]


def test_any_thread_may_report_also_after_the_end() -> None:
    kept: list[CallProgress] = []

    async def work(progress: CallProgress) -> None:
        kept.append(progress)
        thread = threading.Thread(target=lambda: [progress.info(f"info {n}") for n in range(20)])
        thread.start()
        await asyncio.to_thread(thread.join)

    recorder = run(work)
    assert recorder.texts == [f"info {n}" for n in range(20)]
    kept[0].line("too late")
    kept[0].warning("too late")


def test_a_secret_at_the_cut_does_not_show() -> None:
    secret = "s3cr3t-s3cr3t-s3cr3t"

    async def work(progress: CallProgress) -> None:
        progress.line("x" * (LINE_LIMIT - 10) + secret)

    (text,) = run(work, secrets=(secret,)).texts
    assert len(text) <= LINE_LIMIT and "s3cr" not in text


@given(st.text())
def test_a_line_has_no_control_characters_and_fits(text: str) -> None:
    line = one_line(text)
    assert len(line) <= LINE_LIMIT
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[1;32mok\x1b[0m done", "ok done"),
        ("10%\r20%\r30%", "10% 20% 30%"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb\x00c", "a\\u202eb\\x00c"),
        ("épöch 日本", "épöch 日本"),
    ],
)
def test_terminal_escapes_are_taken_out(raw: str, shown: str) -> None:
    assert one_line(raw) == shown
    assert "\x1b" not in clean(raw)
