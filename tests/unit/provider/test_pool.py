"""Who waits for whom in the plugin's threads."""

from __future__ import annotations

import asyncio
import threading

from pulumi_training.provider.beginning import AT_ONCE, beginning
from pulumi_training.provider.pool import SIZE, blocking, short


def test_a_question_waits_behind_no_operation() -> None:
    async def main() -> None:
        go_on, busy = threading.Event(), threading.Semaphore(0)

        def operation() -> bool:
            busy.release()
            return go_on.wait(60)

        operations = [asyncio.create_task(blocking(operation)) for _ in range(2 * SIZE)]
        await asyncio.to_thread(lambda: [busy.acquire(timeout=60) for _ in range(SIZE)])
        try:
            with short():
                assert await asyncio.wait_for(blocking(threading.current_thread), 60)
        finally:
            go_on.set()
        assert all(await asyncio.gather(*operations))

    asyncio.run(main())


def test_only_so_many_runs_begin_at_once_on_whichever_loop() -> None:
    async def main() -> int:
        at_once = most = 0

        async def begin() -> None:
            nonlocal at_once, most
            async with beginning():
                at_once += 1
                most = max(most, at_once)
                await asyncio.sleep(0)
                at_once -= 1

        await asyncio.gather(*(begin() for _ in range(10 * AT_ONCE)))
        return most

    assert [asyncio.run(main()) for _ in range(2)] == [AT_ONCE, AT_ONCE]
