"""What an attempt may take of the machine, as tasks say it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from litequeue import InvalidArgument, InvalidType, LiteQueue
from litequeue.tasks.bounds import Bounds


def declared(app: LiteQueue, **options: Any) -> Bounds | None:
    return app.task(name="t", **options)(math.gcd)._code.bounds


def test_a_task_says_what_it_may_take(app: LiteQueue) -> None:
    assert declared(app, pool="process") is None
    assert declared(app, pool="process", memory="512M", cpu_time="1m", nice=10) == Bounds(512 << 20, 60_000_000, 10)
    assert declared(app, pool="process", memory=1 << 30) == Bounds(1 << 30, None, None)
    assert declared(app, pool="process", nice=None, cpu_time=0.5) == Bounds(None, 500_000, None)


@pytest.mark.parametrize("pool", ["thread", None])
def test_only_what_has_a_process_of_its_own_can_have_bounds(app: LiteQueue, pool: str | None) -> None:
    with pytest.raises(InvalidArgument, match=r'^memory and nice of the task t: a thread shares its process .* pool="process" alone$'):
        declared(app, pool=pool, memory="512M", nice=1)
    with pytest.raises(InvalidArgument, match=r"^cpu_time of the task .*wait: a coroutine shares its process"):

        @app.task(cpu_time=1)
        async def wait() -> None: ...


@pytest.mark.parametrize(
    ("option", "value", "error", "said"),
    [
        ("memory", "512MB", InvalidArgument, "memory: '512MB' is no size: write"),
        ("memory", 512, InvalidArgument, "memory must be from 32M to 1024T, not 512; for megabytes write '512M'"),
        ("memory", "512", InvalidArgument, "memory must be from 32M to 1024T, not '512'; for megabytes write '512M'"),
        ("memory", "512K", InvalidArgument, "memory must be from 32M to 1024T, not '512K'"),
        ("memory", "2000T", InvalidArgument, "memory must be from 32M"),
        ("memory", 1e9, InvalidType, "memory must be a size, such as '512M', or a number of bytes, not float"),
        ("memory", True, InvalidType, "memory must be a size"),
        ("cpu_time", 0, InvalidArgument, "cpu_time must be more than 0"),
        ("cpu_time", "1 minute", InvalidArgument, "cpu_time: '1 minute' is no length of time"),
        ("nice", 0, InvalidArgument, "nice must be from 1 to 19, not 0"),
        ("nice", -5, InvalidArgument, "nice must be from 1 to 19"),
        ("nice", "10", InvalidType, "nice must be an integer"),
    ],
)
def test_what_is_none_is_refused_where_it_is_said(app: LiteQueue, option: str, value: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as caught:
        declared(app, pool="process", **{option: value})
    assert str(caught.value).startswith(said)
    assert "for megabytes" in said or "for megabytes" not in str(caught.value)


def test_an_enqueue_cannot_say_it(app: LiteQueue) -> None:
    task = app.task(name="t", pool="process", memory="512M")(math.gcd)
    with pytest.raises(InvalidType, match="has no option 'memory'"):
        task.apply_async((1, 2), memory="1G")  # type: ignore[call-arg]
