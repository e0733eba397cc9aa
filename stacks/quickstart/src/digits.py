"""The handwritten digits: 1,797 real images of 8 x 8 pixels, read, and split for training and testing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CLASSES = 10
SIDE = 8
BRIGHTEST = 16  # a pixel counts how many dots of a 4 x 4 block of the scan were inked


def load(folder: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Images as rows of 64 numbers between 0 and 1, and the digit that each one shows.

    Reads `digits.csv.gz` or `digits.csv` in `folder`: 64 pixels and the digit on each line. Without a folder,
    takes the copy that scikit-learn brings along. Raises FileNotFoundError for a folder without either file.
    """
    if folder is None:
        # Imported here: with --data the script does not need scikit-learn at all.
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
    else:
        table = np.loadtxt(_table_in(Path(folder)), delimiter=",")
        pixels, labels = table[:, :-1], table[:, -1]
    return (pixels / BRIGHTEST).astype(np.float32), labels.astype(np.int64)


def split(labels: np.ndarray, test_share: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to test on, with the same share of every digit in both.

    Always the same rows, whatever the seed of the training: results of two runs can be compared.
    """
    rng = np.random.default_rng(0)
    train, test = [], []
    for digit in range(CLASSES):
        rows = rng.permutation(np.flatnonzero(labels == digit))
        cut = round(len(rows) * test_share)
        test.append(rows[:cut])
        train.append(rows[cut:])
    # Mixed once more, so that every rank's share holds all the digits.
    return rng.permutation(np.concatenate(train)), rng.permutation(np.concatenate(test))


def moved(images: np.ndarray, rng: np.random.Generator, furthest: float = 0.8) -> np.ndarray:
    """The same images, each one moved by up to `furthest` pixels (at most 1) in a direction of its own.

    A digit stays that digit when it is written a little higher or further left: seeing it moved makes the
    network look at its shape rather than at single pixels.
    """
    padded = np.pad(images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)))
    down, across = rng.uniform(-furthest, furthest, (2, len(images), 1, 1)).astype(np.float32)
    result = np.zeros((len(images), SIDE, SIDE), dtype=np.float32)
    # A move by a part of a pixel is a mean of whole moves, weighted by how near each of them is.
    for i in range(3):
        for j in range(3):
            near = np.maximum(0, 1 - abs(down - i + 1)) * np.maximum(0, 1 - abs(across - j + 1))
            result += near * padded[:, i : i + SIDE, j : j + SIDE]
    return result.reshape(len(images), -1)


def _table_in(folder: Path) -> Path:
    for name in ("digits.csv.gz", "digits.csv"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"no digits.csv.gz or digits.csv in {folder}")
