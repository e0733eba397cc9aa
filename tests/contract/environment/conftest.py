"""The fixtures of the tests with images; `image_world` has what tests import by name."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from image_world import base, client, each_builder, images, registry_server, wheels

__all__ = ["base", "client", "each_builder", "images", "registry_server", "wheels"]
