"""The rules that keep the package readable, checked from its syntax trees."""

from __future__ import annotations

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import litequeue
from litequeue import LiteQueue

from .support import ROOT, environment, parsed

pytestmark = pytest.mark.beside

PACKAGE = ROOT / "litequeue"

# From the top floor down. A room is a folder, or a module that lies in the package itself; it imports from lower floors
# only, and the rooms of one floor do not know each other. A new file in a folder needs no line here.
FLOORS = (
    ("__main__", "django"),
    ("cli", "testing"),
    ("celery", "compat"),
    ("__init__",),
    ("app",),
    ("futures", "web"),
    ("worker", "binding", "acting", "exposition"),
    ("schedules", "alerts", "shared", "searches", "doctor"),
    ("task",),
    ("workflow", "payloads", "locks", "limits", "transactions", "loops", "hooks", "backup"),
    ("lock", "limit", "using", "late"),
    ("jobs",),
    ("job",),
    ("subscription", "many", "shown", "results"),
    ("client",),
    ("opening",),
    ("given", "known", "origins", "unique"),
    ("store", "pools", "commands"),
    ("triggers", "tasks"),
    ("cron", "crontab", "payload", "options"),
    ("base",),
)
FLOOR = {room: len(FLOORS) - number for number, rooms in enumerate(FLOORS) for room in rooms}

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in FILES}
FOLDERS = {name for name, path in MODULES.items() if path.name == "__init__.py" and name != "__init__"}


@functools.cache
def tree(path: Path) -> ast.Module:
    return parsed(path)


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


@functools.cache
def imports(path: Path) -> list[tuple[str, ...]]:
    """Every import of the file, hidden ones too, as absolute dotted parts."""
    package = ("litequeue", *path.relative_to(PACKAGE).parts[:-1])
    found: list[tuple[str, ...]] = []
    for node in nodes(path):
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


def room(module: str) -> str:
    return module.split(".")[0]


def folder(module: str) -> str:
    """The folder that a module lies in; a folder lies in itself."""
    return module if module in FOLDERS else module.rpartition(".")[0]


def of_every_file(rule: Callable[[Path], None]) -> Callable[[], None]:
    """One test, which names all files that break the rule: as tests of their own the 190 files were 2 of its 5 seconds."""

    def test() -> None:
        broken = []
        for path in FILES:
            try:
                rule(path)
            except AssertionError as error:
                broken.append(f"{module_name(path)}: {error}")
        assert not broken, "\n".join(broken)

    test.__name__, test.__doc__ = rule.__name__, rule.__doc__
    return test


@of_every_file
def test_imports_point_down(path: Path) -> None:
    own = room(module_name(path))
    for target in internal(path):
        # `from .. import __version__` looks at the package itself, which is there whoever imports what.
        if room(target) != own and not (own == "cli" and target == "__init__"):
            assert FLOOR[room(target)] < FLOOR[own], f"{own} imports {target}, which is not below it"


@of_every_file
def test_the_store_never_sees_users_code(path: Path) -> None:
    """And what executes never sees the store: the two are on one floor."""
    if room(module_name(path)) == "store":
        assert {room(target) for target in internal(path)} <= {"store", "triggers", "base"}


def test_no_import_cycle() -> None:
    graph = {module_name(p): internal(p) - {folder(module_name(p))} for p in FILES}
    graphlib.TopologicalSorter(graph).prepare()


@of_every_file
def test_nobody_reaches_past_a_room_into_a_file_that_it_does_not_name(path: Path) -> None:
    """What a folder does not hand on itself is imported from a file that its docstring names."""
    own = folder(module_name(path))
    for target in internal(path):
        there = folder(target)
        if target not in FOLDERS and there and there != own and not own.startswith(f"{there}."):
            said = ast.get_docstring(tree(MODULES[there])) or ""
            assert f"``{target.rpartition('.')[2]}``" in said, f"{there}/__init__.py does not name {target}"


@pytest.mark.parametrize("name", sorted(FOLDERS))
def test_a_folder_names_all_of_its_files(name: str) -> None:
    """What lives there, what it may import, and what to read first."""
    said = ast.get_docstring(tree(MODULES[name])) or ""
    inside = {module.rpartition(".")[2] for module in MODULES if module.rpartition(".")[0] == name}
    assert inside <= set(re.findall(r"``(\w+)``", said)), name
    if "." not in name:
        assert re.search(r"Read\s+``\w+``\s+first", said), name
        assert re.search(r"imports\s+nothing|May\s+import", said), name


# What bridges lead to, which only their users import.
BRIDGED = {"testing.fixture": ("pytest",), "celery": ("celery", "kombu"), "django": ("django", "django_tasks", "asgiref")}


@of_every_file
def test_only_the_standard_library_is_imported(path: Path) -> None:
    name = module_name(path)
    others = ("litequeue", "__future__", "annotationlib", *BRIDGED.get(name, BRIDGED.get(room(name), ())))  # the third is new in 3.14
    for parts in imports(path):
        assert parts[0] in sys.stdlib_module_names or parts[0] in others, parts


@of_every_file
def test_sql_is_in_the_store_alone(path: Path) -> None:
    name = module_name(path)
    if room(name) == "store" or name == "cli.bench.floor":  # the floor is raw sqlite3 on purpose
        return
    words = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ")
    for node in nodes(path):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not node.value.lstrip().startswith(words), node.value[:60]


@of_every_file
def test_what_a_file_may_hold_is_printed_in_one_place_which_cleans_it(path: Path) -> None:
    """``print`` and its like would hand on what drives a terminal. The others show nothing that a row has told them, or run by themselves (what answers
    a shell), with names that have been cleaned."""
    name = module_name(path)
    if room(name) != "cli" or name in ("cli.printing", "cli.demo", "cli.help", "cli.completion.answering") or folder(name) == "cli.bench":
        return
    for node in nodes(path):
        if isinstance(node, ast.Call):
            words = ast.unparse(node.func)
            assert words != "print" and not re.fullmatch(r"sys\.std(out|err)\.write", words), f"{words} in line {node.lineno}"


@of_every_file
def test_the_wall_clock_and_randomness_are_read_in_one_place(path: Path) -> None:
    name = module_name(path)
    if name == "base.clock" or room(name) == "cli":
        return
    allowed = {"store.file.gate": {"random.uniform"}}.get(name, set())
    wall = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "random.random",
            "random.uniform", "random.randint", "random.choice"}  # fmt: skip
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            used = f"{node.value.id}.{node.attr}"
            assert used not in wall - allowed, f"{used} in {name}:{node.lineno}"


@of_every_file
def test_durations_are_measured_by_the_clocks_own_monotonic(path: Path) -> None:
    """What a test's frozen time cannot stop. The supervisor of commands, and what reads names for a shell, run by themselves and
    import nothing of ours."""
    if module_name(path) not in ("base.clock", "commands.supervisor", "store.suggested") and room(module_name(path)) != "cli":
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("time", "monotonic"), node.lineno


@of_every_file
def test_every_module_says_what_it_owns_and_has_one_idea(path: Path) -> None:
    assert ast.get_docstring(tree(path)), "no docstring"
    assert len(path.read_text().splitlines()) <= 320, "two ideas in it"


def test_errors_are_shown_by_the_name_that_people_import_them_by() -> None:
    errors = [value for name, value in vars(litequeue).items() if name in litequeue.__all__ and isinstance(value, type)
              and issubclass(value, BaseException)]  # fmt: skip
    assert len(errors) > 30
    assert {error.__module__ for error in errors} == {"litequeue"}


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
    dear |= {"pydoc", "difflib", "litequeue.cli.help"}
    dear |= {"litequeue.store.alerts", "litequeue.alerts"} if words[0] != "stats" else set()  # which shows those that fire
    assert not dear & set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_imports_neither_sqlite_nor_the_store() -> None:
    """They are a third of it, and a program may import its tasks and enqueue none."""
    code = "import sys, litequeue; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not {"sqlite3", "litequeue.store", "litequeue.worker", "litequeue.pools", "litequeue.web", "http", "selectors"} & loaded
