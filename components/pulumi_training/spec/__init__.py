"""What a run is, as data, and what may be said of it.

Here: the models of everything a job takes, their validation, the table of outcomes, the error tree, the
flattening of script parameters, and the generation of `schema.json`. Not here: anything that reads a file,
opens a socket, starts a process or asks the clock. May import: pydantic and the standard library.
"""
