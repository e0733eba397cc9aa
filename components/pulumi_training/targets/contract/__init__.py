"""What every target keeps and the driver counts on, and what is known of one before anything of it is loaded.

Here: the contract (`target`), its words (`run`, `plan`, `handle`, `observation`), the capability mix-ins, and the
descriptor of a target. Not here: any target. May import: what `targets` may.
"""
