"""The signatures and sentinels of Pulumi's wire format.

Source: `pulumi.runtime.rpc` (its private names; a test compares them) and the engine's marshaller.
"""

from __future__ import annotations

from typing import Final

SIGNATURE_KEY: Final = "4dabf18193072939515e22adb298388d"
"""The key of a struct that says what the struct stands for."""

SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
RESOURCE: Final = "5cf8f73096256a8f31e491e813e4eb8e"
OUTPUT: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

UNKNOWN_BOOL: Final = "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7"
UNKNOWN_NUMBER: Final = "3eeb2bf0-c639-47a8-9e75-3b44932eb421"
UNKNOWN_STRING: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
UNKNOWN_ARRAY: Final = "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"
UNKNOWN_ASSET: Final = "030794c1-ac77-496b-92df-f27374a8bd58"
UNKNOWN_ARCHIVE: Final = "e48ece36-62e2-4504-bad9-02848725956a"
UNKNOWN_OBJECT: Final = "dd056dcd-154b-4c76-9bd3-c8f88648b5ff"

UNKNOWNS: Final = frozenset(
    {
        UNKNOWN_BOOL,
        UNKNOWN_NUMBER,
        UNKNOWN_STRING,
        UNKNOWN_ARRAY,
        UNKNOWN_ASSET,
        UNKNOWN_ARCHIVE,
        UNKNOWN_OBJECT,
    }
)
"""A string equal to one of these is a value that is not known yet; it appears in preview only."""
