"""Takes pictures of a terminal: runs a command in tmux and writes what the screen showed as SVG.

    python docs/pictures/capture.py --folder ~/pulumi-training --live 'creating .*step' \\
        --from 'Updating' --picture docs/pictures/up.svg make up

writes `up.svg`, the last screen that matched `--live`, and `up-done.svg`, the screen at the end. Take it in a
fresh clone at a neutral path: paths are in the picture.
"""

from __future__ import annotations

import argparse
import io
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

_SOCKET = "pictures"
_POLL_SECONDS = 0.1
_END = re.compile(r"^ended with (\d+)$", re.MULTILINE)
_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_THEME = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [(72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34),
     (88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)],
    [(110, 118, 129), (255, 161, 152), (86, 211, 100), (227, 179, 65),
     (121, 192, 255), (210, 168, 255), (86, 212, 221), (240, 246, 252)],
)  # fmt: skip
_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
"""rich's own, without the fonts that it fetches from the network."""


def main() -> int:
    """Runs the command and writes the pictures; returns its exit code."""
    options = _parser().parse_args()
    command = shlex.join(options.command)
    live, done, code = watch(command, options.folder, options.live, options.columns)
    last = options.picture.with_name(f"{options.picture.stem}-done.svg")
    for path, screen in ((options.picture, live), (last, done)):
        if screen:
            path.write_text(svg(part_of(screen, options.start), options.columns, command), encoding="utf-8")
    return code


def watch(command: str, folder: Path, live: str, columns: int) -> tuple[str, str, int]:
    """The last screen that matched `live`, the screen at the end, and the exit code. Screens keep their colours."""
    _tmux(
        "-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", "60", "-c", str(folder),
        "env COLORTERM=truecolor PS1='$ ' bash --norc",
    )  # fmt: skip
    try:
        _tmux("set", "status", "off")
        time.sleep(0.5)  # for the prompt
        _tmux("send-keys", f"clear; {command}; echo ended with $?", "Enter")
        seen = ""
        while True:
            screen = _tmux("capture-pane", "-e", "-p")
            plain = _ESCAPES.sub("", screen)
            if re.search(live, plain):
                seen = screen
            ended = _END.search(plain)
            if ended:
                return seen, screen, int(ended[1])
            time.sleep(_POLL_SECONDS)
    finally:
        _tmux("kill-server")


def part_of(screen: str, start: str) -> str:
    """The screen from the last line that matches `start` to the end of what the command wrote."""
    lines = screen.rstrip().splitlines()
    plain = [_ESCAPES.sub("", line) for line in lines]
    first = max((n for n, line in enumerate(plain) if re.search(start, line)), default=0)
    last = next((n for n, line in enumerate(plain) if _END.match(line)), len(lines))
    return "\n".join(lines[first:last]).rstrip()


def svg(screen: str, columns: int, title: str) -> str:
    """The screen as SVG."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen))
    return console.export_svg(title=title, theme=_THEME, code_format=_FORMAT, unique_id="terminal")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path(), help="where the command runs")
    parser.add_argument("--live", default=".", help="regular expression of the screen to keep")
    parser.add_argument("--from", dest="start", default="^", help="the first line to show")
    parser.add_argument("--columns", type=int, default=120, help="how wide the terminal is")
    parser.add_argument("--picture", type=Path, required=True, help="the SVG file to write")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    return parser


def _tmux(*words: str) -> str:
    return subprocess.run(
        ["tmux", "-L", _SOCKET, *words], check=True, capture_output=True, text=True, encoding="utf-8"
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
