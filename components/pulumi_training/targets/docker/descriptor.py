"""The Docker target: a container for each node, at a daemon near or far."""

from ..contract.descriptor import Feature, TargetDescriptor

DESCRIPTOR = TargetDescriptor(
    name="docker",
    where="containers of a Docker daemon, near or far, MPI between them: see [Docker](docs/docker.md)",
    state="yes; tested with Docker 20.10 on Linux, GPUs not on real ones",
    target="pulumi_training.targets.docker.target:DockerTarget",
    components="pulumi_training.resources.docker",
    datastore_arguments="pulumi_training.spec.components:DockerDatastoreArgs",
    cluster_arguments="pulumi_training.spec.components:DockerClusterArgs",
    features=frozenset({Feature.IMAGES, Feature.DATA_ON_COMPUTE}),
    extra="docker",
)
