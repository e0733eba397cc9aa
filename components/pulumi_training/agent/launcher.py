"""The launcher's process: `mpirun`, or the only rank itself, with a short temp folder of its own."""

from __future__ import annotations

import os

from .channel import ADDRESS_VARIABLE, SECRET_VARIABLE
from .facts import open_log
from .script import SIGKILL, SIGTERM, Script, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .request import Request

LAUNCHER_SETTINGS = (
    "OMPI_", "PMIX_", "PRTE_", "OPAL_", "UCX_", "MPICH_", "MPIR_", "HYDRA_", "I_MPI_", "FI_", "NCCL_", "GLOO_",
)  # fmt: skip
"""The user's variables that the launcher must see as well as the script."""


SOCKET = "agent"
"""The Unix socket of `agent run`, in the launch's temp folder."""


class Launcher:
    """The started launcher; `temporary` is its temp folder."""

    def __init__(
        self, request: Request, request_path: str, address: str, secret: str, temporary: str
    ) -> None:
        self._temporary = temporary
        rank_words = [*request.agent, "rank", "--request", request_path]
        self.argv = [*request.launcher, *rank_words] if request.launcher else rank_words
        log = open_log(f"{request.folder}/launch/launcher.log")
        try:
            environment = self._environment(request, address, secret)
            self.process: Script = start(self.argv, environment, request.folder, log, dies_with_parent=False)
        finally:
            os.close(log)

    def poll(self) -> bool:
        """Whether it has ended."""
        return self.process.poll()

    def stop(self) -> None:
        """SIGTERM to the launcher alone: it ends its daemons and ranks itself."""
        if not self.process.poll():
            os.kill(self.process.pid, SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the launcher and its group."""
        if not self.process.poll():
            self.process.send(SIGKILL)

    def _environment(self, request: Request, address: str, secret: str) -> dict[str, str]:
        environment = dict(os.environ)
        environment.update(
            {name: value for name, value in request.environment.items() if name.startswith(LAUNCHER_SETTINGS)}
        )
        environment.update(
            {
                ADDRESS_VARIABLE: address,
                SECRET_VARIABLE: secret,
                "TRAINING_RUN_ID": request.run_id,
                "TRAINING_ATTEMPT": str(request.attempt),
                **({"TRAINING_STORE_ID": request.store} if request.store else {}),
                # The script gets the user's own back.
                "TRAINING_AGENT_TMPDIR": os.environ.get("TMPDIR", ""),
                "TMPDIR": self._temporary,
            }
        )
        if "HOME" not in environment:
            environment["HOME"] = home()
        if not request.launcher:
            environment["TRAINING_RANK"] = "0"
        return environment


def short_temporary() -> str:
    """A new folder with a short path, for this user only.

    Launchers and `agent run` put Unix sockets there, whose paths may have 108 bytes, and leave them behind when killed.
    Raises OSError.
    """
    base = os.environ.get("TMPDIR", "/tmp")
    if len(base) > 40 or not os.access(base, os.W_OK):
        base = "/tmp"
    while True:
        folder = f"{base.rstrip('/')}/tr-{os.urandom(4).hex()}"
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:
            continue
        return folder


def tidy(temporary: str) -> None:
    """Takes the temp folder of a launch away."""
    try:
        if os.path.exists(f"{temporary}/{SOCKET}"):
            os.unlink(f"{temporary}/{SOCKET}")
        os.rmdir(temporary)
    except OSError:
        import shutil  # a killed launcher leaves its sockets behind

        shutil.rmtree(temporary, ignore_errors=True)


def home() -> str:
    """A value for HOME where there is none: Open MPI does not even start without."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return "/"
