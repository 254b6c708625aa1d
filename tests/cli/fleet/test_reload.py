"""``--reload``: which files are looked at, what a change is, and a worker that has the new code."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path

import pytest

from litequeue.cli.fleet import child, reload
from litequeue.cli.fleet.reload import Watch, slip

from ...support import wait_until
from .running import running

pytestmark = pytest.mark.beside


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "tasks.py").write_text("x = 1\n")
    return tmp_path / "tasks.py"


LATER = 1 << 62  # no file was written since


def watching(*files: Path) -> Watch:
    watch = Watch()
    for one in files:
        watch.add(str(one), LATER)
    assert watch.look() is None
    return watch


def test_a_file_that_was_written_is_a_change_once(file: Path) -> None:
    watch = watching(file)
    file.write_text("x = 22\n")
    assert watch.look() == str(file)
    assert watch.look() is None


def test_a_file_that_was_written_since_its_worker_began_is_a_change(file: Path) -> None:
    """The supervisor hears of it only after it was loaded, and what was written in between would never be seen."""
    watch, written = Watch(), file.stat().st_mtime_ns // 1000
    watch.add(str(file), written)
    assert watch.look() == str(file)
    watch.add(str(file), 0)  # by the next worker, which has it
    assert watch.look() is None


def test_an_editor_that_puts_a_new_file_in_its_place_makes_one_change(file: Path) -> None:
    watch = watching(file)
    file.unlink()
    assert watch.look() is None, "it is being written"
    file.write_text("x = 2\n")
    assert watch.look() == str(file)


def test_a_slip_of_the_syntax_is_told_and_is_no_change(file: Path) -> None:
    watch = watching(file)
    file.write_text("def f(:\n")
    assert slip(str(file)) == f"{file}, line 1: invalid syntax"
    assert watch.look() is None
    file.write_text("def f(): pass\n")
    assert watch.look() == str(file)


def test_a_file_with_a_slip_that_is_gone_holds_no_other_up(file: Path) -> None:
    other = file.with_name("other.py")
    other.write_text("y = 1\n")
    watch = watching(file, other)
    other.write_text("y = (\n")
    file.write_text("x = 22\n")
    assert watch.look() is None
    other.unlink()
    assert watch.look() == str(file), "a change that was seen meanwhile"
    assert watch.look() is None
    other.write_text("y = (\n")
    assert watch.look() is None
    other.write_text("y = 2\n")
    assert watch.look() == str(other)


def test_another_file_is_no_change_while_there_is_a_slip_in_one(file: Path) -> None:
    other = file.with_name("other.py")
    other.write_text("")
    watch = watching(file, other)
    file.write_text("def f(:\n")
    other.write_text("y = 1\n")
    assert watch.look() is None
    other.write_text("y = 22\n")
    assert watch.look() is None
    file.write_text("x = 2\n")
    assert watch.look() == str(file)


def test_warnings_of_the_compiler_are_not_the_supervisors_to_show(file: Path) -> None:
    file.write_text("x = 1 is 1\n")
    assert slip(str(file)) is None


def test_no_more_files_are_looked_at_than_two_thousand_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"m{number}.py" for number in range(1000)]
    for one in files:
        one.write_text("")
    watch = watching(*files)
    looked = list[str]()
    real = reload.signature_of
    monkeypatch.setattr(reload, "signature_of", lambda path: looked.append(path) or real(path))
    seconds = 0.0
    for _ in range(5):
        watch.look()
        seconds += watch.pause
    assert len(looked) == 2000 and set(looked) == {str(one) for one in files} and len(looked) / seconds <= reload.LOOKS
    files[-1].write_text("x = 1\n")
    assert str(files[-1]) in {watch.look() for _ in range(3)}


def test_while_no_worker_is_there_a_new_module_is_a_change_too(file: Path) -> None:
    watch = watching(file)
    assert watch.look(anew=True) is None
    (file.parent / "db.sqlite-wal").touch()
    (file.parent / "__pycache__").mkdir()
    assert watch.look(anew=True) is None
    (file.parent / "missing.py").touch()
    assert watch.look(anew=True) == str(file.parent / "missing.py")


def test_what_is_installed_is_nobodys_to_edit(file: Path) -> None:
    assert child.is_own(str(file))
    assert not child.is_own(os.__file__) and not child.is_own(str(file.with_suffix(".so"))) and not child.is_own(str(file.parent / "gone.py"))
    assert not child.is_own(os.path.join(sysconfig.get_path("purelib"), "pip", "__init__.py"))
    assert sys.prefix not in child._installed() or sys.prefix != sys.base_prefix, "a container's /usr/src/app is not installed"


def test_the_files_of_an_import_that_failed(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text("import inner_of_it\n")
    (tmp_path / "inner_of_it.py").write_text("def f(:\n")
    sys.path.insert(0, str(tmp_path))
    try:
        __import__("outer")
    except SyntaxError as error:
        wrapped = RuntimeError("it cannot be imported")
        wrapped.__cause__ = error
        assert {str(tmp_path / "outer.py"), str(tmp_path / "inner_of_it.py")} <= set(child._files_of(wrapped))
    else:  # pragma: no cover
        pytest.fail("it was imported")
    finally:
        sys.path.remove(str(tmp_path))


@pytest.mark.slow
def test_a_worker_has_the_new_code_and_outlives_slips(tmp_path: Path) -> None:
    code = "from litequeue import LiteQueue\nimport helper\napp = LiteQueue('db.sqlite')\n@app.task\ndef value():\n    return helper.VALUE\n"
    helper = tmp_path / "helper.py"
    helper.write_text("VALUE = 1\n")
    with running(tmp_path, "--reload", workers=1, tasks=code) as ours:

        def value() -> object:
            return ours.app.send_task("tasks.value").get(timeout=30)

        assert value() == 1
        old = ours.pids()
        helper.write_text("VALUE = 2\n")
        wait_until(lambda: value() == 2, 30)
        assert set(ours.pids()).isdisjoint(old)
        ours.wait_for_line(f"{helper} was changed: the code is loaded anew")
        now = ours.wait_for(1)
        helper.write_text("VALUE = = 3\n")
        ours.wait_for_line(f"{helper}, line 1: invalid syntax; what runs goes on as it was")
        assert value() == 2 and ours.pids() == now
        helper.write_text("import no_such_module_yet\nVALUE = no_such_module_yet.VALUE\n")
        ours.wait_for_line("did not come up (exit code 2): it is tried again when a file has changed")
        assert ours.command.poll() is None
        (tmp_path / "no_such_module_yet.py").write_text("VALUE = 4\n")
        assert value() == 4


@pytest.mark.slow
def test_code_that_is_broken_from_the_beginning_is_waited_for(tmp_path: Path) -> None:
    with running(tmp_path, "--reload", workers=2, up=False, tasks="raise ValueError('not yet')\n") as ours:
        ours.wait_for_line("it is tried again when a file has changed")
        (tmp_path / "tasks.py").write_text("from litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef value(): return 5\n")
        assert ours.app.send_task("tasks.value").get(timeout=30) == 5
        ours.wait_for(2)
