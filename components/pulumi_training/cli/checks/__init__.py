"""What `doctor` looks at: each module checks one thing that a run needs, and says what installs it.

Here: looking, never changing. Not here: printing. May import: what the rest of `cli` may.
"""
