"""A distributed training run as a Pulumi resource."""
