"""`python -m pulumi_training.schema.write [--check]`: writes schema.json, or says that it is out of date."""

from __future__ import annotations

import sys
from pathlib import Path

from .generate import schema_text

PLACE = Path(__file__).resolve().parents[1] / "schema.json"


def main(arguments: list[str]) -> int:
    """Returns 1 where `--check` finds another text than the models give."""
    text = schema_text()
    if "--check" not in arguments:
        PLACE.write_text(text, encoding="utf-8")
        return 0
    if PLACE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("schema.json is out of date; run `make schema`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
