"""What builders, registries and probes say, understood: steps, failures, refusals, facts."""

from __future__ import annotations

import pytest

from pulumi_training.environment import registry
from pulumi_training.environment.builder_steps import BuildKitSteps, ClassicSteps
from pulumi_training.environment.image_probe import ImageFacts, demand, read_answer
from pulumi_training.spec.environment import ImageRegistry
from pulumi_training.spec.errors import PermanentError

BUILDKIT = """#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [1/3] FROM docker.io/library/base
#4 CACHED
#5 [stage-1 2/3] RUN --mount=type=bind,source=a,target=/a     . /a && uv pip install numpy
#5 0.312 Resolved 1 package in 153ms
#5 0.500 Downloading numpy (16.1MiB)
#5 DONE 3.1s
#6 [stage-1 3/3] RUN make it
#6 0.100 making
#6 0.200 no rule to make it
#6 ERROR: process "/bin/sh -c make it" did not complete successfully: exit code: 2
------
 > [stage-1 3/3] RUN make it:
0.200 no rule to make it
------
ERROR: failed to solve: process "/bin/sh -c make it" did not complete successfully: exit code: 2
"""


def test_buildkits_plain_progress() -> None:
    said: list[str] = []
    steps = BuildKitSteps(said.append)
    for line in BUILDKIT.splitlines():
        steps.take(line)
    assert said == [
        "Building the image, step 1 of 3: FROM docker.io/library/base",
        "Building the image, step 2 of 3: RUN . /a && uv pip install numpy",
        "Resolved 1 package in 153 ms",
        "Downloading numpy (16.1 MiB)",
        "Building the image, step 3 of 3: RUN make it",
    ]
    error = steps.failed()
    assert error.step == "[stage-1 3/3] RUN make it"
    assert error.lines == ("making", "no rule to make it")
    assert "exit code: 2" in str(error)


def test_a_buildkit_that_fails_before_any_step() -> None:
    steps = BuildKitSteps(lambda line: None)
    steps.take("ERROR: failed to connect to the docker API")
    assert str(steps.failed()) == "ERROR: failed to connect to the docker API"


def test_the_classic_builders_stream() -> None:
    said: list[str] = []
    steps = ClassicSteps(said.append)
    texts = ["Step 1/3 : FROM x", "\n", " ---> 1234\n", "Step 2/3 : RUN uv", "\n"]
    texts += ["\x1b[91mResolved \x1b[0m", "\x1b[91m2 packages in 7ms\n\x1b[0m", "Step 3/3 : RUN make it\n"]
    texts += ["\x1b[91mno\x1b[0m", " rule\n", "\n"]
    log = "".join(steps.take(text) for text in texts)
    error = steps.failed("The command '/bin/sh -c make it' returned a non-zero code: 2")
    assert said == [
        "Building the image, step 1 of 3: FROM x",
        "Building the image, step 2 of 3: RUN uv",
        "Resolved 2 packages in 7 ms",
        "Building the image, step 3 of 3: RUN make it",
    ]
    assert (error.step, error.lines) == ("3/3: RUN make it", ("no rule",))
    assert log.endswith("Step 3/3 : RUN make it\nno rule\n\n")


def test_addresses_in_a_build_lose_their_passwords() -> None:
    steps = ClassicSteps(lambda line: None)
    steps.take("Looking at https://me:hunter2@example.com/simple\n")
    assert "hunter2" not in str(steps.failed("https://me:hunter2@example.com").lines)
    assert "hunter2" not in str(steps.failed("https://me:hunter2@example.com"))


@pytest.mark.parametrize(
    ("reference", "host", "parts"),
    [
        ("python", "docker.io", ("python", "latest")),
        ("team/x:1", "docker.io", ("team/x", "1")),
        ("localhost/x", "localhost", ("localhost/x", "latest")),
        ("r.example.com:5000/a/b", "r.example.com:5000", ("r.example.com:5000/a/b", "latest")),
        ("r.example.com:5000/a:2", "r.example.com:5000", ("r.example.com:5000/a", "2")),
        ("r.org/a@sha256:12", "r.org", ("r.org/a", "sha256:12")),
        ("index.docker.io/team/x:1", "docker.io", ("index.docker.io/team/x", "1")),
    ],
)
def test_references(reference: str, host: str, parts: tuple[str, str]) -> None:
    assert registry.host_of(reference) == host
    assert registry.split(reference) == parts


def test_credentials_go_to_their_own_registry_only() -> None:
    given = ImageRegistry(address="https://r.org", username="me", password="secret")
    assert registry.credentials_for("r.org/x", given) == {"username": "me", "password": "secret"}
    assert registry.credentials_for("other.org/x", given) is None
    assert registry.credentials_for("python:3.11", given) is None
    assert registry.credentials_for("r.org/x", ImageRegistry(address="r.org", username="me")) is None


@pytest.mark.parametrize(
    "address", ["https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io", "docker.io"]
)
def test_docker_hub_has_several_addresses(address: str) -> None:
    given = ImageRegistry(address=address, username="me", password="secret")
    for reference in ("team/x:1", "docker.io/team/x", "index.docker.io/team/x"):
        assert registry.credentials_for(reference, given) is not None
    assert registry.credentials_for("r.org/x", given) is None
    assert registry.qualified("team/x", given) == "docker.io/team/x"


@pytest.mark.parametrize(
    ("repository", "told"),
    [
        ("python", "python"),
        ("library/python", "python"),
        ("docker.io/library/python", "python"),
        ("docker.io/team/x", "team/x"),
        ("index.docker.io/team/x", "team/x"),
        ("library/team/x", "library/team/x"),
        ("r.org/library/x", "r.org/library/x"),
        ("r.org:5000/team/x", "r.org:5000/team/x"),
    ],
)
def test_repositories_as_docker_tells_them(repository: str, told: str) -> None:
    assert registry.familiar(repository) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("unauthorized: authentication required", "refused the access as 'me'"),
        ("manifest for r.org/x:1 not found: manifest unknown", "there is no such image or tag"),
        ("dial tcp 1.2.3.4:443: connect: connection refused", "does not answer"),
        ("x509: certificate signed by unknown authority", "not trusted"),
        ("http: server gave HTTP response to HTTPS client", "insecure-registries"),
        ("toomanyrequests", "failed"),
    ],
)
def test_a_refusal_says_what_to_do(said: str, told: str) -> None:
    refusal = refused(said, "r.org/x:1")
    assert told in refusal.message
    assert "hunter22" not in refusal.message


def test_the_name_of_an_image_is_no_part_of_the_answer() -> None:
    """A digest may hold the digits of any status, and a repository any word."""
    tag = "92dd27d4aa2358e04040d5bbc61e830"
    head = f"Head http://r.org:4010/v2/x/denied/manifests/{tag}: "
    denied = refused(head + "no basic auth credentials", f"r.org:4010/x/denied:{tag}")
    assert "refused the access" in denied.message
    assert not isinstance(denied, registry.NoSuchImageError)
    unknown = refused(head + "manifest unknown", f"r.org:4010/x/denied:{tag}")
    assert isinstance(unknown, registry.NoSuchImageError)
    numbered = refused("received unexpected HTTP status: 404 Not Found", "r.org:4010/x:404")
    assert isinstance(numbered, registry.NoSuchImageError)
    missing = refused("manifest for index.docker.io/denied/x:1 not found", "index.docker.io/denied/x:1")
    assert isinstance(missing, registry.NoSuchImageError)


def refused(said: str, reference: str) -> PermanentError:
    class Api:
        def pull(self, *words: object, **options: object) -> list[dict[str, str]]:
            return [{"status": "Pulling"}, {"error": said}]

    class Client:
        api = Api()

    with pytest.raises(PermanentError, match="could not be pulled") as caught:
        registry.pull(
            Client(),
            reference,
            credentials={"username": "me", "password": "hunter22"},
            platform=None,
            progress=lambda line: None,
        )
    return caught.value


ANSWER = """@broken /usr/local/bin/python3
@python {"python": "/usr/bin/python3.11", "version": "3.11.2", "prefix": "/usr", "packages": ["a==1"], "has_mpi4py": false}
@found /usr/bin/python3
@conda /opt/conda/bin/conda
@mpirun /opt/odd/mpirun
it does not start
@end
@mpirun /usr/bin/mpirun
mpirun (Open MPI) 4.1.4

@end
@mpirun /usr/bin/mpiexec
HYDRA build details:
@end
"""


def test_the_first_launcher_that_works_is_the_images() -> None:
    facts = read_answer(ANSWER, user="me")
    assert facts == ImageFacts(
        python="/usr/bin/python3",
        python_version="3.11.2",
        packages=("a==1",),
        mpirun="/usr/bin/mpirun",
        mpi="openmpi4",
        conda="/opt/conda/bin/conda",
        broken="/usr/local/bin/python3",
        user="me",
    )
    assert ImageFacts.from_json(facts.to_json()) == facts
    assert ImageFacts.from_json('{"version": 999}') is None
    assert ImageFacts.from_json("words") is None


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (ImageFacts(), ["lacks Python", "MPI"]),
        (ImageFacts(broken="/bin/python"), ["/bin/python does not run"]),
        (ImageFacts(python="/p", python_version="3.6.8"), ["3.8 or later", "3.6.8", "mpi4py"]),
        (ImageFacts(python="/p", python_version="3.11.2", has_mpi4py=True), ["lacks MPI"]),
        (ImageFacts(python="/p", python_version="3.11.2", mpirun="/m", mpi="mpich"), ["lacks mpi4py"]),
    ],
)
def test_everything_that_is_missing_is_said_at_once(facts: ImageFacts, told: list[str]) -> None:
    with pytest.raises(PermanentError) as caught:
        demand(facts, "x:1", interpreter=None, needs_mpi=True, needs_mpi4py=True)
    assert all(word in caught.value.message for word in told), caught.value.message
