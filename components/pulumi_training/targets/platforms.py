"""Platforms as images name theirs, and this machine's."""

from __future__ import annotations

import platform

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}


def this_platform() -> str:
    """This machine's platform as images name theirs: `linux/amd64`."""
    return normal_platform(f"{platform.system()}/{platform.machine()}")


def normal_platform(text: str) -> str:
    """A platform with one spelling for what means the same: `linux/x86_64` and `linux/amd64`, `linux/arm64/v8` too."""
    system, _, rest = text.strip().lower().partition("/")
    machine, _, variant = rest.partition("/")
    machine = _MACHINES.get(machine, machine)
    if (machine, variant) in (("arm64", "v8"), ("arm", "v7")):
        variant = ""
    return "/".join(filter(None, (system, machine, variant)))
