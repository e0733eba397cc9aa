"""Many who follow documents learn of changes together, and none of them by another's end."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from pulumi_training.driver import stamps
from pulumi_training.driver.stamps import stamp_of


def test_a_stamp_changes_with_the_file_and_is_empty_without_one(tmp_path: Path) -> None:
    path = tmp_path / "attempt.json"

    async def main() -> None:
        assert await stamp_of(path) == ""
        path.write_text("{}")
        first = await stamp_of(path)
        path.with_name("new").write_text("{ }")
        path.with_name("new").replace(path)
        assert first and await stamp_of(path) not in ("", first)

    asyncio.run(main())


def test_a_thousand_ask_in_a_few_visits_of_one_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[str] = []
    look = stamps._stamps

    def counted(paths: set[Path]) -> dict[Path, str]:
        visits.append(threading.current_thread().name)
        return look(paths)

    monkeypatch.setattr(stamps, "_stamps", counted)
    paths = [tmp_path / str(number) for number in range(1000)]
    for path in paths:
        path.touch()

    async def main() -> list[str]:
        return await asyncio.gather(*map(stamp_of, paths))

    assert all(asyncio.run(main())) and len(visits) <= 2 and len(set(visits)) == 1


def test_one_who_goes_takes_no_answer_from_another(tmp_path: Path) -> None:
    path = tmp_path / "attempt.json"
    path.touch()

    async def main() -> str:
        going, staying = asyncio.create_task(_ask()), asyncio.create_task(_ask())
        await asyncio.sleep(0)
        going.cancel()
        return await staying

    async def _ask() -> str:
        return await stamp_of(path)

    assert asyncio.run(main())
