"""The fixtures of the tests with images; `image_world` has what tests import by name."""

from image_world import base, client, each_builder, images, registry_server, wheels

__all__ = ["base", "client", "each_builder", "images", "registry_server", "wheels"]
