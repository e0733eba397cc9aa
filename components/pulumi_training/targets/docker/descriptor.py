"""The Docker target: a container for each node, at a daemon near or far."""

from ..contract.descriptor import Feature, TargetDescriptor

DESCRIPTOR = TargetDescriptor(
    name="docker",
    where="containers of a Docker daemon, near or far, MPI between them: see [Docker](docs/docker.md)",
    state="yes; tested with Docker 20.10 on Linux, GPUs not on real ones",
    target="pulumi_training.targets.docker.target:DockerTarget",
    components="pulumi_training.targets.docker.components",
    datastore_arguments="pulumi_training.targets.docker.arguments:DockerDatastoreArgs",
    cluster_arguments="pulumi_training.targets.docker.arguments:DockerClusterArgs",
    settings="pulumi_training.targets.docker.settings:DockerSettings",
    environment="pulumi_training.targets.docker.environment:ImageMaker",
    doctor="pulumi_training.targets.docker.doctor:docker",
    features=frozenset({Feature.IMAGES, Feature.DATA_ON_COMPUTE}),
    extra="docker",
)
