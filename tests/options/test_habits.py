"""People from elsewhere: what they call things is refused with the name that it has here."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from litequeue import InvalidType, LiteQueue, chain, shared_task
from litequeue.options import options_of
from litequeue.options.habits import APP, JOB, OPTIONS, TASK, WAYS
from litequeue.options.jobs import EnqueueOptions, TaskOptions
from litequeue.options.schedules import ScheduleOptions
from litequeue.options.workers import EmbeddedOptions

from .. import sample
from ..support import environment

Face = Callable[..., Any]


def of_a_task(app: LiteQueue, **options: Any) -> None:
    app.task(**options)


def of_an_enqueue(app: LiteQueue, **options: Any) -> None:
    app.send_task("t", **options)


def of_a_worker(app: LiteQueue, **options: Any) -> None:
    app.worker(**options)


def of_a_schedule(app: LiteQueue, **options: Any) -> None:
    app.schedules.add("s", "t", **options)


@pytest.mark.parametrize(("face", "option", "here"), [
    (of_a_task, "max_retries", "is retries here"),
    (of_a_task, "default_retry_delay", "is backoff here"),
    (of_a_task, "autoretry_for", "is retry_on here"),
    (of_a_task, "retry_backoff", r"is backoff=Backoff\(base=1, cap=600\) here"),
    (of_a_task, "bind", r"current_job\(\) is the running job"),
    (of_a_task, "soft_time_limit", "is soft_timeout here"),
    (of_a_task, "time_limit", "is timeout here"),
    (of_a_task, "acks_late", "unless at_most_once=True"),
    (of_a_task, "ignore_result", "result_ttl"),
    (of_a_task, "rate_limit", "is rate here"),
    (of_a_task, "retry_delay", "is backoff here"),
    (of_a_task, "base", r"is app\.use\(hooks\)"),
    (of_an_enqueue, "link", "is on_success here"),
    (of_an_enqueue, "link_error", "is on_failure here"),
    (of_an_enqueue, "task_id", "unique='KEY'"),
    (of_an_enqueue, "routing_key", "is queue here"),
    (of_an_enqueue, "exchange", "is queue here"),
    (of_an_enqueue, "serializer", "is codec of @app.task here"),
    (of_an_enqueue, "depends_on", "is after here"),
    (of_an_enqueue, "job_timeout", "is timeout here"),
    (of_a_worker, "concurrency", "is threads, processes and async_ here"),
    (of_a_worker, "beat", "every worker fires the schedules"),
    (of_a_schedule, "misfire_grace_time", "is grace here"),
    (of_a_schedule, "coalesce", "is catch_up here"),
    (of_a_schedule, "max_instances", "is overlap of a schedule here"),
    (of_a_schedule, "replace_existing", "is replace=True here"),
    (of_a_schedule, "minutes", "is every here"),
    (of_a_schedule, "day_of_week", "is cron here"),
])  # fmt: skip
def test_an_option_by_another_name_is_refused_with_its_name_here(app: LiteQueue, face: Face, option: str, here: str) -> None:
    with pytest.raises(InvalidType, match=rf"has no option '{option}': {option} .*{here}.*; it has ") as caught:
        face(app, **{option: 1})
    assert str(caught.value).count("\n") == 0
    assert app.jobs() == []


def test_shared_tasks_signatures_and_executors_say_it_too(app: LiteQueue) -> None:
    with pytest.raises(InvalidType, match="max_retries is retries here"):
        shared_task(max_retries=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidType, match="link_error is on_failure here"):
        app.task(name="t")(len).s().set(link_error=1)
    with pytest.raises(InvalidType, match="concurrency is threads"):
        app.executor(concurrency=1)  # type: ignore[call-arg]
    with pytest.raises(InvalidType, match=r"has no option 'retrys'; it has"):
        app.task(retrys=1)  # type: ignore[call-overload]


def test_no_habit_is_a_name_that_works_wherever_it_could_be_given() -> None:
    ours = [set(options_of(fields)) for fields in (TaskOptions, EnqueueOptions, EmbeddedOptions, ScheduleOptions)]
    assert not set(OPTIONS) & set.intersection(*ours)
    for name, said in OPTIONS.items():
        for option in re.findall(r"is (\w+) here", said):
            assert option in set.union(*ours) | {"codec", "name"}, f"{name} names {option}, which is no option"


# -- attributes --------------------------------------------------------------------------------------------


def test_an_attribute_by_another_name_is_an_attribute_error_that_says_the_way(sample_app: LiteQueue) -> None:
    job = sample.add.delay(1, 2)
    flow = chain(sample.add.s(1, 2)).delay()
    for owner, name, way in (
        (sample_app, "conf", "options are said to LiteQueue"), (sample_app, "autodiscover_tasks", "--import MODULE"), (sample_app, "control", r"cancel\(\)"),
        (sample_app, "AsyncResult", r"app\.job\(id\)"), (sample.add, "retry", r"raise Retry\(delay=\.\.\.\)"), (sample.add, "request", r"current_job\(\)"),
        (job, "ready", r"job\.done\(\)"), (job, "result", r"job\.get\(timeout=0\)"), (job, "status", r"job\.state"), (job, "successful", "'succeeded'"),
        (flow, "join", r"flow\.get\(\)"), (flow, "ready", r"job\.done\(\)"),
    ):  # fmt: skip
        assert not hasattr(owner, name)
        assert getattr(owner, name, 17) == 17
        with pytest.raises(AttributeError, match=rf"^'\w+' object has no attribute '{name}'; here: .*{way}"):
            getattr(owner, name)


def test_any_other_attribute_is_refused_as_python_refuses_it(sample_app: LiteQueue) -> None:
    job = sample.add.delay(1, 2)
    for owner in (sample_app, sample.add, job):
        for name in ("nothing_like_it", "_private", "__dunder__"):
            with pytest.raises(AttributeError) as caught:
                getattr(owner, name)
            assert str(caught.value) == f"'{type(owner).__name__}' object has no attribute '{name}'"
            assert (caught.value.name, caught.value.obj) == (name, owner), "by which Python finds what was meant"
    assert pickle.loads(pickle.dumps(job)) == copy.copy(job) == job


def test_what_is_there_is_not_said_to_be_missing() -> None:
    from litequeue import Job, Task
    from litequeue.compat.celery import AsyncResult
    from litequeue.workflow.flow import Flow

    owners: dict[str, type] = {"LiteQueue": LiteQueue, "Task": Task, "Job": Job, "Flow": Flow, "AsyncResult": AsyncResult}
    assert {name: [way for way in ways if hasattr(owners[name], way)] for name, ways in WAYS.items()} == {
        "LiteQueue": [], "Task": [], "Job": [], "Flow": [], "AsyncResult": [],
    }  # fmt: skip
    assert min(map(len, (APP, TASK, JOB))) > 10


def test_the_words_are_loaded_with_the_first_refusal_alone(tmp_path: Path) -> None:
    code = """
import sys
from litequeue import LiteQueue
app = LiteQueue("db.sqlite")
@app.task(name="t")
def t(): pass
job = t.delay()
with app.worker(): job.get(timeout=20)
print("litequeue.options.habits" in sys.modules)
hasattr(job, "result")
print("litequeue.options.habits" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
