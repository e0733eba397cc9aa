"""`google.rpc.Status`, once for the process.

Pulumi's SDK and Google's own packages (gcsfs brings them) each have a generated copy of it, and protobuf refuses
the second one: a plugin with a store at gs:// would not start to read it. Whichever is there first serves both.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_PULUMI = "pulumi.runtime.proto.status_pb2"
_GOOGLE = "google.rpc.status_pb2"


def share() -> ModuleType:
    """The module that has `Status`, under both names from now on."""
    found = sys.modules.get(_GOOGLE) or importlib.import_module(_PULUMI)
    sys.modules[_PULUMI] = sys.modules[_GOOGLE] = found
    return found
