"""Brings the pulumi command line where PATH has none, and makes this checkout ready for `pulumi up`.

Belongs here: finding, installing or building one pinned pulumi; the stand-in Python language host beside it;
the shell environment in which a plain `pulumi up` works; the checkout's own stack. Does not belong here:
anything a training run needs. Standard library only, because this runs before any virtual environment exists;
the one exception are `language_host` and `language_program`, files that are copied beside the CLI and started
by a Python that has Pulumi's SDK.
"""
