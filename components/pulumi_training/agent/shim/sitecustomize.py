"""Lets a stalled Python script be asked for its stacks, then makes way for the user's own sitecustomize.

This folder stands first on PYTHONPATH of a rank's script. `faulthandler` writes from C, so it answers even
while the script waits inside an MPI call; it writes to stderr, which is the rank's log.

It also offers `Run` (run_context.py) under the names that scripts import it by, where nothing of that name is
installed: it is asked last of all, and costs nothing until then. Where Azure ML's own packages are installed they are
imported as they are, and only what `Run.get_context` gives is this run: theirs would be of no run at all, and
everything that a script reports would be lost. The finder for that is asked first, whatever is on the path.
"""

import os
import sys

_OFFERED = ("pulumi_training", "azureml", "azureml.core", "azureml.core.run")
_CONTEXT = "_training_run_context"
_THEIRS = ("azureml.core", "azureml.core.run")


class _Offer:
    """The last finder: modules that hold `Run`, for names that no other finder knows."""

    def __init__(self, folder):  # type: ignore[no-untyped-def]
        self.folder = folder

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name not in _OFFERED:
            return None
        from importlib.machinery import ModuleSpec

        is_package = name != "azureml.core.run"
        return ModuleSpec(name, self, origin="offered inside a run", is_package=is_package)  # type: ignore[arg-type]

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return None

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        if module.__name__ == "azureml":
            return
        module.Run = self._context().Run  # type: ignore[no-untyped-call]
        module.__doc__ = "Run, offered inside a run; nothing else of this name is installed here."
        if module.__name__ == "azureml.core":
            from importlib import import_module

            import_module("azureml.core.run")

    def _context(self):  # type: ignore[no-untyped-def]
        if _CONTEXT not in sys.modules:
            from importlib.machinery import PathFinder
            from types import ModuleType

            found = PathFinder.find_spec("run_context", [self.folder])
            if found is None or found.loader is None:
                raise ImportError("run_context.py is gone from " + self.folder)
            module = ModuleType(_CONTEXT)
            exec(found.loader.get_code("run_context"), module.__dict__)  # type: ignore[attr-defined]
            sys.modules[_CONTEXT] = module
        return sys.modules[_CONTEXT]


class _First:
    """The first finder: the modules of others that hold a `Run`, with this run as its context."""

    def __init__(self, offer):  # type: ignore[no-untyped-def]
        self.offer = offer

    def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name not in _THEIRS:
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find is not None and finder is not self else None
            if spec is None:
                continue
            if spec.loader is not None and spec.loader is not self.offer:
                spec.loader = _Theirs(spec.loader, self.offer)  # type: ignore[no-untyped-call]
            return spec
        return None


class _Theirs:
    """Loads a module as its own loader does, then puts this run into it; offers `Run` where it cannot be loaded."""

    def __init__(self, loader, offer):  # type: ignore[no-untyped-def]
        self.loader, self.offer = loader, offer

    def __getattr__(self, name):  # type: ignore[no-untyped-def]  # whatever else a loader is asked for
        return getattr(self.loader, name)

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return self.loader.create_module(spec)

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        try:
            self.loader.exec_module(module)
        except Exception as problem:  # noqa: BLE001 - whatever it is, a script that wants its run has it
            words = "%s is installed and cannot be imported (%s: %s); it has Run alone"
            sys.stderr.write(words % (module.__name__, type(problem).__name__, problem) + "\n")
            self.offer.exec_module(module)
            return
        theirs, ours = getattr(module, "Run", None), self.offer._context().Run
        if isinstance(theirs, type) and theirs is not ours:
            theirs.get_context = classmethod(  # type: ignore[attr-defined]
                lambda cls, allow_offline=True, *ignored, **more: ours.get_context(allow_offline)
            )


def _answer_for_stacks():  # type: ignore[no-untyped-def]  # any Python 3, annotations or not
    try:
        import faulthandler
        import signal

        if signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL:
            faulthandler.register(signal.SIGUSR2, file=2, all_threads=True, chain=False)
    except (ImportError, AttributeError, OSError, ValueError, RuntimeError):
        pass  # an interpreter without them: the script runs all the same, only without stacks


def _make_way():  # type: ignore[no-untyped-def]
    here = os.path.dirname(os.path.abspath(__file__))
    offer = _Offer(here)  # type: ignore[no-untyped-call]
    sys.meta_path.append(offer)
    sys.meta_path.insert(0, _First(offer))  # type: ignore[no-untyped-call]
    ours = sys.modules.pop("sitecustomize", None)
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    try:
        import sitecustomize  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as missing:
        if missing.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours  # the import under way wants to find one


_answer_for_stacks()  # type: ignore[no-untyped-call]
_make_way()  # type: ignore[no-untyped-call]
