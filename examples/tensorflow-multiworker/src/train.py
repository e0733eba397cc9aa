"""Reads handwritten digits with MultiWorkerMirroredStrategy, which finds its workers in TF_CONFIG."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--epochs", type=int, default=8)
args = parser.parse_args()

strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow
place = json.loads(os.environ["TF_CONFIG"])["task"]
is_chief = place["index"] == 0
run = Run.get_context()

table = np.loadtxt(args.data / "digits.csv.gz", delimiter=",", dtype="float32")
images, labels = table[:, :-1] / 16, table[:, -1].astype("int64")
is_test = np.arange(len(labels)) % 5 == 0

BATCH = 64 * strategy.num_replicas_in_sync
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
pairs = tf.data.Dataset.from_tensor_slices((images[~is_test], labels[~is_test]))
batches = strategy.experimental_distribute_dataset(
    pairs.shuffle(2000, seed=0).batch(BATCH, drop_remainder=True).with_options(options)
)

with strategy.scope():
    weights = [
        tf.Variable(tf.random.stateless_normal(shape, seed=(0, row), stddev=0.1))
        for row, shape in enumerate([(64, 64), (64,), (64, 10), (10,)])
    ]


def answers(pictures):
    hidden = tf.nn.relu(pictures @ weights[0] + weights[1])
    return hidden @ weights[2] + weights[3]


@tf.function
def step(pictures, digits):
    def one(pictures, digits):
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(digits, answers(pictures))
            loss = tf.reduce_sum(losses) / BATCH
        gradients = tape.gradient(loss, weights)
        # The sum over all workers: each has divided by the whole batch.
        gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        for weight, gradient in zip(weights, gradients):  # noqa: B905
            weight.assign_sub(0.5 * gradient)
        return loss

    return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(one, (pictures, digits)), axis=None)


writer = tf.summary.create_file_writer(f"logs/{place['type']}-{place['index']}")
for epoch in range(1, args.epochs + 1):
    losses = [float(step(pictures, digits)) for pictures, digits in batches]
    accuracy = float(np.mean(np.argmax(answers(images[is_test]), axis=1) == labels[is_test]))
    with writer.as_default(step=epoch):
        tf.summary.scalar("loss", np.mean(losses))
    writer.flush()
    if is_chief:
        run.log("loss", float(np.mean(losses)), step=epoch)
        run.log("accuracy", accuracy, step=epoch)
        workers = strategy.num_replicas_in_sync
        print(f"epoch {epoch}: accuracy {accuracy:.4f} with {workers} workers", flush=True)

if is_chief:
    np.savez("outputs/model.npz", *[weight.numpy() for weight in weights])
