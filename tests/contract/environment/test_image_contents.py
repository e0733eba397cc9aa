"""What comes into an image beside pip's packages: MPI, conda's packages, authorities; what it has already stays."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from image_world import BASE, Images, make_wheel

from pulumi_training.environment import interpreters, uv
from pulumi_training.spec.environment import EnvironmentSpec
from pulumi_training.spec.errors import PermanentError
from pulumi_training.spec.outcome import Reason

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("base")]
MPIRUN_4 = "#!/bin/sh\necho 'mpirun (Open MPI) 4.1.4'\n"
MICROMAMBA = r"""#!/bin/sh
# Stands in for micromamba: makes a prefix that holds the words it was called with.
[ "$1" = create ] || exit 0
shift; shift; prefix=$2
python3 -m venv --without-pip "$prefix" && echo "$@" >"$prefix/asked"
"""


def base_with(images: Images, *lines: str) -> str:
    """A base image of the test's own."""
    name = f"test-base-{images.fresh()[:12]}:1"
    text = "".join(f"{line}\n" for line in (f"FROM {BASE}", *lines))
    images.tags.add(name)
    (images.source / "Base").write_text(text)
    images.client.images.build(path=str(images.source), dockerfile="Base", tag=name, rm=True)
    return name


def test_an_mpi_of_the_image_is_used_and_none_is_added(images: Images, wheels: dict[str, Any]) -> None:
    make_wheel(images.source / "wheels", "mpi4py", "4.1.2")
    (images.source / "mpirun").write_text(MPIRUN_4)
    (images.source / "mpirun").chmod(0o755)
    name = base_with(images, "COPY mpirun /usr/bin/mpirun")
    made = images.ensure(**{**wheels, "image": name}, mpi=True)
    assert (made.mpi, made.mpirun) == ("openmpi4", "/usr/bin/mpirun")
    assert [line for line in made.packages if "mpi" in line] == ["mpi4py==4.1.2"]


def test_the_images_own_user_stays(images: Images, wheels: dict[str, Any], each_builder: str) -> None:
    name = base_with(images, "USER nobody")
    made = images.ensure(**{**wheels, "image": name}, pip_packages=["beta"])
    assert images.output(made, "id", "-un") == "nobody"


def test_a_ca_bundle_is_for_the_build_and_stays_where_it_is_asked_for(
    images: Images, wheels: dict[str, Any], each_builder: str
) -> None:
    (images.source / "ca.pem").write_text("authorities")
    fields = {**wheels, "pip_packages": ["beta"], "ca_bundle": "ca.pem", "refresh": images.fresh()}
    made = images.ensure(**fields)
    assert "SSL_CERT_FILE" not in images.output(made, "env")
    assert images.output(made, "find", "/tmp", "/etc/ssl", "-name", "*ca.pem") == ""
    kept = images.ensure(**fields, ca_bundle_in_image=True)
    assert "SSL_CERT_FILE=/etc/ssl/training-ca.pem" in images.output(kept, "env")
    assert images.output(kept, "cat", "/etc/ssl/training-ca.pem") == "authorities"


def test_conda_packages_by_the_images_own_tool(images: Images, wheels: dict[str, Any]) -> None:
    (images.source / "micromamba").write_text(MICROMAMBA)
    (images.source / "micromamba").chmod(0o755)
    name = base_with(images, "COPY micromamba /usr/local/bin/micromamba")
    (images.source / "environment.yml").write_text(
        "channels: [conda-forge]\ndependencies: [python=3.11, numpy=1.26, {pip: [beta]}]\n"
    )
    made = images.ensure(**{**wheels, "image": name}, conda_dependencies_file="environment.yml")
    assert made.python == "/opt/training/bin/python"
    assert "beta==2.0" in made.packages
    asked = images.output(made, "cat", "/opt/training/asked")
    assert asked.endswith("--override-channels -c conda-forge python=3.11 numpy=1.26")
    assert images.output(made, "sh", "-c", "command -v python") == "/opt/training/bin/python"


def test_conda_packages_by_micromamba_of_its_own_image(
    images: Images, wheels: dict[str, Any], each_builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (images.source / "micromamba").write_text(MICROMAMBA)
    (images.source / "micromamba").chmod(0o755)
    monkeypatch.setenv("TRAINING_MICROMAMBA_IMAGE", base_with(images, "COPY micromamba /bin/micromamba"))
    # On a base of its own: what the tool's image brings must come from there and nowhere else.
    name = base_with(images, "RUN rm -f /bin/micromamba")
    made = images.ensure(**{**wheels, "image": name}, conda_packages=["numpy"])
    assert made.python == "/opt/training/bin/python"
    assert "numpy python=" in images.output(made, "cat", "/opt/training/asked")
    assert images.output(made, "sh", "-c", "command -v micromamba || echo none") == "none"


def test_where_micromamba_cannot_be_had_the_ways_out_are_named(
    images: Images, wheels: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_MICROMAMBA_IMAGE", "127.0.0.1:9/micromamba:1")
    with pytest.raises(PermanentError) as caught:
        images.ensure(**wheels, conda_packages=["numpy"], refresh=images.fresh())
    assert caught.value.reason is Reason.IMAGE_PULL_FAILED
    for way in ("TRAINING_MICROMAMBA_IMAGE", "base image that has conda", "pip_packages"):
        assert way in caught.value.message


@pytest.mark.slow
@pytest.mark.mpi
def test_the_real_mpi_starts_ranks_in_it(images: Images, each_builder: str, tmp_path: Path) -> None:
    environ = uv.environment(EnvironmentSpec(), tmp_path)
    probe = [
        "pip",
        "install",
        "--dry-run",
        "--target",
        str(tmp_path / "x"),
        "--python",
        interpreters.base(),
        "mpi4py",
    ]
    if uv.ask(probe, environ=environ) is None:
        pytest.skip("the package index does not answer")
    bundle = os.environ.get("SSL_CERT_FILE")
    fields: dict[str, Any] = {
        "image": BASE,
        "refresh": images.fresh(),
        **({"ca_bundle": bundle} if bundle else {}),
    }
    made = images.ensure(**fields, mpi=True)
    assert made.mpi == "openmpi5"
    code = "from mpi4py import MPI; print('sum', MPI.COMM_WORLD.allreduce(MPI.COMM_WORLD.rank + 1))"
    assert made.mpirun is not None
    line = [made.mpirun, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-np", "2"]
    line += ["--mca", "pml", "ob1", "--mca", "btl", "self,sm", made.python, "-c", code]
    assert images.output(made, *line).splitlines() == ["sum 3", "sum 3"]
    for mpi in (False, True):
        found = images.find(**fields, mpi=mpi)
        assert found is not None
        assert found.image == made.image


def test_the_tool_makes_no_base_twice(base: str) -> None:
    tool = Path(__file__).parents[3] / "tools" / "docker-base"
    answer = subprocess.run([tool, base], capture_output=True, text=True, check=True)
    assert answer.stdout == f"{base} is there\n"
