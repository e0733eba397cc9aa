"""The command line `pulumi-training`, for runs; deploying is `pulumi`'s own.

Here: one file per verb, what is printed, and exit codes. Not here: anything a notebook would want too, which
is `client`'s. Verbs import what they need when they are called, so that `--help` is fast.
May import: `client`, `provider` and below.
"""
