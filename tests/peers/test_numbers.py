"""numpy's numbers: taken where an integer or seconds are asked for, and refused as arguments with what to write."""

from __future__ import annotations

from typing import Any

import pytest

from litequeue import InvalidType, LiteQueue, PayloadError

from . import peer

pytestmark = pytest.mark.beside


def test_numpys_integers_are_integers(app: LiteQueue) -> None:
    numpy = peer("numpy")

    @app.task(retries=numpy.int64(2), timeout=numpy.uint8(30))
    def f() -> None: ...

    job = f.apply_async(priority=numpy.int32(-3), countdown=numpy.int64(60), expires=numpy.float64(90.5))
    info = job.info()
    assert (info.priority, info.max_attempts, info.timeout) == (-3, 3, 30)
    assert app.job(numpy.int64(job.id)) == job
    assert [j.id for j in app.jobs(limit=numpy.int64(1))] == [job.id]
    app.schedules.add("s", f, every=numpy.int64(60), priority=numpy.int8(1))
    assert app.schedules.get("s").priority == 1


@pytest.mark.parametrize("option", ["priority", "retries", "timeout", "countdown", "expires"])
def test_numpys_booleans_are_none(app: LiteQueue, option: str) -> None:
    numpy = peer("numpy")
    for wrong in (numpy.True_, numpy.bool_(False)):
        with pytest.raises(InvalidType, match=rf"{option} must be .*numpy.bool"):
            app.send_task("some.task", **{option: wrong})


def test_the_error_says_what_to_write(app: LiteQueue) -> None:
    numpy = peer("numpy")
    with pytest.raises(InvalidType, match=r"priority must be an integer.*write int\(x\)"):
        app.send_task("some.task", priority=numpy.float64(1.0))
    with pytest.raises(InvalidType, match=r"countdown must be .*write float\(x\)"):
        app.send_task("some.task", countdown=numpy.float32(1.0))
    with pytest.raises(InvalidType, match=r"at_most_once must be True or False.*write bool\(x\)"):
        app.task(at_most_once=numpy.True_)(lambda: None)


def test_as_arguments_they_are_refused_with_what_to_write(app: LiteQueue) -> None:
    numpy = peer("numpy")
    cases: list[tuple[Any, str]] = [
        (numpy.True_, "bool(x)"), (numpy.int64(1), "int(x)"), (numpy.float32(1), "float(x)"), (numpy.complex64(1), "complex(x)"),
        (numpy.float64(1), "float(...)"), (numpy.array([1]), "x.tolist()"), (peer("pandas").Series([1]), "x.tolist()"),
    ]  # fmt: skip
    for value, says in cases:
        with pytest.raises(PayloadError) as caught:
            app.send_task("some.task", ([value],))
        assert "args[0][0] cannot be stored" in str(caught.value) and f"convert it with {says}" in str(caught.value)
