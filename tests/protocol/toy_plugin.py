"""The plugin as a process, with the toy resource."""

import toy

from pulumi_training.provider.main import main

main(load=toy.handlers)
