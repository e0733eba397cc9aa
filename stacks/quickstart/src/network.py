"""A small neural network in plain numpy, and the rule that moves its weights."""

from __future__ import annotations

import numpy as np


class Network:
    """64 pixels -> hidden units (ReLU) -> one score for each digit.

    All weights live in one flat vector, so that ranks can exchange a whole gradient in one message;
    `w1`, `b1`, `w2` and `b2` are windows into that vector.
    """

    def __init__(self, inputs: int, hidden: int, classes: int, seed: int) -> None:
        self.shapes = [(inputs, hidden), (hidden,), (hidden, classes), (classes,)]
        self.weights = np.zeros(sum(int(np.prod(shape)) for shape in self.shapes), dtype=np.float32)
        self.w1, self.b1, self.w2, self.b2 = self._windows(self.weights)
        rng = np.random.default_rng(seed)
        self.w1[:] = rng.normal(0, np.sqrt(2 / inputs), self.w1.shape)  # He et al. 2015, for ReLU
        self.w2[:] = rng.normal(0, np.sqrt(2 / hidden), self.w2.shape)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """One row of scores for each image; the highest one is the network's answer."""
        return np.maximum(images @ self.w1 + self.b1, 0) @ self.w2 + self.b2

    def loss_and_gradient(self, images: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
        """Mean cross-entropy over these images, and its gradient as a vector shaped like `weights`."""
        hidden = np.maximum(images @ self.w1 + self.b1, 0)
        chances = _softmax(hidden @ self.w2 + self.b2)
        rows = np.arange(len(labels))
        loss = -np.log(chances[rows, labels] + 1e-12).mean()

        gradient = np.empty_like(self.weights)
        d_w1, d_b1, d_w2, d_b2 = self._windows(gradient)
        d_scores = chances
        d_scores[rows, labels] -= 1
        d_scores /= len(labels)
        d_w2[:] = hidden.T @ d_scores
        d_b2[:] = d_scores.sum(axis=0)
        d_hidden = (d_scores @ self.w2.T) * (hidden > 0)
        d_w1[:] = images.T @ d_hidden
        d_b1[:] = d_hidden.sum(axis=0)
        return float(loss), gradient

    def _windows(self, vector: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum([np.prod(shape) for shape in self.shapes])[:-1]
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends), self.shapes, strict=True)]


class Momentum:
    """Gradient descent that keeps some of its last direction."""

    def __init__(self, size: int, keep: float = 0.9) -> None:
        self.keep = keep
        self.velocity = np.zeros(size, dtype=np.float32)

    def step(self, weights: np.ndarray, gradient: np.ndarray, learning_rate: float) -> None:
        """Moves `weights` in place."""
        self.velocity *= self.keep
        self.velocity -= learning_rate * gradient
        weights += self.velocity


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
