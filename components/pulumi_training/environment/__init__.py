"""How the software of a run is made.

Here: uv virtual environments by digest, conda packages by py-rattler, and (with the targets that need them)
Dockerfile text, image builds and pushes. Not here: where it will run.
May import: `identity`, `launch`, `spec`.
"""
