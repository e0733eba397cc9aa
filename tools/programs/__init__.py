"""The programs of others that tests and benchmarks need, each built once for all checkouts from what is pinned here.

A program has a folder in the user's cache that is named after its pins (`go.sum` or a lock file, and the versions in
its recipe): another pin is another folder, and what is there is complete. The pulumi command line is one of them; it lies
where the package looks for it, and is made by `tools/engine`.
"""
