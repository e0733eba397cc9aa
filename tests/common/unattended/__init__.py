"""A service that owns runs, for tests: a server in another process, and the target that speaks to it.

`server` keeps attempts in a folder of its own and really runs them (`agent run`); `target` keeps the contract over
loopback HTTP and holds nothing between two calls; `service` starts and stops a server, and has the hands that break it.
"""
