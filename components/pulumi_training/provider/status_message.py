"""`google.rpc.Status`, once for the process.

Pulumi's SDK and Google's own packages (gcsfs brings them) each have a generated copy of it, and protobuf refuses
the second one: a plugin with a store at gs:// would not start to read it. Google's serves both where it is
installed: its other files name it as `google/rpc/status.proto`, and Pulumi's copy calls itself
`google/protobuf/status.proto`. What is loaded already stays.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_PULUMI = "pulumi.runtime.proto.status_pb2"
_GOOGLE = "google.rpc.status_pb2"


def share() -> ModuleType:
    """The module that has `Status`, under both names from now on."""
    found = sys.modules.get(_GOOGLE) or sys.modules.get(_PULUMI) or _load()
    sys.modules[_PULUMI] = sys.modules[_GOOGLE] = found
    return found


def _load() -> ModuleType:
    try:
        return importlib.import_module(_GOOGLE)
    except ModuleNotFoundError:
        return importlib.import_module(_PULUMI)
