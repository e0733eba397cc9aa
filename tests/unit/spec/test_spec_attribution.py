"""Every end that the agent's facts can tell of gets its own name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulumi_training.spec.attribution import LaunchFacts, RankFacts, attribute
from pulumi_training.spec.outcome import Outcome, Reason

NOW = 1_700_000_000.0


def rank(number: int, **facts: Any) -> RankFacts:
    base: dict[str, Any] = {
        "rank": number, "node": number // 2, "state": "exited", "started_at": NOW, "ended_at": NOW + 9,
        "exit_code": 0, "success": True, "log_tail": f"tail of {number}",
    }  # fmt: skip
    return RankFacts.from_json({**base, **facts}, facts.get("log_tail", base["log_tail"]))


def failed(number: int, **facts: Any) -> RankFacts:
    return rank(number, **{"exit_code": 1, "success": False, **facts})


def stopped(number: int, **facts: Any) -> RankFacts:
    return rank(
        number,
        **{"exit_code": None, "signal": "SIGTERM", "success": False, "stopped_by_us": True, **facts},
    )


def lost(number: int, **facts: Any) -> RankFacts:
    return rank(number, **{"exit_code": None, "success": False, "lost": True, **facts})


def launch(why: str | None = None, detail: str = "", **facts: Any) -> LaunchFacts:
    stop = None if why is None else {"why": why, "at": NOW, "rank": None, "detail": detail}
    return LaunchFacts.from_json(
        {"exit_code": 1, "ranks_expected": 4, "launcher_tail": "launcher's words", "stopped": stop, **facts}
    )


def told(launch_facts: LaunchFacts | None, ranks: list[RankFacts]) -> Outcome:
    outcome = attribute(launch_facts, ranks)
    assert outcome.message or outcome.is_success
    assert "None" not in outcome.message
    return outcome


ALL = [rank(r) for r in range(4)]
SURVIVORS = [stopped(0), stopped(2), stopped(3)]


def test_every_rank_succeeded() -> None:
    assert told(launch(exit_code=0), ALL).reason is Reason.COMPLETED


def test_the_launchers_code_does_not_count_where_every_rank_succeeded() -> None:
    assert told(launch(exit_code=1), ALL).reason is Reason.COMPLETED
    assert told(launch(exit_code=None, signal="SIGKILL"), ALL).reason is Reason.COMPLETED
    assert told(launch("cancel"), ALL).reason is Reason.COMPLETED


def test_the_first_failed_rank_is_named() -> None:
    outcome = told(
        launch("rank_failed", first_failed=1),
        [*SURVIVORS, failed(1, exit_code=7, exception="ValueError: no such layer")],
    )
    assert outcome.reason is Reason.SCRIPT_FAILED
    assert (outcome.rank, outcome.node, outcome.exit_code) == (1, 0, 7)
    assert outcome.exception == "ValueError: no such layer" and outcome.log_tail == "tail of 1"
    assert outcome.message == "rank 1 on node 0 exited with code 7: ValueError: no such layer"


def test_the_agents_word_on_who_was_first_counts_more_than_clocks() -> None:
    ranks = [rank(0), rank(1), failed(2, ended_at=NOW + 5), failed(3, ended_at=NOW + 4)]
    assert told(launch("rank_failed", first_failed=2), ranks).rank == 2
    assert told(launch("rank_failed"), ranks).rank == 3


def test_a_signal() -> None:
    outcome = told(
        launch("rank_failed", first_failed=1), [*SURVIVORS, failed(1, exit_code=None, signal="SIGSEGV")]
    )
    assert (outcome.reason, outcome.signal) == (Reason.RANK_SIGNALED, "SIGSEGV")
    assert outcome.message == "rank 1 on node 0 was killed by SIGSEGV"


def test_out_of_memory() -> None:
    killed = failed(3, exit_code=None, signal="SIGKILL", oom=True)
    outcome = told(launch("rank_failed", first_failed=3), [stopped(0), stopped(1), stopped(2), killed])
    assert (outcome.reason, outcome.rank, outcome.node) == (Reason.OUT_OF_MEMORY, 3, 1)


def test_a_kill_that_was_not_for_memory() -> None:
    killed = failed(3, exit_code=None, signal="SIGKILL", oom=False)
    assert told(launch("rank_failed", first_failed=3), [killed]).reason is Reason.RANK_SIGNALED


def test_mpi_abort_is_the_scripts_own_doing() -> None:
    """The launcher ends every rank then, the one that called it among them."""
    words = "MPI_ABORT was invoked on rank 2 in communicator MPI_COMM_WORLD"
    others = [stopped(r, ended_by_launcher=True) for r in (0, 1, 3)]
    for own in (
        failed(2, exit_code=5, ended_by_launcher=True),
        stopped(2, ended_by_launcher=True),
        lost(2, ended_by_launcher=True),
    ):
        outcome = told(launch(exit_code=5, first_failed=2, launcher_tail=words), [*others, own])
        assert (outcome.reason, outcome.rank) == (Reason.SCRIPT_FAILED, 2)
        assert "called MPI_Abort" in outcome.message


def test_mpi_abort_after_an_exception_shows_it() -> None:
    own = stopped(2, ended_by_launcher=True, exception="ValueError: x")
    others = [stopped(r, ended_by_launcher=True) for r in (0, 1, 3)]
    outcome = told(launch(exit_code=1, first_failed=2), [*others, own])
    assert (outcome.reason, outcome.rank) == (Reason.SCRIPT_FAILED, 2)
    assert outcome.message.endswith("ValueError: x")


def test_a_lost_node() -> None:
    outcome = told(
        launch("rank_lost", first_failed=2, lost_nodes=[1]), [stopped(0), stopped(1), lost(2), lost(3)]
    )
    assert (outcome.reason, outcome.node) == (Reason.NODE_LOST, 1)
    assert outcome.details == {"lost_nodes": [1]}


def test_a_lost_node_comes_before_failures_it_caused() -> None:
    ranks = [failed(0, exception="MPI error"), stopped(1), lost(2), lost(3)]
    assert told(launch("rank_lost", first_failed=2, lost_nodes=[1]), ranks).reason is Reason.NODE_LOST


def test_a_failure_comes_before_nodes_that_went_after_it() -> None:
    ranks = [failed(0), stopped(1), lost(2), lost(3)]
    outcome = told(launch("rank_failed", first_failed=0, lost_nodes=[1]), ranks)
    assert (outcome.reason, outcome.rank) == (Reason.SCRIPT_FAILED, 0)


def test_a_rank_that_went_without_a_word_on_a_node_that_lives() -> None:
    outcome = told(launch("rank_lost", first_failed=1), [*SURVIVORS, lost(1)])
    assert (outcome.reason, outcome.rank) == (Reason.RANK_SIGNALED, 1)
    assert "without a word" in outcome.message


def test_a_launcher_that_exits_0_with_a_missing_rank() -> None:
    for missing in ([], [rank(3, state="running", success=False, exit_code=None)]):
        outcome = told(launch(exit_code=0), [rank(0), rank(1), rank(2), *missing])
        assert outcome.reason is Reason.NODE_LOST
        assert outcome.message == "rank 3 never reported an end, though the launcher ended with exit code 0"
        assert outcome.rank == 3 and outcome.log_tail == "launcher's words"


def test_several_missing_ranks() -> None:
    assert told(launch(exit_code=0), [rank(0), rank(1)]).message.startswith("ranks 2, 3 never reported")


@pytest.mark.parametrize("code", [0, 1, 127])
def test_a_launcher_that_ends_before_any_rank_started(code: int) -> None:
    outcome = told(launch(exit_code=code), [])
    assert (outcome.reason, outcome.exit_code) == (Reason.LAUNCH_FAILED, code)
    assert f"exit code {code} before any rank started" in outcome.message
    assert outcome.log_tail == "launcher's words"


def test_a_launcher_that_could_not_be_started() -> None:
    outcome = told(
        launch(exit_code=None, launcher_tail="the launcher could not be started: no such file"), []
    )
    assert outcome.reason is Reason.LAUNCH_FAILED
    assert "no such file" in outcome.log_tail


def test_a_script_that_could_not_be_started_is_no_mistake_of_the_script() -> None:
    words = "the script could not be started: [Errno 2] No such file or directory: '/x/python'"
    outcome = told(launch("rank_failed", first_failed=0), [failed(0, exit_code=127, exception=words)])
    assert (outcome.reason, outcome.rank) == (Reason.LAUNCH_FAILED, 0)
    assert "/x/python" in outcome.message


@pytest.mark.parametrize("why", ["launcher_lost", None])
def test_a_killed_launcher(why: str | None) -> None:
    """Its ranks are stopped by us because of it; that is no lost node, and no failure of the script."""
    facts = launch(why, exit_code=None, signal="SIGKILL")
    for ranks in (
        [stopped(r) for r in range(4)],
        [stopped(0, signal=None, exit_code=0, success=True), stopped(1), stopped(2), stopped(3)],
        [rank(r, stopped_by_us=True) for r in range(4)],
        [stopped(0), stopped(1), stopped(2), rank(3, state="running", success=False, exit_code=None)],
    ):
        outcome = told(facts, ranks)
        assert (outcome.reason, outcome.signal) == (Reason.LAUNCH_FAILED, "SIGKILL")
        assert "the launcher ended with SIGKILL while its ranks ran" in outcome.message


def test_a_launcher_that_ends_its_ranks_of_its_own_accord() -> None:
    ranks = [stopped(r, ended_by_launcher=True) for r in range(4)]
    outcome = told(launch("launcher_lost", first_failed=0), ranks)
    assert outcome.reason is Reason.LAUNCH_FAILED
    assert told(launch(first_failed=0), ranks).reason is Reason.LAUNCH_FAILED


@pytest.mark.parametrize(
    ("why", "reason"),
    [
        ("cancel", Reason.CANCELED),
        ("run_timeout", Reason.RUN_TIMEOUT),
        ("stalled", Reason.STALLED),
        ("start_timeout", Reason.LAUNCH_FAILED),
        ("preempted", Reason.PREEMPTED),
    ],
)
def test_a_stop_of_ours(why: str, reason: Reason) -> None:
    for ranks in (
        [stopped(r) for r in range(4)],
        [rank(r, stopped_by_us=True) for r in range(4)],  # each saved a checkpoint and exited 0
        [stopped(0), lost(1), stopped(2), stopped(3)],
        [rank(0), stopped(1), stopped(2), stopped(3)],
        [],
    ):
        outcome = told(launch(why, "after 5 s"), ranks)
        assert outcome.reason is reason and "(after 5 s)" in outcome.message


def test_a_failure_before_a_stop_is_the_failure() -> None:
    ranks = [stopped(0), failed(1), stopped(2), stopped(3)]
    assert told(launch("cancel", first_failed=1), ranks).reason is Reason.SCRIPT_FAILED


def test_a_failure_after_a_stop_is_the_stop() -> None:
    ranks = [stopped(0), failed(1, stopped_by_us=True), stopped(2), stopped(3)]
    assert told(launch("cancel", first_failed=None), ranks).reason is Reason.CANCELED


@pytest.mark.parametrize("ranks", [[], ALL, [rank(0, state="running", success=False)], SURVIVORS])
def test_an_owner_that_vanished(ranks: list[RankFacts]) -> None:
    assert told(None, ranks).reason is Reason.SUPERVISOR_LOST


def test_facts_of_a_newer_agent_are_read() -> None:
    assert RankFacts.from_json({"rank": 1, "new": "x", "exit_code": None}).rank == 1
    facts = LaunchFacts.from_json({"survivors": [], "ended_at": 5.0})
    assert facts.ended_at == 5.0 and facts.ranks_expected == 1


STATES = st.sampled_from(["waiting", "running", "exited"])
RANKS = st.lists(
    st.builds(
        RankFacts,
        rank=st.integers(0, 3),
        node=st.integers(0, 1),
        state=STATES,
        started_at=st.sampled_from([None, NOW]),
        ended_at=st.sampled_from([None, NOW]),
        exit_code=st.sampled_from([None, 0, 1, 127]),
        signal=st.sampled_from([None, "SIGKILL", "SIGTERM"]),
        success=st.booleans(),
        exception=st.sampled_from([None, "E: x", "the script could not be started: x"]),
        oom=st.sampled_from([None, True, False]),
        stopped_by_us=st.booleans(),
        lost=st.booleans(),
        ended_by_launcher=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda r: r.rank,
)
LAUNCHES = st.none() | st.builds(
    LaunchFacts,
    exit_code=st.sampled_from([None, 0, 1]),
    signal=st.sampled_from([None, "SIGKILL"]),
    stopped_why=st.sampled_from(
        [
            None,
            "cancel",
            "run_timeout",
            "stalled",
            "rank_lost",
            "rank_failed",
            "start_timeout",
            "launcher_lost",
            "?",
        ]
    ),
    ranks_expected=st.integers(1, 4),
    first_failed=st.none() | st.integers(0, 3),
    lost_nodes=st.lists(st.integers(0, 1), unique=True),
    launcher_tail=st.sampled_from(["", "MPI_ABORT was invoked on rank 1"]),
)


@given(LAUNCHES, RANKS)
def test_whatever_the_facts_there_is_a_reason_and_success_is_never_claimed(
    facts: LaunchFacts | None, ranks: list[RankFacts]
) -> None:
    outcome = attribute(facts, ranks)
    assert outcome.message or outcome.is_success
    whole = facts is not None and facts.ranks_expected == sum(
        r.success and not r.stopped_by_us for r in ranks
    )
    assert outcome.is_success is whole
    assert Outcome.from_json(outcome.to_json()) == outcome
    assert outcome.reason.rule.advice or outcome.is_success
    if outcome.rank is not None and facts is not None:
        assert attribute(facts, [replace(r) for r in reversed(ranks)]).reason is outcome.reason
