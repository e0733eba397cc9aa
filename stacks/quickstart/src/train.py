"""Trains a digit reader on many processes at once.

Every process ("rank") has the whole network and its own share of the images. For each step a rank works out
the gradient of its own images, all ranks average their gradients (allreduce), and all take the same step:
the networks stay equal, and each of N ranks does one Nth of the work.

    python train.py                          one process
    mpirun -n 4 python -m mpi4py train.py    four; -m mpi4py ends them all when one of them fails
"""

from __future__ import annotations

import argparse
import math
import signal
import sys
import time

import digits
import numpy as np
from mpi4py import MPI
from network import Momentum, Network
from picture import draw_confusion
from report import OUTPUTS, Report, load_checkpoint, save

WORLD = MPI.COMM_WORLD
RANK, RANKS = WORLD.Get_rank(), WORLD.Get_size()
STOPPED = 128 + signal.SIGTERM  # the shells' exit code for "ended by SIGTERM": stopped is not finished


def main() -> None:
    args = parse_arguments()
    stop = StopRequest()

    # The data: rank 0 reads it, every rank takes its share.
    images, labels = WORLD.bcast(digits.load(args.data) if RANK == 0 else None)
    train_rows, test_rows = digits.split(labels)
    mine = train_rows[RANK::RANKS]

    # The network: the same on every rank, because the seed is.
    network = Network(images.shape[1], args.hidden, digits.CLASSES, args.seed)
    momentum = Momentum(network.weights.size)
    done = resume(network, momentum)

    # All ranks take the same number of steps in an epoch, for in each step they wait for each other.
    steps = args.copies * max(1, min(math.ceil(len(train_rows) / args.batch_size), len(train_rows) // RANKS))
    report = Report(RANK)
    if RANK == 0:
        print(f"{RANKS} rank(s), {len(train_rows)} images to train on, {len(test_rows)} held out", flush=True)

    for epoch in range(done + 1, args.epochs + 1):
        started = time.perf_counter()
        learning_rate = args.learning_rate * (1 + math.cos(math.pi * (epoch - 1) / args.epochs)) / 2
        # Seeded by the epoch too: a resumed run sees the same images as an unbroken one would have.
        rng = np.random.default_rng([args.seed, epoch, RANK])
        order = np.concatenate([rng.permutation(mine) for _ in range(args.copies)])
        loss = 0.0
        for rows in np.array_split(order, steps):
            batch_loss, gradient = network.loss_and_gradient(digits.moved(images[rows], rng), labels[rows])
            WORLD.Allreduce(MPI.IN_PLACE, gradient)  # now the sum of all ranks' gradients ...
            momentum.step(network.weights, gradient / RANKS, learning_rate)  # ... and here their mean
            loss += batch_loss / steps
        report.epoch(
            epoch,
            args.epochs,
            loss=WORLD.allreduce(loss) / RANKS,
            accuracy=accuracy(test(network, images, labels, test_rows)),
            learning_rate=learning_rate,
            seconds=time.perf_counter() - started,
        )
        if RANK == 0:
            save("checkpoint.npz", weights=network.weights, velocity=momentum.velocity, epoch=epoch)
        if epoch < args.epochs and WORLD.allreduce(stop.was_asked, MPI.LOR):
            report.close()
            leave_early(epoch)

    confusion = test(network, images, labels, test_rows)
    if done >= args.epochs:  # the earlier attempt had only its results left to write
        report.epoch(done, args.epochs, accuracy=accuracy(confusion))
    if RANK == 0:
        save("model.npz", w1=network.w1, b1=network.b1, w2=network.w2, b2=network.b2)
        answers = network.scores(images[test_rows]).argmax(axis=1)
        draw_confusion(OUTPUTS / "confusion.png", confusion, images[test_rows], labels[test_rows], answers)
        print(f"accuracy {accuracy(confusion):.4f} on {confusion.sum()} held-out images", flush=True)
    report.close()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains a digit reader on many processes at once.")
    parser.add_argument("--data", help="folder with digits.csv.gz; scikit-learn's own copy if not given")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=0.1, help="of the first epoch; then it falls")
    parser.add_argument("--hidden", type=int, default=256, help="units in the hidden layer")
    parser.add_argument("--batch-size", type=int, default=64, help="images in a step, all ranks together")
    parser.add_argument("--copies", type=int, default=4, help="times an epoch shows each image, moved a bit")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if min(args.epochs, args.hidden, args.batch_size, args.copies) < 1 or args.seed < 0:
        parser.error("--epochs, --hidden, --batch-size and --copies start at 1, --seed at 0")
    return args


def test(network: Network, images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Counts of (digit shown, digit read) over the held-out images; every rank looks at its share of them."""
    mine = rows[RANK::RANKS]
    answers = network.scores(images[mine]).argmax(axis=1)
    counts = np.zeros((digits.CLASSES, digits.CLASSES), dtype=np.int64)
    np.add.at(counts, (labels[mine], answers), 1)
    WORLD.Allreduce(MPI.IN_PLACE, counts)
    return counts


def accuracy(confusion: np.ndarray) -> float:
    """The share of images that were read as what they show."""
    return float(confusion.trace() / confusion.sum())


def resume(network: Network, momentum: Momentum) -> int:
    """Takes up the checkpoint of an earlier attempt, if there is one; returns the epochs already done."""
    checkpoint = WORLD.bcast(load_checkpoint() if RANK == 0 else None)
    if checkpoint is None:
        return 0
    network.weights[:], momentum.velocity[:] = checkpoint["weights"], checkpoint["velocity"]
    if RANK == 0:  # for the attempt after this one, should this one end before its first epoch does
        save("checkpoint.npz", **checkpoint)
    return int(checkpoint["epoch"])


class StopRequest:
    """Hears SIGTERM, which asks the script to end soon: it finishes the epoch and leaves its checkpoint."""

    def __init__(self) -> None:
        self.was_asked = False
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, *_: object) -> None:
        self.was_asked = True


def leave_early(epoch: int) -> None:
    """Ends this rank together with all the others."""
    if RANK == 0:
        print(f"stopped after epoch {epoch}; the checkpoint is in {OUTPUTS}", flush=True)
    MPI.Finalize()  # waits for the other ranks; leaving without it would cut them short
    sys.exit(STOPPED)


if __name__ == "__main__":
    main()
