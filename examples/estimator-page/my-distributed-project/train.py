"""Estimates pi on every rank and brings the estimates together by MPI."""

import random
from pathlib import Path

from azureml.core import Run
from mpi4py import MPI

comm = MPI.COMM_WORLD
rank, size = comm.Get_rank(), comm.Get_size()
run = Run.get_context()

dice = random.Random(rank)
inside = total = 0
for round_ in range(1, 11):
    inside += sum(dice.random() ** 2 + dice.random() ** 2 <= 1 for _ in range(20_000))
    total += 20_000
    estimate = 4 * comm.allreduce(inside) / comm.allreduce(total)
    if rank == 0:
        run.log("pi", estimate, step=round_)
        print(f"round {round_}: {size} ranks say pi is {estimate:.5f}", flush=True)

if rank == 0:
    Path("outputs/pi.txt").write_text(f"{estimate}\n")
