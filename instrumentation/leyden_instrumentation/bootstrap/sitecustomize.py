"""Runs at the start of every Python program that has this folder first on PYTHONPATH, and turns the capture on.

Python imports only the first `sitecustomize` it finds: the one we stand before is run first. Nothing here may break the
program: whatever fails, it runs on unrecorded, and one line says so.
"""

import sys


def _run_the_next_one() -> None:
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec
    from os.path import dirname, realpath

    here = realpath(dirname(__file__))
    spec = PathFinder.find_spec("sitecustomize", [p for p in sys.path if realpath(p or ".") != here])
    # OpenTelemetry's own bootstrap would set up a second time.
    if spec is None or spec.loader is None or "auto_instrumentation" in (spec.origin or ""):
        return
    module = module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)


def _record() -> None:
    try:
        from leyden_instrumentation.activation import activate
        from leyden_instrumentation.program import is_helper

        if not is_helper():
            activate()
    except ImportError as error:
        print(f"leyden: {sys.executable} runs unrecorded: {error}. Install leyden in its environment.", file=sys.stderr)
    except Exception as error:
        print(f"leyden: {sys.executable} runs unrecorded: {type(error).__name__}: {error}", file=sys.stderr)


try:
    _run_the_next_one()
finally:
    _record()
