"""Takes one run through a target: intend, prepare, submit or adopt, watch, retry, collect, settle.

Here: the order of those steps, and the processes that carry them out (the supervisor; whoever attaches). Not
here: how a target does its part, nor Pulumi's protocol. May import: `targets` and below.
"""
