"""`Environment`: software made once and shared by many jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi

from ..declare.program import secret
from ..version import __version__
from .property import OutputProperty, given, output_names, with_secret_password


class Environment(pulumi.CustomResource):
    """Software made once; pass it as `environment=` to any number of jobs."""

    ref = OutputProperty[Mapping[str, Any]]("What a job's `environmentRef` takes.")
    digest = OutputProperty[str]("The digest of what is installed.")
    location = OutputProperty[str]("Where it is: a folder, or an image.")
    image = OutputProperty[str]("What containers are started from: the image by its digest or id.")
    build_log = OutputProperty[str](
        "The file with the whole output of its build, if it was built on this machine."
    )
    packages = OutputProperty[Sequence[str]]("Every installed package with its version.")
    warnings = OutputProperty[Sequence[str]]("What a person should know about it.")

    def __init__(
        self,
        resource_name: str,
        *,
        source_directory: pulumi.Input[str] | None = None,
        python_version: pulumi.Input[str] | None = None,
        pip_packages: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        pip_requirements_file: pulumi.Input[str] | None = None,
        conda_packages: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        conda_dependencies_file: pulumi.Input[str] | None = None,
        conda_channels: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        conda_fallback: pulumi.Input[str] | None = None,
        index_url: pulumi.Input[str] | None = None,
        extra_index_urls: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        find_links: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        user_managed: pulumi.Input[bool] | None = None,
        interpreter: pulumi.Input[str] | None = None,
        image: pulumi.Input[str] | None = None,
        image_registry: pulumi.Input[Mapping[str, Any]] | None = None,
        image_repository: pulumi.Input[str] | None = None,
        dockerfile: pulumi.Input[str] | None = None,
        build_context: pulumi.Input[str] | None = None,
        build_arguments: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        build_secrets: pulumi.Input[Mapping[str, pulumi.Input[str]]] | None = None,
        platform: pulumi.Input[str] | None = None,
        ca_bundle: pulumi.Input[str] | None = None,
        ca_bundle_in_image: pulumi.Input[bool] | None = None,
        refresh: pulumi.Input[str] | None = None,
        target: pulumi.Input[str] | None = None,
        docker_host: pulumi.Input[str] | None = None,
        tls: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declares an environment; `docs/reference.md` describes each parameter.

        Args:
            resource_name: The resource's name.
            source_directory: The folder that requirements and conda files are relative to.
            refresh: Any text; a new one resolves unpinned packages and builds again.
            opts: Pulumi's own options.
        """
        values = {
            n: v for n, v in locals().items() if n not in ("self", "__class__", "resource_name", "opts")
        }
        values["image_registry"] = with_secret_password(image_registry)
        values["build_secrets"] = None if build_secrets is None else secret(build_secrets)
        props = given(values)
        for output in output_names(type(self)):
            props.setdefault(output, None)
        version = pulumi.ResourceOptions(version=__version__)
        super().__init__(
            "training:index:Environment", resource_name, props, pulumi.ResourceOptions.merge(version, opts)
        )
