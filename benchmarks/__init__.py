"""Side-by-side measurements: `python -m benchmarks` prints one table of them all.

A module for each figure, with a function `measure(bench) -> list[Figure]`; what they share is in `pairs`
(interleaved rounds), `figure` (bounds and verdicts), `table`, and in the helpers that start a plugin, a
project on the real engine or the bare `mpirun` of a plan. Everything measured really runs.

`python -m benchmarks --against CHECKOUT` measures two checkouts of the repository in turns, each with its own code and in
its own virtual environment, and shows the median of their ratios (`against`, `turns`).
"""
