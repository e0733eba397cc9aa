"""One Pulumi program in this process: its run, its failures in the user's terms, its interruption.

Copied beside `language_host`, which imports it; see there.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import queue
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

import grpc
import pulumi

EXIT_ALREADY_EXPLAINED = 32  # the user has seen a good message; the engine adds none
PROGRAM_GRACE_SECONDS = 4.0  # for the program's `finally` blocks; the engine kills its hosts after 5


def run_program(request: Any, engine_address: str) -> int:
    """Run one program to its end as pulumi-language-python-exec does; returns the exit code it stands for."""
    os.chdir(request.pwd or request.info.program_directory)
    entry = request.info.entry_point or "."
    path = Path(request.info.program_directory, entry).resolve()
    sys.path.insert(0, str(path if path.is_dir() else path.parent))
    sys.argv = [entry, *request.args]
    pulumi.runtime.set_all_config(dict(request.config), list(request.configSecretKeys))
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            monitor=request.monitor_address,
            engine=engine_address,
            project=request.project,
            stack=request.stack,
            parallel=request.parallel,
            dry_run=request.dryRun,
            organization=request.organization,
            root_directory=request.info.root_directory,
        )
    )
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # a failed program leaves futures unawaited
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(request.parallel, 1) * 4)
    loop.set_default_executor(executor)
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(functools.partial(run_entry, path)))
        return 0
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return 1
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return EXIT_ALREADY_EXPLAINED
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:  # the engine is on its way out and knows why
            return EXIT_ALREADY_EXPLAINED
        return report_failure(path)
    except Exception:  # noqa: BLE001 the program is the user's: whatever it raises is shown as it is
        return report_failure(path)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)
        sys.stdout.flush()
        sys.stderr.flush()


def run_entry(path: Path) -> None:
    """Run a file, or the __main__.py of a folder, as the main module."""
    if path.is_dir() and not (path / "__main__.py").exists():
        pulumi.log.error(f"unable to find main python program `__main__.py` in `{path}`")
        sys.exit(EXIT_ALREADY_EXPLAINED)
    runpy.run_path(str(path), run_name="__main__")


def report_failure(path: Path) -> int:
    """Show the current exception from the user's first frame on, in the words of Pulumi's own host."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    main = path / "__main__.py" if path.is_dir() else path
    first = next((i for i, frame in enumerate(frames) if Path(frame.filename).resolve() == main), 0)
    text = traceback.format_exc(limit=first - len(frames))
    pulumi.log.error("Program failed with an unhandled exception:\n" + text)
    return EXIT_ALREADY_EXPLAINED


class MainThread:
    """The main thread's work: one program at a time, signals, and the end of the host."""

    def __init__(self) -> None:
        self.programs: queue.SimpleQueue[tuple[Callable[[], int], Future[int]]] = queue.SimpleQueue()
        self.running = False
        self.ending = False
        self.parent = os.getppid()  # the engine: a killed one must leave no host behind

    def run(self, program: Callable[[], int]) -> int:
        """Have the main thread run a program, from an RPC's thread; returns the program's exit code."""
        future: Future[int] = Future()
        self.programs.put((program, future))
        return future.result()

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt in a running program; does nothing when none runs."""
        if self.running:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def serve(self) -> None:
        """Run programs until a signal, or until the engine that started this host is gone."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGUSR1, self._on_interrupt)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # _watch_signals answers them
        for watch in (functools.partial(self._watch_signals, reader), self._watch_engine):
            threading.Thread(target=watch, daemon=True).start()
        while not self.ending:
            program, future = self.programs.get()
            self.running = True
            try:
                future.set_result(program())
            except KeyboardInterrupt:  # it came in the program's last moment
                future.set_result(EXIT_ALREADY_EXPLAINED)
            except Exception as error:  # noqa: BLE001 handed to the RPC that asked, which reports it
                future.set_exception(error)
            finally:
                self.running = False
        end_now()

    def _watch_signals(self, reader: socket.socket) -> None:
        # The kernel gives a signal to any thread, so the main one may sleep through it: this one never does.
        while numbers := reader.recv(64):
            if not {signal.SIGINT, signal.SIGTERM} & set(numbers):
                continue
            if not self.running or self.ending:
                end_now()
            self.ending = True
            threading.Timer(PROGRAM_GRACE_SECONDS, end_now).start()
            self.interrupt()

    def _watch_engine(self) -> None:
        while os.getppid() == self.parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.running:
            raise KeyboardInterrupt


def end_now() -> None:
    """End quietly: the engine interrupts its hosts after every operation, so there is nothing to report."""
    with contextlib.suppress(OSError):  # the engine may be gone, and its pipes with it
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
