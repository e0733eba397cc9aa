"""The components of programs in other languages than Python, by their type tokens.

A component's class has `from_construct(name, inputs, options)`, which declares the component and returns it; its
`construct_state()` gives the outputs by their wire names. It is found in the components of its target.
"""

from __future__ import annotations

import difflib
from typing import Any

from ..spec.errors import Problem, SpecError

KINDS = ("Workspace", "Datastore", "ComputeCluster")


def component_of(token: str) -> Any:
    """The class of a component by its type token, `training:<target>:<kind>`.

    Raises:
        SpecError: there is none, with the one that may be meant; or its target's package cannot be loaded.
    """
    from ..targets import catalog

    _, target, kind = [*token.split(":"), "", ""][:3]
    is_ours = target in catalog.names()
    if kind in KINDS and (is_ours or catalog.package_of(target)):
        return getattr(catalog.part(catalog.describe(target).components), kind)
    near = difflib.get_close_matches(
        token, [f"training:{name}:{each}" for name in catalog.names() for each in KINDS], 1
    )
    hint = f" Did you mean {near[0]}?" if near else ""
    raise SpecError(Problem("", f"{token} is not a component of this package.{hint}"))
