"""The confusion matrix as a picture: which digit was read as which, and the images that were misread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

CELL = 56
LEFT, TOP = 96, 132
INK, GREY, PAPER = (32, 36, 44), (120, 126, 138), (255, 255, 255)
BLUE, RED = np.array([31, 98, 190]), np.array([205, 62, 52])
TILE, GAP, SHOWN = 64, 18, 14


def draw_confusion(
    path: Path, counts: np.ndarray, images: np.ndarray, labels: np.ndarray, answers: np.ndarray
) -> None:
    """Writes a PNG: the matrix `counts[shown, read]` and, beside it, the first misread images.

    `images` are rows of 64 pixels from 0 to 1, `labels` what they show, `answers` what the network read.
    """
    classes = len(counts)
    matrix = classes * CELL
    wrong = np.flatnonzero(labels != answers)
    canvas = Image.new("RGB", (LEFT + matrix + 60 + 2 * (TILE + 96), TOP + matrix + 40), PAPER)
    draw = ImageDraw.Draw(canvas)

    total, right = int(counts.sum()), int(counts.trace())
    draw.text((LEFT, 24), f"{right} of {total} digits read right ({right / total:.1%})", INK, _font(28))
    draw.text((LEFT + matrix / 2, TOP - 50), "read as", GREY, _font(17), anchor="mm")
    _draw_sideways(canvas, "shown", (34, TOP + matrix // 2))
    for shown in range(classes):
        middle = TOP + shown * CELL + CELL / 2
        draw.text((LEFT - 20, middle), str(shown), INK, _font(20), anchor="mm")
        draw.text((LEFT + shown * CELL + CELL / 2, TOP - 20), str(shown), INK, _font(20), anchor="mm")
        for read in range(classes):
            _draw_cell(draw, counts, shown, read)

    x = LEFT + matrix + 60
    draw.text((x, TOP - 20), "misread" if len(wrong) else "nothing misread", GREY, _font(17), anchor="lm")
    for place, row in enumerate(wrong[:SHOWN]):
        corner = (x + place % 2 * (TILE + 96), TOP + place // 2 * (TILE + GAP))
        canvas.paste(_tile(images[row]), corner)
        draw.text((corner[0] + TILE + 12, corner[1] + 20), f"is {labels[row]}", INK, _font(17), anchor="lm")
        words = f"read {answers[row]}"
        draw.text((corner[0] + TILE + 12, corner[1] + 44), words, tuple(RED), _font(17), anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path, optimize=True)


def _draw_cell(draw: ImageDraw.ImageDraw, counts: np.ndarray, shown: int, read: int) -> None:
    x, y, count = LEFT + read * CELL, TOP + shown * CELL, int(counts[shown, read])
    # Right answers in blue by their share of the row; a single wrong one must already be seen, in red.
    share = count / max(1, counts[shown].sum())
    if shown != read:
        share = min(1.0, 0.25 + 2 * share) if count else 0.0
    colour = np.array([244, 246, 249]) * (1 - share) + (BLUE if shown == read else RED) * share
    draw.rectangle((x + 1, y + 1, x + CELL - 2, y + CELL - 2), tuple(int(part) for part in colour))
    if count:
        ink = PAPER if share > 0.45 else INK
        draw.text((x + CELL / 2, y + CELL / 2), str(count), ink, _font(20), anchor="mm")


def _draw_sideways(canvas: Image.Image, words: str, centre: tuple[int, int]) -> None:
    box = Image.new("RGB", (90, 24), PAPER)
    ImageDraw.Draw(box).text((45, 12), words, GREY, _font(17), anchor="mm")
    canvas.paste(box.rotate(90, expand=True), (centre[0] - 12, centre[1] - 45))


def _tile(pixels: np.ndarray) -> Image.Image:
    side = int(len(pixels) ** 0.5)
    grey = (255 - 255 * pixels.reshape(side, side)).astype(np.uint8)
    return Image.fromarray(grey).resize((TILE, TILE), Image.Resampling.NEAREST)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
