"""Tasks and handles among other things: copied, pickled, and given where they do not belong."""

from __future__ import annotations

import copy
import dataclasses
import gc
import multiprocessing
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue, PayloadError, current_job
from litequeue.client import client_of
from litequeue.job import Job
from litequeue.known import _known

from . import sample
from .support import environment

pytestmark = pytest.mark.beside


def test_a_task_is_copied_and_pickled_as_the_function_is(sample_app: LiteQueue) -> None:
    assert copy.copy(sample.add) is sample.add
    assert copy.deepcopy({"task": sample.add})["task"] is sample.add
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps([sample.add], protocol))[0] is sample.add


def test_a_task_that_no_import_finds_is_refused_by_pickle_as_its_function_is(app: LiteQueue) -> None:
    @app.task
    def inner() -> None: ...

    assert copy.deepcopy(inner) is inner
    with pytest.raises((pickle.PicklingError, AttributeError), match="inner"):
        pickle.dumps(inner)


def test_a_handle_is_copied_and_pickled_by_file_and_id(sample_app: LiteQueue) -> None:
    job = sample.add.delay(1, 2)
    batch = sample.add.delay_many([(1, 1), (2, 2)])
    for back in (copy.copy(job), copy.deepcopy([job])[0], pickle.loads(pickle.dumps(job))):
        assert type(back) is Job and back == job and hash(back) == hash(job) and back.state == "available"
    for again in (copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))):
        assert list(again) == list(batch) and again[1].state == "available"


@dataclasses.dataclass
class Point:
    x: int


def test_a_pickled_handle_knows_the_types_of_the_app_that_is_here(app: LiteQueue) -> None:
    app.register_type(Point)

    @app.task
    def point() -> Point:
        return Point(3)

    job = point.delay()
    with app.worker(burst=True) as worker:
        worker.join()
    text = pickle.dumps(job)
    assert pickle.loads(text).get(timeout=5) == Point(3)


@pytest.mark.slow
def test_a_pickled_handle_works_in_another_process(sample_app: LiteQueue, db: Path) -> None:
    """Which has no app of that file."""
    job = sample.add.delay(1, 2)
    code = "import pickle, sys; job = pickle.loads(sys.stdin.buffer.read()); print(job.id, job.state, job.cancel())"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(job), env=environment(), capture_output=True, check=False)
    assert done.stdout.decode().split() == [str(job.id), "available", "True"], done.stderr
    assert job.state == "cancelled"


def _state(job: Job[Any]) -> str:
    return job.state


@pytest.mark.slow
def test_a_handle_goes_to_a_pool_of_multiprocessing(sample_app: LiteQueue) -> None:
    job = sample.add.delay(1, 2)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_state, (job,)) == "available"
        pool.close()
        pool.join()


def test_what_is_ours_is_refused_as_an_argument_with_what_to_pass(app: LiteQueue) -> None:
    @app.task
    def f(x: Any) -> Any: ...

    @app.task
    def context() -> None:
        with pytest.raises(PayloadError, match=r"args\[0\].*current_job\(\)"):
            f.delay(current_job())

    job = f.delay(1)
    for value, says in (
        (job, r"pass its id \(job.id\).*app.job\(id\)"), (f.delay_many([(1,)]), r"list\(batch.ids\)"),
        (f, r"pass its name \(task.name\)"), (app, r"pass its path \(app.path\)"),
    ):  # fmt: skip
        with pytest.raises(PayloadError, match=rf"args\[0\]\['k'\] cannot be stored: .*{says}"):
            f.delay({"k": value})
    running = context.delay()
    with app.worker(burst=True) as worker:
        worker.join()
    assert running.get(timeout=5) is None


def test_a_job_is_found_by_the_digits_of_its_id(app: LiteQueue) -> None:
    assert app.job("17").id == 17 and type(app.job("17").id) is int
    for wrong in ("", "x", "1.0", "-1", " 1", "1_0", "²", "٣", "9" * 5000):
        with pytest.raises((InvalidType, InvalidArgument), match="job_id"):
            app.job(wrong)
    for outside in ("0", str(2**63)):
        with pytest.raises(InvalidArgument, match="job_id"):
            app.job(outside)


class Mailer:
    def send(self) -> None: ...

    @classmethod
    def make(cls) -> None: ...


def test_a_bound_method_is_no_task(app: LiteQueue) -> None:
    for register in (app.task, app.task(name="x"), app.on_discarded):
        with pytest.raises(InvalidType, match=r"Mailer.send is bound to an object.*write a function"):
            register(Mailer().send)
    assert app.task(Mailer.make).name.endswith("Mailer.make")


def test_files_that_nobody_uses_any_more_are_forgotten(tmp_path: Path) -> None:
    for number in range(250):
        LiteQueue(tmp_path / str(number))
    kept = LiteQueue(tmp_path / "kept")
    gc.collect()
    LiteQueue(tmp_path / "last")
    assert client_of(kept.path) is kept._client
    assert len(_known) <= 100 + sum(noted() is not None for noted in _known.values())
    bare = client_of(str(tmp_path / "nobody's"))
    assert client_of(str(tmp_path / "nobody's")) is bare
    later = LiteQueue(tmp_path / "nobody's")
    assert client_of(later.path) is later._client
