"""The stand-in Python language host, under an unmodified `pulumi`."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest
from sandbox import Sandbox

pytestmark = pytest.mark.engine

HELLO = """
    import os, sys, threading
    import pulumi
    from beside import WORD

    class Box(pulumi.ComponentResource):
        def __init__(self, name):
            super().__init__("tiny:index:Box", name)
            self.register_outputs({})

    Box("box")
    print("printed", WORD, threading.current_thread() is threading.main_thread())
    print("complained", file=sys.stderr)
    pulumi.export("cwd", os.getcwd())
    pulumi.export("root", pulumi.runtime.get_root_directory())
    pulumi.export("setting", pulumi.Config().get("setting"))
"""
PLUGIN = """
    import sys
    from concurrent.futures import ThreadPoolExecutor

    import grpc
    from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

    class Echo(provider_pb2_grpc.ResourceProviderServicer):
        def Handshake(self, request, context):
            return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)
        def GetPluginInfo(self, request, context):
            return plugin_pb2.PluginInfo(version="1.0.0")
        def CheckConfig(self, request, context):
            return provider_pb2.CheckResponse(inputs=request.news)
        def Configure(self, request, context):
            return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)
        def Check(self, request, context):
            return provider_pb2.CheckResponse(inputs=request.news)
        def Create(self, request, context):
            properties = request.properties
            properties.update({"prefix": sys.prefix})
            return provider_pb2.CreateResponse(id="1", properties=properties)

    server = grpc.server(ThreadPoolExecutor())
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()
"""
SLOW = """
    import pathlib, time
    pathlib.Path("started").touch()
    try:
        time.sleep(60)
    finally:
        pathlib.Path("tidied").touch()
"""


def test_a_program_is_previewed_deployed_unchanged_and_destroyed(sandbox: Sandbox) -> None:
    project = sandbox.project(HELLO, plugins={})
    project.write("WORD = 'a word'", "beside.py")
    project.run("config", "set", "setting", "seven").succeeded()
    preview = project.preview().succeeded()
    assert "2 to create" in preview.text
    up = project.up().succeeded()
    assert "printed a word True" in up.text
    assert "complained" in up.text
    outputs = project.run("stack", "output", "--json").succeeded().stdout
    assert outputs.count(str(project.folder)) == 2
    assert "seven" in outputs
    assert "2 unchanged" in project.up().succeeded().text
    assert "2 deleted" in project.destroy().succeeded().text


def test_a_raising_program_fails_with_its_own_traceback_only(sandbox: Sandbox) -> None:
    project = sandbox.project("def f():\n    raise ValueError('boom')\n\nf()\n", plugins={})
    up = project.up()
    assert up.code != 0
    assert "Program failed with an unhandled exception:" in up.text
    assert "ValueError: boom" in up.text
    assert str(project.folder / "__main__.py") in up.text
    assert "language_program.py" not in up.text
    assert "run_in_stack" not in up.text


def test_an_exception_in_an_apply_fails_the_update(sandbox: Sandbox) -> None:
    program = "import pulumi\npulumi.export('x', pulumi.Output.from_input(1).apply(lambda v: v / 0))\n"
    up = sandbox.project(program, plugins={}).up()
    assert up.code != 0
    assert "ZeroDivisionError" in up.text


@pytest.mark.parametrize(
    ("call", "code", "words"),
    [
        ("sys.exit(3)", 255, "program exited with non-zero exit code: 3"),
        ("sys.exit('a last word')", 255, "a last word"),
        ("sys.exit(0)", 0, ""),
    ],
)
def test_sys_exit_is_the_programs_answer(sandbox: Sandbox, call: str, code: int, words: str) -> None:
    up = sandbox.project(f"import sys\n{call}\n", plugins={}).up()
    assert (up.code != 0) == (code != 0), up.text
    assert words in up.text


def test_a_missing_main_program_is_named(sandbox: Sandbox) -> None:
    project = sandbox.project("", plugins={})
    (project.folder / "__main__.py").unlink()
    up = project.up()
    assert up.code != 0
    assert "unable to find main python program `__main__.py`" in up.text


def test_main_may_be_a_folder_or_a_file(sandbox: Sandbox) -> None:
    project = sandbox.project("raise SystemExit('the wrong program')", plugins={})
    below = project.folder / "below"
    below.mkdir()
    (below / "helper.py").write_text("NAME = 'below'\n")
    (below / "deploy.py").write_text(
        "import os, pulumi, helper\npulumi.export('where', os.path.basename(os.getcwd()) + helper.NAME)\n"
    )
    settings = project.folder / "Pulumi.yaml"
    base = settings.read_text()
    settings.write_text(base + "main: below/deploy.py\n")
    assert "belowbelow" in project.up().succeeded().text
    (below / "deploy.py").rename(below / "__main__.py")
    settings.write_text(base + "main: below\n")
    assert "1 unchanged" in project.up().succeeded().text


def test_a_plugin_folder_runs_under_its_own_virtual_environment(sandbox: Sandbox, tmp_path: Path) -> None:
    plugin = tmp_path / "echo"
    plugin.mkdir()
    venv = tmp_path / "plugin-venv"
    (venv / "bin").mkdir(parents=True)
    interpreter = venv / "bin" / "python"  # a name of its own shows which one was taken
    interpreter.write_text(f'#!/bin/sh\nexport ECHO_VENV=1\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    (plugin / "PulumiPlugin.yaml").write_text(
        "runtime: {name: python, options: {toolchain: pip, virtualenv: ../plugin-venv}}\n"
    )
    (plugin / "__main__.py").write_text(
        textwrap.dedent(PLUGIN).replace("sys.prefix", "__import__('os').environ['ECHO_VENV']")
    )
    program = """
        import pulumi
        class Thing(pulumi.CustomResource):
            prefix: pulumi.Output[str]
            def __init__(self, name):
                super().__init__("echo:index:Thing", name, {"prefix": None})
        pulumi.export("prefix", Thing("thing").prefix)
    """
    project = sandbox.project(program, plugins={"echo": plugin})
    project.up().succeeded()
    assert project.run("stack", "output", "prefix").succeeded().stdout.strip() == "1"


def test_another_virtual_environment_than_the_hosts_is_refused_by_name(sandbox: Sandbox) -> None:
    project = sandbox.project("", plugins={}, virtualenv=Path("missing-venv"))
    up = project.up()
    assert up.code != 0
    assert "missing-venv/bin/python" in up.text


def test_an_interrupted_program_tidies_up_and_prints_no_traceback(sandbox: Sandbox) -> None:
    project = sandbox.project(SLOW, plugins={})
    process = sandbox.start("up", "--yes", "--skip-preview", cwd=project.folder)
    wait_for(project.folder / "started")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert "Traceback" not in output
    assert "KeyboardInterrupt" not in output
    assert (project.folder / "tidied").exists()


def test_a_killed_engine_leaves_no_host_behind(sandbox: Sandbox) -> None:
    project = sandbox.project("import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\n"
                              "pathlib.Path('started').touch()\ntime.sleep(60)\n", plugins={})  # fmt: skip
    process = sandbox.start("up", "--yes", "--skip-preview", cwd=project.folder)
    wait_for(project.folder / "started")
    host = int((project.folder / "pid").read_text())
    process.kill()
    process.wait()
    deadline = time.monotonic() + 15
    while is_alive(host) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(host)


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file} did not appear"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
