"""What tasks and types are called: one name for one function, whoever makes it and wherever it is run from."""

from __future__ import annotations

import functools
import importlib
import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidArgument, LiteQueue, origins
from litequeue.base.homes import as_named
from litequeue.base.models import TaskOrigin
from litequeue.commands.command import NAME

from ..prepared import litequeue
from ..support import environment, wait_until

pytestmark = pytest.mark.beside

# -- two tasks, one name -----------------------------------------------------------------------------------


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that forgot functools.wraps."""

    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def well_logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


def test_a_decorator_without_wraps_cannot_make_one_task_stand_for_another(app: LiteQueue) -> None:
    @app.task
    @logged
    def send_invoice() -> str:
        return "invoice"

    with pytest.raises(InvalidArgument, match=r"already a task named.*test_naming.*wrapper.*functools\.wraps.*name="):

        @app.task
        @logged
        def delete_account() -> str:
            return "deleted"

    assert app._tasks[send_invoice.name].function() == "invoice"


def test_with_wraps_or_a_name_both_are_tasks(app: LiteQueue) -> None:
    def send() -> None: ...
    def delete() -> None: ...

    assert app.task(well_logged(send)).name.endswith(".send")
    assert app.task(well_logged(delete)).name.endswith(".delete")
    assert [app.task(name=name)(logged(send)).name for name in ("one", "two")] == ["one", "two"]


def test_a_factory_needs_names(app: LiteQueue) -> None:
    def make(n: int) -> Callable[[], int]:
        def task() -> int:
            return n

        return task

    first = make(1)
    app.task(first)
    app.task(first)  # the same function is the same task
    with pytest.raises(InvalidArgument, match="factory"):
        app.task(make(2))


def test_two_functions_of_one_name_in_one_module_are_refused(tmp_path: Path) -> None:
    (tmp_path / "twice.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db')\n"
        "@app.task\ndef send(): return 1\n@app.task\ndef send(): return 2\n"
    )
    done = subprocess.run([sys.executable, "-c", "import twice"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert "InvalidArgument: there is already a task named 'twice.send', twice.send (line 3 of" in done.stderr
    assert "line 5 of" in done.stderr


def test_a_decorator_of_one_module_makes_no_two_tasks_of_two_others_one(tmp_path: Path) -> None:
    """send_invoice.delay() returned "deleted"."""
    (tmp_path / "lib.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db')\n"
        "def logged(f):\n    def wrapper(*args): return f(*args)\n    return wrapper\n"
    )
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(f"from lib import app, logged\n@app.task\n@logged\ndef {name}_task(): return {name!r}\n")
    done = subprocess.run([sys.executable, "-c", "import a, b"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert "there is already a task named 'lib.logged.wrapper'" in done.stderr and "functools.wraps" in done.stderr


def test_the_bodies_of_two_classes_are_not_a_module_that_is_executed_twice(app: LiteQueue) -> None:
    class A:
        one = app.task(logged(lambda: 1))

    with pytest.raises(InvalidArgument, match="already a task named"):

        class B:
            two = app.task(logged(lambda: 2))

    assert app._tasks[A.one.name].function() == 1


def test_of_two_modules_with_a_task_of_one_name_a_worker_imports_one(tmp_path: Path) -> None:
    for name in ("m1", "m2"):
        (tmp_path / f"{name}.py").write_text(
            f"from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task(name='send')\ndef send(): return {name!r}\n"
        )
    (tmp_path / "both.py").write_text("from m1 import send\n")
    words = ("worker", "db.sqlite", "--burst", "--import", "m1", "--import")
    done = litequeue(*words, "m2", cwd=tmp_path)
    assert done.returncode == 2
    assert "--import m2: there is already a task named 'send', m1.send (line 3 of" in done.stderr
    assert litequeue(*words, "both", cwd=tmp_path).returncode == 0, "it is the same task"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an edit within a second must be seen
    yield tmp_path / "reloaded_tasks.py"
    sys.modules.pop("reloaded_tasks", None)


def test_a_module_that_is_reloaded_has_its_new_code(module: Path) -> None:
    text = "from litequeue import LiteQueue\ntry: app\nexcept NameError: app = LiteQueue('db')\n@app.task\ndef f(): return {}\n"
    module.write_text(text.format(1))
    loaded: Any = importlib.import_module("reloaded_tasks")
    module.write_text("\n\n" + text.format(2))
    importlib.invalidate_caches()
    importlib.reload(loaded)
    assert loaded.app._tasks["reloaded_tasks.f"].function() == 2


def test_a_notebooks_cell_may_be_run_again() -> None:
    """A cell is compiled and executed by itself, in the one namespace of the notebook."""
    cells = ["from litequeue import LiteQueue\napp = LiteQueue('db')", "@app.task(name='f')\ndef f(): return 1",
             "@app.task(name='f')\ndef f(): return 2"]  # fmt: skip
    space: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        exec(compile(cell, f"<cell {number}>", "exec"), space)  # noqa: S102
    assert space["app"]._tasks["f"].function() == 2


# -- scripts, shells and notebooks ----------------------------------------------------------------------------

SCRIPT = """
import dataclasses, enum, sys
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")

@dataclasses.dataclass
class Point:
    x: int

class Colour(enum.Enum):
    RED = 1

app.register_type(Point)
app.register_type(Colour)

@app.task
def run(point, colour):
    return [point, colour, __name__]

@app.task(pool="process")
def apart(point):
    return point

if __name__ == "__main__":
    jobs = run.delay(Point(1), Colour.RED), apart.delay(Point(2))
    if sys.argv[1:] == ["embedded"]:
        with app.worker():
            print(*[job.get(timeout=20) for job in jobs])
    print(run.name)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "name"),
    [("send-mail.py", "send-mail"), ("tasks.py", "tasks"), ("my.script.py", "my_script"), ("2nd run.py", "2nd_run"), ("tool", "tool")],
)
def test_a_worker_runs_the_tasks_of_any_script_and_its_types_are_the_same_on_both_sides(
    tmp_path: Path, file: str, name: str
) -> None:
    (tmp_path / file).write_text(SCRIPT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for word in ("", "embedded"):
        done = subprocess.run(
            [sys.executable, file, *filter(None, [word])], cwd=tmp_path, env=environment(), capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout.splitlines()[-1:] == [f"{name}.run"], done.stderr
        worker = litequeue("worker", tmp_path / "db.sqlite", "--burst", cwd=elsewhere)
        assert worker.returncode == 0, worker.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert {info.state for info in app.jobs()} == {"succeeded"}, [info.last_error for info in app.jobs()]
        result = json.loads(app.job(1).info().result or "")
        assert result[2] == name and f"{name}.Point" in json.dumps(result) and f"{name}.Colour" in json.dumps(result)


@pytest.mark.slow
def test_two_programs_of_one_file_do_not_run_each_others_jobs(tmp_path: Path) -> None:
    """Both were __main__.run once."""
    for name in ("send-mail.py", "send-bill.py"):
        (tmp_path / name).write_text(SCRIPT)
        subprocess.run([sys.executable, name], cwd=tmp_path, env=environment(), timeout=30, check=True, capture_output=True)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert sorted({info.task for info in app.jobs()}) == [
            "send-bill.apart", "send-bill.run", "send-mail.apart", "send-mail.run",
        ]  # fmt: skip


@pytest.mark.slow
def test_two_programs_that_call_two_tasks_the_same_are_told(tmp_path: Path) -> None:
    """x/main.py and y/main.py: x's job ran y's code, and nobody said a word."""
    said = []
    for folder in ("x", "y", "y", "x"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "main.py").write_text(
            f"from litequeue import LiteQueue\napp = LiteQueue({str(tmp_path / 'db.sqlite')!r})\n@app.task\ndef run(): ...\n"
            "if __name__ == '__main__':\n    run.delay(); run.delay()\n"
        )
        done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path / folder, env=environment(), capture_output=True, text=True, check=True)
        said.append(done.stderr.count(f"task main.run was recorded from {tmp_path}/"))
    assert said == [0, 1, 0, 1]


def test_two_installations_of_litequeue_are_not_told_apart_by_their_commands(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Root's and a user's, say: each worker runs commands with its own, whoever enqueued them."""
    origin = TaskOrigin(NAME, "litequeue.commands.command", "run_command", "/here", "{}")
    (tmp_path / "litequeue" / "commands").mkdir(parents=True)
    (tmp_path / "litequeue" / "commands" / "command.py").touch()
    origins.compare(origin, origin._replace(directory=str(tmp_path)))
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize("words", ["tasks.py", "./tasks.py", "{}/tasks.py", "send-mail.py"])
def test_a_module_can_be_imported_by_its_file(tmp_path: Path, words: str) -> None:
    for file in ("tasks.py", "send-mail.py"):
        (tmp_path / file).write_text(SCRIPT)
    file = words.format(tmp_path)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        app.enqueue(f"{Path(file).stem}.run", 1, 2)
    done = litequeue("worker", "db.sqlite", "--import", file, "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert app.job(1).state == "succeeded"
    missing = litequeue("worker", "db.sqlite", "--import", "no/such.py", "--burst", cwd=tmp_path)
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1) and f"there is no file {tmp_path}/no/such.py" in missing.stderr


@pytest.mark.slow
def test_a_task_of_a_shell_wants_a_name_and_its_jobs_say_that_no_other_process_can_run_them(tmp_path: Path) -> None:
    shell = "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n"
    plain = f"{shell}@app.task\ndef f(): ...\n"
    done = subprocess.run([sys.executable, "-"], input=plain, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert "made in a shell or a notebook" in done.stderr and "give it a name=" in done.stderr
    named = f"{shell}@app.task(name='f')\ndef f(): return 7\n\njob = f.delay()\nwith app.worker(): print(job.get(timeout=10))\nf.delay()\n"
    done = subprocess.run([sys.executable, "-"], input=named, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.stdout == "7\n", done.stderr
    done = litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path)
    assert "made in a shell or a notebook, which no other process can load" in done.stderr
    assert "--import" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["-m", "asyncio"], ["-c", "import code; code.interact()"], ["-c", "import code; code.interact(local={})"]],
    ids=["asyncio", "code", "bare"],
)
def test_other_shells_are_shells(tmp_path: Path, words: list[str]) -> None:
    plain = "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\ndef f(): return 7\n\napp.task(f)\n"
    named = "app.task(name='f')(f).delay()\nw = app.worker().start(); print('it', 'is', app.job(1).get(timeout=10)); w.stop()\n"
    done = subprocess.run(
        [sys.executable, *words], input=plain + named, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert "is made in a shell or a notebook" in done.stderr
    assert "it is 7" in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("tool", [["cProfile"], ["profile"], ["trace", "--count", "--coverdir", "x", "--missing"], ["pdb", "-c", "c"]], ids=" ".join)
def test_a_script_under_one_of_pythons_tools_has_its_own_name(tmp_path: Path, tool: list[str]) -> None:
    """Under Python 3.11's cProfile tasks were named after that."""
    (tmp_path / "shop.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef f(): return 7\n"
        "if __name__ == '__main__': f.delay()\n"
    )
    subprocess.run(
        [sys.executable, "-m", *tool, "shop.py"], cwd=tmp_path, env=environment(), input="q\n", capture_output=True, text=True, check=True
    )
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert app.job(1).info().task == "shop.f"
        assert litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path).returncode == 0
        assert app.job(1).get(timeout=1) == 7


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["cProfile", "profile"])
def test_a_module_under_one_of_pythons_tools_has_its_own_name(tmp_path: Path, tool: str) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.py").write_text(
        "from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef f(): return 7\n"
        "if __name__ == '__main__': f.delay()\n"
    )
    subprocess.run(
        [sys.executable, "-m", tool, "-m", "shop.orders"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert app.job(1).info().task == "shop.orders.f"
        assert litequeue("worker", "db.sqlite", "--burst", cwd=tmp_path).returncode == 0
        assert app.job(1).get(timeout=1) == 7


@pytest.mark.slow
def test_the_shell_of_a_terminal_is_one_too(tmp_path: Path) -> None:
    """Since Python 3.13 it is a module, _pyrepl.__main__, and tasks were named by that."""
    environ = {**environment(), "TERM": "xterm", "PYTHON_HISTORY": str(tmp_path / "history")}
    ours, theirs = pty.openpty()
    shell = subprocess.Popen([sys.executable, "-i"], cwd=tmp_path, env=environ, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = ""

    def hears(text: str) -> bool:
        nonlocal said
        if select.select([ours], [], [], 0.05)[0]:
            said += os.read(ours, 100_000).decode(errors="replace")
        return ">>> " in said.rpartition(text)[2] if text in said else False  # what is typed before the prompt may be lost

    try:
        for line, answer in (
            ("", "\n"),
            ("from litequeue import LiteQueue; app = LiteQueue('db.sqlite'); print('do' + 'ne')", "done"),
            ("""exec("def f(): return __name__ + '!'"); print('do' + 'ne')""", "done"),
            ("app.task(f)", "is made in a shell or a notebook"),
            ("""exec("with app.worker(): print(app.task(name='f')(f).delay().get(timeout=10))")""", "__main__!"),
        ):
            said = ""
            os.write(ours, f"{line}\r".encode() if line else b"")
            wait_until(lambda answer=answer: hears(answer), what=f"{answer!r} after {line!r}, not {said!r}")  # type: ignore[misc]
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


# -- looking through a module's names -------------------------------------------------------------------------

LAZY = """
from litequeue import LiteQueue

class Proxy:
    __slots__ = ()
    @property
    def __class__(self): raise RuntimeError("working outside of application context")
    @property
    def __dict__(self): raise RuntimeError("working outside of application context")
    def __getattr__(self, name): raise RuntimeError("working outside of application context")
    def __bool__(self): raise RuntimeError("working outside of application context")
    def __eq__(self, other): raise RuntimeError("working outside of application context")

class Meta(type):
    def __getattr__(cls, name): raise SystemExit("asked a class")

class Odd(metaclass=Meta): ...

current_app = request = Proxy()
app = LiteQueue("db.sqlite")

@app.every("1h")
@app.task
def add(x=1, y=1): return x + y

if __name__ == "__main__":
    add.delay(4, 4)
"""


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("--import", "lazy")], ids=["found", "imported"])
def test_a_proxy_among_a_modules_names_is_not_asked_anything(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """flask's current_app and request raise whatever they are asked: each worker that loaded such a module died."""
    (tmp_path / "lazy.py").write_text(LAZY)
    subprocess.run([sys.executable, "lazy.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    done = litequeue("worker", "db.sqlite", "--burst", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert (app.job(1).state, app.job(1).get()) == ("succeeded", 8)
        assert [info.name for info in app.schedules.list()] == ["lazy.add"]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["by its path", "by going there"])
def test_a_link_to_the_current_release_is_recorded_as_it_is_named_and_leads_to_the_next(tmp_path: Path, how: str) -> None:
    """Though the system calls the directory that one has gone to by the release's own name."""
    current = tmp_path / "current"
    for release in ("41", "42"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "shop.py").write_text(
            f"from litequeue import LiteQueue\napp = LiteQueue({str(tmp_path / 'db.sqlite')!r})\n@app.task\ndef f():\n    return {release!r}  # {'x' * int(release)}\n"
        )
    current.symlink_to("41")
    code = "import shop; shop.f.delay()"
    env = {**environment(), "PWD": str(current if how == "by going there" else tmp_path)}
    if how == "by its path":
        env["PYTHONPATH"] = f"{current}{os.pathsep}{env.get('PYTHONPATH', '')}"
    for _ in range(2):
        cwd = current if how == "by going there" else tmp_path
        subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, check=True, capture_output=True)
    ((name, module, directory),) = [line.split()[:3] for line in litequeue("tasks", tmp_path / "db.sqlite").stdout.splitlines()[1:]]
    assert (name, module, directory) == ("shop.f", "shop", str(current))
    command = [sys.executable, "-m", "litequeue", "worker", str(tmp_path / "db.sqlite"), "--burst", "--max-jobs", "1"]
    subprocess.run(command, cwd=tmp_path, env={**environment(), "PWD": str(tmp_path)}, check=True, capture_output=True)
    current.unlink()
    current.symlink_to("42")
    # A worker that stands in the release itself names it otherwise, and finds it all the same.
    subprocess.run(command, cwd=tmp_path / "42", env={**environment(), "PWD": str(current)}, check=True, capture_output=True)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert sorted(app.job(n).get(timeout=1) for n in (1, 2)) == ["41", "42"]


def test_a_pwd_that_lies_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for lie in ("/", "/etc", "relative", "", str(tmp_path / "nowhere")):
        monkeypatch.setenv("PWD", lie)
        assert as_named(str(tmp_path / "x.py")) == str(tmp_path / "x.py")
    (tmp_path / "link").symlink_to(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path / "link"))
    assert as_named(str(tmp_path / "x.py")) == str(tmp_path / "link" / "x.py")
    assert as_named("/elsewhere/x.py") == "/elsewhere/x.py"
    assert as_named(f"{tmp_path}er/x.py") == f"{tmp_path}er/x.py"
