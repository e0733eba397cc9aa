import asyncio

from pulumi_training.provider.flight import Flight


def test_a_cancel_reaches_what_runs_and_what_joins_it() -> None:
    flight = Flight()
    with flight.call() as running:
        assert flight.cancel()
        with flight.call() as joined:
            assert running.is_set() and joined.is_set()
            assert not joined.is_detached
    with flight.call() as later:
        assert not later.is_set()


def test_a_cancel_while_nothing_runs_reaches_nobody() -> None:
    flight = Flight()
    assert not flight.cancel()
    with flight.call() as later:
        assert not later.is_set()


def test_whoever_begins_after_the_engine_is_gone_is_told_so() -> None:
    flight = Flight()
    flight.detach()
    with flight.call() as late:
        assert late.is_set() and late.is_detached
        assert not asyncio.run(flight.wait_idle(0.01))
    assert asyncio.run(flight.wait_idle(0.01))
