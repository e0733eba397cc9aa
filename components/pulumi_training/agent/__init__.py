"""What runs beside the user's script.

Here: the exec server of a node (`agent node`), the owner of one launch (`agent run`) and the wrapper of one
rank (`agent rank`). It records facts and decides nothing: reasons are computed from its facts in `spec`.
Standard library only, Python 3.8 or later; it imports nothing of this package, and is imported only to be
shipped, save for what hides secrets (`forms`, `mask`): texts of messages and records are masked by the same rule as logs.
"""
