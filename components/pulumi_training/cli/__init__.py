"""`pulumi-training`: the command line for runs, one file for each verb.

Here: arguments, tables, exit codes. Deploying is `pulumi`'s own. May import: everything below.
"""
