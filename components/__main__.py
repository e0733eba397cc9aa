"""Runs the plugin from its folder: `python components ENGINE_ADDRESS`, as Pulumi's Python host does."""

from pulumi_training.provider.main import main

if __name__ == "__main__":
    main()
