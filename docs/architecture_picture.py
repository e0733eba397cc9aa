"""The generated parts of docs/architecture.md: the picture of what imports what, and the table of packages.

Both are read from the imports themselves, by grimp, as import-linter reads them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

import grimp

import pulumi_training

PACKAGE = Path(pulumi_training.__file__).parent
Imports = Mapping[str, frozenset[str]]
"""For each package, the packages that it imports."""


def imports_between_packages() -> Imports:
    """The imports between the direct subpackages; the faces and the version, which are single modules, are left out."""
    graph = grimp.build_graph(PACKAGE.name, cache_dir=None)
    names = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    found: dict[str, set[str]] = {name: set() for name in names}
    for module in graph.modules:
        importer = _package_of(module)
        for imported in map(_package_of, graph.find_modules_directly_imported_by(module)):
            if importer in names and imported in names and importer != imported:
                found[importer].add(imported)
    return {name: frozenset(imported) for name, imported in found.items()}


def picture(imports: Imports) -> str:
    """A Mermaid flowchart: an arrow from each package to those it imports, but for what another way leads to as well."""
    lines = ["```mermaid", "flowchart TD"]
    for row in rows(imports):
        lines.append(f"  subgraph row{row[0]}[ ]")
        lines.append("    direction LR")
        lines += [f"    {name}" for name in row]
        lines.append("  end")
    lines += [f"  {name} --> {below}" for name in sorted(imports) for below in _direct(name, imports)]
    return "\n".join([*lines, "```"]) + "\n"


def table(imports: Imports) -> str:
    """A row for each package, from the top: what it is for, by the first line of its charter, and what it imports."""
    lines = ["| package | what it is for | imports |", "|---|---|---|"]
    for name in (name for row in rows(imports) for name in row):
        imported = ", ".join(f"`{each}`" for each in sorted(imports[name])) or "nothing of ours"
        lines.append(f"| `{name}` | {_purpose(name)} | {imported} |")
    return "\n".join(lines) + "\n"


def rows(imports: Imports) -> list[list[str]]:
    """The packages from the top: each stands one row above the highest that it imports.

    Raises:
        ValueError: packages import each other in a circle.
    """
    heights: dict[str, int] = {}

    def height(name: str, above: tuple[str, ...] = ()) -> int:
        if name in above:
            raise ValueError(f"packages import each other: {' > '.join((*above, name))}")
        if name not in heights:
            heights[name] = max((height(below, (*above, name)) + 1 for below in imports[name]), default=0)
        return heights[name]

    top = max(map(height, imports))
    return [sorted(name for name in imports if heights[name] == row) for row in range(top, -1, -1)]


def _direct(name: str, imports: Imports) -> list[str]:
    return sorted(
        below
        for below in imports[name]
        if not any(below in _all_below(other, imports) for other in imports[name])
    )


def _all_below(name: str, imports: Imports) -> set[str]:
    found: set[str] = set()
    waiting: Iterable[str] = imports[name]
    while waiting:
        found.update(waiting)
        waiting = {below for each in waiting for below in imports[each]} - found
    return found


def _package_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def _purpose(name: str) -> str:
    charter = ast.get_docstring(ast.parse((PACKAGE / name / "__init__.py").read_text(encoding="utf-8"))) or ""
    return charter.split("\n\n")[0].replace("\n", " ").rstrip(".")
