"""What programs declare.

Here: `TrainingJob`, `Environment` and the components of each target, as Pulumi resource classes. A program that
only declares must start fast: nothing here imports targets, environments, data or records. May import: `spec`.
"""
