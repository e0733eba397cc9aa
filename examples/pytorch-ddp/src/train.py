"""Reads handwritten digits with DistributedDataParallel. `env://` finds RANK, WORLD_SIZE and the master by itself."""

import argparse
import csv
import gzip
import os
from pathlib import Path

import torch
import torch.distributed as dist
from azureml.core import Run
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()

torch.manual_seed(0)
dist.init_process_group("gloo", init_method="env://")
rank, size = dist.get_rank(), dist.get_world_size()
run = Run.get_context()

with gzip.open(args.data / "digits.csv.gz", "rt") as stream:
    table = torch.tensor([[float(cell) for cell in row] for row in csv.reader(stream)])
images, labels = table[:, :-1] / 16, table[:, -1].long()
is_test = torch.arange(len(labels)) % 5 == 0
training = TensorDataset(images[~is_test], labels[~is_test])
sampler = DistributedSampler(training, shuffle=True, seed=0)
batches = DataLoader(training, batch_size=32, sampler=sampler)

model = DistributedDataParallel(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
checkpoint = Path("outputs", "checkpoint.pt")
first = 1
if os.environ.get("TRAINING_RESUME_FROM"):
    saved = torch.load(Path(os.environ["TRAINING_RESUME_FROM"], checkpoint.name))
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    first = saved["epoch"] + 1

for epoch in range(first, args.epochs + 1):
    sampler.set_epoch(epoch)
    total = torch.zeros(2)
    for pictures, digits in batches:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(pictures), digits)
        loss.backward()  # gradients of all ranks are averaged here
        optimizer.step()
        total += torch.tensor([loss.item() * len(digits), len(digits)])
    dist.all_reduce(total)
    with torch.no_grad():
        right = (model.module(images[is_test]).argmax(1) == labels[is_test]).float().mean().item()
    if rank == 0:
        run.log("loss", total[0].item() / total[1].item(), step=epoch)
        run.log("accuracy", right, step=epoch)
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}
        torch.save(state, checkpoint.with_suffix(".new"))
        checkpoint.with_suffix(".new").replace(checkpoint)
        print(f"epoch {epoch}: accuracy {right:.4f} with {size} ranks", flush=True)

# Every rank has the same weights, or DistributedDataParallel did not do its work.
weights = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
first_ranks = weights.clone()
dist.broadcast(first_ranks, src=0)
if not torch.equal(weights, first_ranks):
    raise SystemExit(f"rank {rank} has other weights than rank 0")
if rank == 0:
    torch.save(model.module.state_dict(), "outputs/model.pt")
dist.destroy_process_group()
