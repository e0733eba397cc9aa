"""What every target keeps, and what is known of one before anything of it is loaded.

Here: the descriptor of a target. Not here: any target. May import: what `targets` may.
"""
