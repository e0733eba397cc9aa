"""What programs declare, whatever the target.

Here: `TrainingJob`, `Environment` and what goes with them, as Pulumi resource classes. The components of a target are in
its folder. A program that only declares must start fast: nothing here imports targets, environments, data or records.
May import: `declare` and `spec`.
"""
