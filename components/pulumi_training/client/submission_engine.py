"""What a submission needs of Pulumi: its command line, and this very package's provider where it looks for one."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from ..record.files import write_whole
from ..record.staging import state_folder
from ..spec.errors import TrainingError

PROVIDER = "pulumi-resource-training"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
# The first entry of sys.path would be the program's folder: no file of a person's may shadow a module of ours.
_BOOTSTRAP = (
    "import sys; sys.path[:1] = []; sys.path.append(sys.argv.pop(1)); "
    "from pulumi_training.provider.main import main; main()"
)


def find_pulumi() -> Path:
    """The pulumi command line: of PATH, else the one that a checkout's `tools/pulumi` brought.

    Raises:
        TrainingError: there is none; the message says how to get one.
    """
    found = shutil.which("pulumi")
    if found is not None and not _is_the_tool(Path(found)):
        return Path(found)
    brought = sorted(_engine_folder().glob("v*/bin/pulumi"))
    if brought:
        return brought[-1]
    install = (
        "brew install pulumi/tap/pulumi"
        if sys.platform == "darwin"
        else "curl -fsSL https://get.pulumi.com | sh"
    )
    raise TrainingError(
        f"a run is submitted through Pulumi's command line, and there is none on PATH; {install}, or in a checkout: "
        "tools/pulumi ensure. `pulumi-training doctor` checks the rest"
    )


def experiments_folder() -> Path:
    """Where submissions are kept on this machine."""
    return state_folder() / "experiments"


def environment(pulumi: Path) -> dict[str, str]:
    """This process's environment with what a submission adds to it; what a person set stays as it is.

    The state is in a file backend of this user's own, unless PULUMI_BACKEND_URL names another.

    Raises:
        OSError: the folder of submissions cannot be written.
    """
    backend = experiments_folder() / "state"
    backend.mkdir(parents=True, exist_ok=True)
    found = dict(os.environ)
    found.setdefault("PULUMI_BACKEND_URL", backend.as_uri())
    if "PULUMI_CONFIG_PASSPHRASE_FILE" not in found:
        found.setdefault("PULUMI_CONFIG_PASSPHRASE", "")
    found |= {
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PATH": os.pathsep.join([str(_provider_folder()), str(pulumi.parent), found.get("PATH", os.defpath)]),
    }
    found.pop("PULUMI_IGNORE_AMBIENT_PLUGINS", None)  # the provider is found on PATH
    return found


def _provider_folder() -> Path:
    """A folder with a command that runs the provider of this package under this interpreter."""
    script = (
        "#!/bin/sh\nexec " + shlex.join([sys.executable, "-c", _BOOTSTRAP, str(_PACKAGE_ROOT)]) + ' "$@"\n'
    )
    import hashlib

    folder = experiments_folder() / "bin" / hashlib.sha256(script.encode()).hexdigest()[:16]
    program = folder / PROVIDER
    if not os.access(program, os.X_OK):
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{PROVIDER}-{os.getpid()}"
        write_whole(draft, script.encode(), durable=False)
        draft.chmod(0o755)
        draft.replace(program)
    return folder


def _is_the_tool(found: Path) -> bool:
    """Whether it is a checkout's `tools/pulumi`, which brings the command line and is none."""
    return (found.resolve().parent / "engine" / "ensure.py").is_file()


def _engine_folder() -> Path:
    told = os.environ.get("TRAINING_ENGINE_DIR")
    if told:
        return Path(told).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("pulumi-training", appauthor=False)) / "engine"
