"""Stand-in for Pulumi's Python language host, on the SDK's own LanguageServer.

Placed beside a pulumi that was built from its Go modules, which do not contain the Python host; the real one
is preferred wherever it exists. Started by the wrapper `pulumi-language-python` under the project's virtual
environment. Behaves as pulumi/pulumi sdk/python/cmd/pulumi-language-python and its -exec script (3.259): the
same messages, exit codes and runtime options. Left out: poetry, debuggers, type checkers, code generation.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import empty_pb2
from google.protobuf.json_format import MessageToDict
from language_program import EXIT_ALREADY_EXPLAINED, MainThread, run_program
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

HERE = Path(__file__).resolve().parent
sys.path[:] = [
    entry for entry in sys.path if Path(entry).resolve() != HERE
]  # programs must not import from here

MESSAGE_LIMIT = [("grpc.max_receive_message_length", 400 << 20), ("grpc.max_send_message_length", 400 << 20)]
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9._-]+")


class PythonHost(LanguageServer):
    """Answers the engine; programs run on the main thread, as in an ordinary Python process."""

    def __init__(self, engine_address: str, main_thread: MainThread) -> None:
        super().__init__(lambda: None)
        self.engine_address = engine_address
        self.main_thread = main_thread

    def Handshake(self, request: Any, context: Any) -> Any:
        """Take the engine's address, which an attached host was not given at its start."""
        self.engine_address = request.engine_address or self.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """Answer with the SDK's version: the host is made of it."""
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:
        """List the provider plugins that installed packages ask for in their pulumi-plugin.json."""
        found = {}
        for path in {Path(entry) for entry in sys.path if entry}:
            for file in path.glob("*/pulumi-plugin.json"):
                wish = json.loads(file.read_text(encoding="utf-8"))
                if wish.get("resource") and wish.get("name"):
                    found[wish["name"]] = wish
        return language_pb2.GetRequiredPackagesResponse(
            packages=[
                plugin_pb2.PackageDependency(
                    name=name,
                    kind="resource",
                    version=f"v{wish['version'].lstrip('v')}" if wish.get("version") else "",
                    server=wish.get("server", ""),
                )
                for name, wish in sorted(found.items())
            ]
        )

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:
        """List installed distributions; the direct ones are those that no other one requires."""
        installed = {d.metadata["Name"]: d for d in importlib.metadata.distributions() if d.metadata["Name"]}
        if not request.transitiveDependencies:
            wishes = [wish for d in installed.values() for wish in d.requires or () if "extra ==" not in wish]
            required = {_plain(wish) for wish in wishes}
            installed = {name: d for name, d in installed.items() if _plain(name) not in required}
        dependency = language_pb2.DependencyInfo
        found = [dependency(name=name, version=d.version) for name, d in sorted(installed.items())]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:
        """Ask nothing: the options' defaults are right here."""
        return language_pb2.RuntimeOptionsResponse()

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:
        """Make the virtual environment where it is missing; install requirements.txt, a plugin's package."""
        folder = Path(request.info.program_directory)
        python = interpreter(request.info, is_plugin=request.is_plugin)
        steps = []
        if not Path(python).exists():
            steps.append([sys.executable, "-m", "venv", str(Path(python).parent.parent)])
        if request.is_plugin and (folder / "pyproject.toml").exists():
            steps.append([python, "-m", "pip", "install", str(folder)])
        if (folder / "requirements.txt").exists():
            steps.append([python, "-m", "pip", "install", "-r", str(folder / "requirements.txt")])
        for step in steps:
            for kind, data in stream(step, str(folder), dict(os.environ), context):
                if kind == "exitcode" and data != 0:
                    context.abort(grpc.StatusCode.UNKNOWN, f"{' '.join(step)} ended with exit code {data}")
                if kind != "exitcode":
                    yield language_pb2.InstallDependenciesResponse(**{kind: data})

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
        """Run a plugin's folder under its own virtual environment and pass on what it prints."""
        analyzer = request.kind == "analyzer"
        python = interpreter(request.info, is_plugin=not analyzer)
        if not Path(python).exists():
            context.abort(grpc.StatusCode.UNKNOWN, f"the plugin's virtual environment has no {python}")
        folder = request.info.program_directory
        if analyzer:
            command = [python, "-u", "-m", "pulumi.policy", *request.args, folder]
        elif (Path(folder) / "__main__.py").exists():
            command = [python, folder, *request.args]
        else:
            context.abort(grpc.StatusCode.UNKNOWN, f"the plugin folder {folder} has no __main__.py")
        environment = dict(item.split("=", 1) for item in request.env) or dict(os.environ)
        environment["VIRTUAL_ENV"] = str(Path(python).parent.parent)
        environment["PATH"] = os.pathsep.join([str(Path(python).parent), environment.get("PATH", os.defpath)])
        for kind, data in stream(command, folder if analyzer else request.pwd, environment, context):
            yield language_pb2.RunPluginResponse(**{kind: data})

    def Run(self, request: Any, context: Any) -> Any:
        """Run the program; answers when it and all its resource registrations are done."""
        wanted = interpreter(request.info, is_plugin=False)
        if Path(wanted).parent.resolve() != Path(sys.executable).parent.resolve():
            return language_pb2.RunResponse(
                error=f"this program wants {wanted}, and that Python does not exist or has no Pulumi SDK; "
                "make the virtual environment first (`pulumi install`)"
            )
        code = self.main_thread.run(lambda: run_program(request, self.engine_address))
        if code == EXIT_ALREADY_EXPLAINED:
            return language_pb2.RunResponse(bail=True)
        error = f"program exited with non-zero exit code: {code}" if code else ""
        return language_pb2.RunResponse(error=error)

    def Cancel(self, request: Any, context: Any) -> Any:
        """Interrupt a running program, which may still run its `finally` blocks."""
        self.main_thread.interrupt()
        return empty_pb2.Empty()


def interpreter(info: Any, *, is_plugin: bool) -> str:
    """Return the Python that the runtime options name: `virtualenv` relative to the root, else this one."""
    options = MessageToDict(info.options)
    default = ".venv" if options.get("toolchain") == "uv" else "venv" if is_plugin else ""
    virtualenv = options.get("virtualenv", default)
    return str(Path(info.root_directory, virtualenv, "bin", "python")) if virtualenv else sys.executable


def stream(
    command: list[str], cwd: str, environment: dict[str, str], context: Any
) -> Iterator[tuple[str, Any]]:
    """Run a command; yields ("stdout" or "stderr", bytes) as they come, at last ("exitcode", int)."""
    child = subprocess.Popen(
        command, cwd=cwd, env=environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    context.add_callback(child.kill)  # the engine ends a plugin by ending this call
    chunks: queue.Queue[tuple[str, bytes] | None] = queue.Queue()

    def pump(kind: str, pipe: Any) -> None:
        while data := os.read(pipe.fileno(), 65536):
            chunks.put((kind, data))

    pipes = (("stdout", child.stdout), ("stderr", child.stderr))
    readers = [threading.Thread(target=pump, args=pipe, daemon=True) for pipe in pipes]
    for reader in readers:
        reader.start()

    def finish() -> None:
        child.wait()
        for reader in readers:
            reader.join(timeout=1.0)  # a grandchild that kept the pipe open must not hold the update
        chunks.put(None)

    threading.Thread(target=finish, daemon=True).start()
    while chunk := chunks.get():
        yield chunk
    yield "exitcode", child.returncode


def main() -> None:
    """Serve the engine named by the last argument; the port is the first line of stdout."""
    engine_address = next((a for a in reversed(sys.argv[1:]) if not a.startswith("-")), "")
    main_thread = MainThread()
    server = grpc.server(ThreadPoolExecutor(max_workers=64), options=MESSAGE_LIMIT)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(PythonHost(engine_address, main_thread), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.reconfigure(line_buffering=True)
    print(port, flush=True)
    main_thread.serve()


def _plain(requirement: str) -> str:
    name = REQUIREMENT_NAME.match(requirement)
    return re.sub(r"[-_.]+", "-", name.group().lower()) if name else ""


if __name__ == "__main__":
    main()
