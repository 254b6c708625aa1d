"""A script whose classes are pickled, its worker in another process, and pools of processes: a class has one name in all of them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue.payload import pickled

from ..prepared import litequeue
from ..support import environment

pytestmark = pytest.mark.beside

SHOP = """
import sys
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")
app.sign_with("~/keys/shop")

class Point:
    def __init__(self, x):
        self.x = x

class Places:
    class Inner(Point):
        pass

def double(x):
    return 2 * x

@app.task(codec="pickle")
def move(point, function):
    assert type(point) in (Point, Places.Inner), type(point)
    return type(point)(function(point.x))

@app.task(codec="pickle", pool="process")
def move_there(point, function):
    assert type(point) in (Point, Places.Inner), type(point)
    return type(point)(function(point.x))

if __name__ == "__main__":
    jobs = [task.delay(cls(4), double) for task in (move, move_there) for cls in (Point, Places.Inner)]
    if sys.argv[1:] == ["alone"]:
        with app.worker(processes=1, burst=True) as worker:
            worker.join()
    else:
        import subprocess
        subprocess.run([sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst", "--processes", "1"], check=True, capture_output=True)
    results = [job.get(timeout=0) for job in jobs]
    assert [type(result) for result in results] == [Point, Places.Inner] * 2
    print([result.x for result in results])
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["alone", "with a worker"])
def test_a_script_and_its_worker_mean_one_class(tmp_path: Path, how: str) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "keys").mkdir()
    environ = {**environment(), "HOME": str(tmp_path)}
    assert litequeue("signing-key", tmp_path / "keys" / "shop").returncode == 0
    done = subprocess.run([sys.executable, "shop.py", how], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[8, 8, 8, 8]\n", "")


def test_what_is_of_no_module_is_pickled_as_ever() -> None:
    for value in ([1, {"a": (None,)}], pickled.loads, pickle.PicklingError, Path("/x"), "__main__"):
        assert pickled.loads(pickled.dumps(value)) == value
    assert pickled.dumps([1]) == pickle.dumps([1], 5)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickled.dumps(lambda: "__main__")


def test_what_is_not_there_any_more_is_an_error() -> None:
    for data in (b"cno.such.module\nThing\n.", b"clitequeue.payload.pickled\nno_such\n."):
        with pytest.raises((ImportError, AttributeError)):
            pickled.loads(data)
    with pytest.raises(AttributeError, match="has no No.Such"):
        pickled.at_home("pickle", "No.Such")
