"""The parts import each other one way, an agent's environment stays light, and files stay small."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "leyden_instrumentation": ROOT / "instrumentation" / "leyden_instrumentation",
    "leyden_store": ROOT / "store" / "leyden_store",
    "leyden_collector": ROOT / "collector" / "leyden_collector",
    "leyden_exporters": ROOT / "exporters" / "leyden_exporters",
    "leyden_trainers": ROOT / "trainers" / "leyden_trainers",
    "leyden_dashboards": ROOT / "dashboards" / "leyden_dashboards",
    "leyden": ROOT / "leyden",
}
MAY_IMPORT = {
    "leyden_instrumentation": set(),
    "leyden_store": set(),
    "leyden_collector": {"leyden_store"},
    "leyden_exporters": {"leyden_store"},
    "leyden_trainers": {"leyden_exporters", "leyden_store", "leyden_instrumentation"},  # of the last, see below
    "leyden_dashboards": {"leyden_exporters", "leyden_store"},
    "leyden": set(PACKAGES) - {"leyden"},
}
HEAVY = {
    "chdb", "clickhouse_connect", "fastapi", "uvicorn", "polars", "pyarrow", "pydantic", "torch", "transformers", "trl",
    "datasets", "numpy", "pandas", "rich",
}  # fmt: skip
MOST_LINES = 400


def sources() -> Iterator[tuple[str, Path]]:
    """Every source file, with its package."""
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield package, path


def imported(path: Path) -> set[str]:
    """The top-level modules a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = {
        str(path.relative_to(ROOT)): sorted(ours - allowed)
        for owner, path in sources()
        if owner == package and (ours := imported(path) & set(PACKAGES)) - allowed
    }
    assert wrong == {}


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Or whether it can be imported depends on what was imported before."""
    modules = {module_of(package, path): path for package, path in sources()}
    imports = {
        module: {
            found
            for name in loaded_with(path)
            for found in [*_packages_of(name), name]
            if found in modules and not f"{module}.".startswith(f"{found}.")
        }
        for module, path in modules.items()
    }
    TopologicalSorter(imports).prepare()  # raises CycleError, which names them


def module_of(package: str, path: Path) -> str:
    parts = path.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join((package, *parts)).removesuffix(".__init__")


def loaded_with(path: Path) -> Iterator[str]:
    """What a file imports as it is imported itself: modules, and names of them that may be modules."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not _for_types(node):
            waiting.extend(ast.iter_child_nodes(node))


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _packages_of(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def test_trainers_take_little_of_the_capture_and_nothing_that_sets_it_up() -> None:
    found = {
        node.module
        for owner, path in sources()
        if owner == "leyden_trainers"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("leyden_instrumentation")
    }
    # A server that records is a capture too: it packs ids and hides keys alike.
    shared = {"leyden_instrumentation.packing", "leyden_instrumentation.api_keys"}
    assert found <= {"leyden_instrumentation.launch", "leyden_instrumentation.collector_address"} | shared


def test_every_package_of_the_wheel_is_ruled_here() -> None:
    made = {path.parent for path in ROOT.glob("*/leyden*/__init__.py")} | {ROOT / "leyden"}
    assert {path for path in made if "tests" not in path.parts and ".venv" not in path.parts} == set(PACKAGES.values())


@pytest.mark.parametrize(
    "program",
    [
        "import leyden",
        "import leyden; leyden.reward; leyden.rollout",
        "import leyden_instrumentation",
        "import leyden.cli",
        "from leyden.cli import main\ntry: main(['run', '--', 'no-such-program'])\nexcept SystemExit: pass",
    ],
)
def test_what_runs_beside_an_agent_is_light(program: str, tmp_path: Path) -> None:
    show = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-c", f"{program}\n{show}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert HEAVY & set(json.loads(done.stdout.splitlines()[-1])) == set()


@pytest.mark.parametrize("path", [path for _, path in sources()], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_says_its_subject_and_is_small(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "its first line says what it is about"
    assert text.count("\n") <= MOST_LINES
