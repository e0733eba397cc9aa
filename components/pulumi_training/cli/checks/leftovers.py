"""What crashes left behind: live runs that nobody drives, and stack locks of dead processes."""

from __future__ import annotations

from ...spec.text import count
from ...targets.contract.check import Check, State

_SHOWN = 5


def runs() -> list[Check]:
    """Live runs whose supervisor is gone, in every known workspace."""
    from ...client.runs import list_runs
    from ...spec.outcome import Status

    listing = list_runs(statuses=[status for status in Status if not status.is_terminal])
    lost = [line for line in listing.lines if line.is_attended is False]
    found = [
        Check("Store", State.WARN, f"{place.store}: {place.message}", "check that it can be reached")
        for place in listing.unreadable
    ]
    found += [
        Check("Record", State.WARN, f"{run.run_id} in {run.location} cannot be read", run.message)
        for run in listing.passed_over[:_SHOWN]
    ]
    if len(listing.passed_over) > _SHOWN:
        words = f"{count(len(listing.passed_over) - _SHOWN, 'more record')} that cannot be read"
        found.append(Check("Record", State.WARN, words, "pulumi-training runs list --all"))
    for line in lost[:_SHOWN]:
        found.append(
            Check(
                "Unattended run",
                State.WARN,
                f"{line.run_id} is {line.status} in {line.location}, and the process that drove it is gone",
                f"pulumi up (takes it up again), or pulumi-training cancel {line.run_id}",
            )
        )
    if len(lost) > _SHOWN:
        words = count(len(lost) - _SHOWN, "more unattended run")
        found.append(Check("Unattended run", State.WARN, words, "pulumi-training runs list --all"))
    if lost:
        return found
    live = len(listing.lines)
    words = f"{count(live, 'live run')}, each with a process that drives it" if live else "no run is live"
    return [*found, Check("Runs", State.OK, words)]


def orphans() -> list[Check]:
    """Runs that live and that no stack has; asks Pulumi only where runs live."""
    from ...client import orphans as client
    from ...spec.errors import TrainingError

    try:
        survey = client.survey()
    except TrainingError as error:
        words = f"nobody can tell whether a live run has no stack: {error.message}"
        return [Check("Orphans", State.WARN, words, "pulumi-training orphans, once that is fixed")]
    found = [*survey.orphans, *survey.unknown]
    checks = [
        Check(
            "Orphan",
            State.WARN if not each.is_unknown else State.INFO,
            f"{each.run_id} ({each.what}): {each.why}",
            f"pulumi up of its program (adopts it), or pulumi-training cancel {each.run_id}",
        )
        for each in found[:_SHOWN]
    ]
    if len(found) > _SHOWN:
        words = f"{count(len(found) - _SHOWN, 'more run')} that no stack has"
        checks.append(Check("Orphan", State.WARN, words, "pulumi-training orphans"))
    return checks


def locks() -> list[Check]:
    """Stack locks of a file backend whose process is dead: a killed `pulumi` leaves one."""
    from ...record import backend, stack_files

    here = backend.current()
    folder = here.folder if here else None
    if folder is None:
        return []
    return [
        Check(
            "Stack lock",
            State.WARN,
            f"{lock.project}/{lock.stack} is locked by process {lock.pid}, which is gone; its update may be pending "
            "in state",
            "pulumi cancel, then pulumi up: it adopts the run",
        )
        for lock in stack_files.locks(folder)
        if not lock.is_alive
    ]
