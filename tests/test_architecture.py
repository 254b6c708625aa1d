"""The rules that keep the package readable, checked from its syntax trees."""

from __future__ import annotations

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue

from .support import ROOT, environment

PACKAGE = ROOT / "litequeue"

# Each name's layer; imports go to a lower layer, or sideways where no cycle comes of it.
LAYERS = {
    "errors": 0, "clock": 0, "states": 0, "checks": 0, "backoff": 0, "filelock": 0, "bell": 0, "trust": 0, "softguard": 0,
    "durations": 0, "zones": 0, "cronfields": 0, "crontime": 0, "cronwords": 0, "cron": 0,
    "supervisor": 0, "capped": 0,
    "models": 1, "records": 1, "outcomes": 1, "payload": 1, "payload_types": 1,
    "triggerkinds": 1, "triggerspecs": 1, "triggers": 1, "firing": 1,
    "crontab": 1, "crontab_lines": 1, "crontab_names": 1,
    "store": 2,
    "tasks": 3, "context": 3, "waiting": 3, "declarations": 3, "scheduling": 3, "supervised": 3, "command": 3, "command_run": 3, "notices": 3,
    "pools": 4,
    "worker": 5,
    "client": 6, "job": 6, "task": 6, "schedules": 6, "app": 6, "__init__": 6,
    "cli": 7,
    "__main__": 8,
}  # fmt: skip

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path) for path in FILES}


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports(path: Path) -> list[tuple[str, ...]]:
    """Every import of the file, hidden ones too, as absolute dotted parts."""
    package = ("litequeue", *path.relative_to(PACKAGE).parts[:-1])
    found: list[tuple[str, ...]] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found += [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = (*base, *(node.module.split(".") if node.module else ()))
            found += [(*stem, alias.name) for alias in node.names]
    return found


def internal(path: Path) -> set[str]:
    """The package's own modules that a file imports."""
    found = set()
    for parts in imports(path):
        if parts[0] == "litequeue" and len(parts) > 1:
            rest = parts[1:]
            while rest and ".".join(rest) not in MODULES:
                rest = rest[:-1]
            found.add(".".join(rest) if rest else "__init__")
    return found - {module_name(path)}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_down(path: Path) -> None:
    own = module_name(path).split(".")[0]
    for target in internal(path):
        top = target.split(".")[0]
        assert LAYERS[top] <= LAYERS[own], f"{own} imports {target}, which is above it"
        if {own, top} <= {"tasks", "context", "store"} and own != top:
            assert "store" not in (own, top), f"{own} and {top} are siblings"


def test_no_import_cycle() -> None:
    graph = {module_name(p): internal(p) for p in FILES}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_standard_library_is_imported(path: Path) -> None:
    for parts in imports(path):
        assert parts[0] in sys.stdlib_module_names or parts[0] in ("litequeue", "__future__"), parts


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_what_executes_never_sees_the_store(path: Path) -> None:
    if module_name(path).split(".")[0] == "pools":
        assert not any(target.split(".")[0] == "store" for target in internal(path))


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_sql_is_in_the_store_alone(path: Path) -> None:
    name = module_name(path)
    if name.split(".")[0] == "store" or name == "cli.floor":  # the floor is raw sqlite3 on purpose
        return
    words = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ")
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.lstrip().startswith(words), node.value[:60]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_the_wall_clock_and_randomness_are_read_in_one_place(path: Path) -> None:
    name = module_name(path)
    if name == "clock" or name.startswith("cli"):
        return
    allowed = {"store.gate": {"random.uniform"}}.get(name, set())
    wall = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "random.random",
            "random.uniform", "random.randint", "random.choice"}  # fmt: skip
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = f"{node.value.id}.{node.attr}"
            assert used not in wall - allowed, f"{used} in {name}:{node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_module_says_what_it_owns_and_has_one_idea(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= 400, "two ideas in it"


def test_nothing_tells_people_to_install_another_project() -> None:
    forbidden = "pip install " + "litequeue"
    texts = [*FILES, *ROOT.glob("*.md"), *ROOT.glob("examples/*.py")]
    assert not [p for p in texts if forbidden in p.read_text()]


@pytest.mark.parametrize("words", [["stats"], ["jobs"], ["enqueue", "tasks.t"], ["worker", "--burst"]], ids=lambda w: w[0])
def test_a_command_imports_nothing_that_it_does_not_need(tmp_path: Path, words: list[str]) -> None:
    """asyncio is 24 of the 150 ms that a worker takes to start; time zones and cron are 37 of those of ``stats``."""
    LiteQueue(tmp_path / "db").stats()
    command = [words[0], str(tmp_path / "db"), *words[1:]]
    code = f"import sys; from litequeue.cli import main; main({command!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    dear = {"asyncio", "zoneinfo", "email", "http", "ssl", "subprocess", "multiprocessing", "litequeue.cron"}
    assert not dear & set(done.stdout.splitlines()[-1].split())
