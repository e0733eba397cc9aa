"""Stores that share one identity: copies, whose runs could take each other's processes and containers for their own."""

from __future__ import annotations

from ...targets.contract.check import Check, State


def copies() -> list[Check]:
    """The stores known to this machine that have one identity and are two places; and damaged identities."""
    from ...client.places import places
    from ...record.store import StoreError
    from ...record.store_identity import KEY, identity_of, place_of
    from ...spec.errors import TrainingError, TransientError

    found: list[Check] = []
    paths: dict[str, dict[object, str]] = {}
    for place in places().found:
        try:
            identity = identity_of(place.store)
        except (TransientError, StoreError):
            continue  # the list of runs names it
        except TrainingError as error:
            found.append(Check("Store", State.WARN, error.message))
            continue
        if identity is not None:
            paths.setdefault(identity, {}).setdefault(place_of(place.store), place.store.display)
    for same in paths.values():
        if len(same) > 1:
            found.append(_shared(sorted(same.values()), KEY))
    return found


def _shared(stores: list[str], key: str) -> Check:
    names = " and ".join([", ".join(stores[:-1]), stores[-1]])
    return Check(
        "Store",
        State.WARN,
        f"{names} have one identity: all but one of them are copies, and their runs have the same names at the target",
        f"remove {key} from each copy, whose next run gives it an identity of its own; keep it where runs go on. Two "
        "names of one place: use one of them",
    )
