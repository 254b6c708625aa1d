"""Codecs per task: what they store, who reads it, and what is refused before anything is decoded."""

from __future__ import annotations

import ast
import json
import pickle
import sqlite3
import zlib
from binascii import b2a_base64
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from litequeue import (
    CannotOpen,
    InvalidArgument,
    InvalidType,
    JobFailed,
    LiteQueue,
    PayloadCorrupt,
    PayloadError,
    PayloadTooLarge,
    ResultNotStored,
    UnknownTask,
    current_job,
    group,
)
from litequeue.base.stored import MAX_BYTES, MAX_INFLATED, beyond
from litequeue.payload import Codec
from litequeue.payload.coded import LEAST, of_task, others_of
from litequeue.payload.signing import make

from ..support import wait_until

pytestmark = pytest.mark.beside


class Point:
    """What no other codec than pickle could carry here."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x

    __hash__ = None  # type: ignore[assignment]


class Trap:
    """Makes a folder of itself as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return Path.mkdir, (Path(self.path),)


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make(str(tmp_path / "key"))


@pytest.fixture
def signed(app: LiteQueue, key: str) -> LiteQueue:
    app.sign_with(key)
    return app


def run(app: LiteQueue) -> None:
    """All that waits, to its end."""
    with app.worker(burst=True, threads=2) as worker:
        worker.join()


def sql(db: Path, statement: str, *values: Any) -> Any:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        return connection.execute(statement, values).fetchall()


# -- pickle ------------------------------------------------------------------------------------------


def test_arguments_and_results_are_pickled_and_signed_in_json_that_sql_reads(signed: LiteQueue, db: Path) -> None:
    @signed.task(name="move", codec="pickle")
    def move(point: Point, *, by: int = 1) -> Point:
        return Point(point.x + by)

    @signed.task(name="drift", codec="pickle")
    async def drift(point: Point) -> None: ...

    job, same = move.delay(Point(1), by=2), drift.delay(Point(1))
    run(signed)
    assert job.get(timeout=0) == Point(3) and same.get(timeout=0) is None
    args, kwargs, result = sql(db, "SELECT args, kwargs, result FROM litequeue_jobs WHERE id = 1")[0]
    for text, part in ((args, "args"), (kwargs, "kwargs"), (result, "result")):
        assert beyond(text) is None and text.isascii()
        codec, data, task, wrote, signature = json.loads(text)["$codec"]
        assert (codec, task, wrote, len(signature)) == ("pickle", "move", part, 64) and data
    assert sql(db, "SELECT args ->> '$.\"$codec\"[0]', kwargs, result FROM litequeue_jobs WHERE id = 2") == [("pickle", "{}", "null")]


def codec_of(key: str | None, *names: str, task: str = "t", app: Codec | None = None) -> Codec:
    app = app or Codec()
    if key is not None:
        others_of(app).keys.name([key])
    return of_task(app, task, names)


def tampered(text: str, **changes: Any) -> str:
    body = dict(zip(("codec", "data", "task", "part", "signature"), json.loads(text)["$codec"], strict=True))
    return json.dumps({"$codec": [value for value in (body | changes).values() if value is not None]})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": "gARLBS4="}, "not signed by a key of"), ({"signature": None}, "not signed"), ({"signature": ""}, "not signed"),
        ({"signature": "f" * 64}, "not signed"), ({"signature": 5}, "not signed"), ({"signature": "é"}, "not signed"),
        ({"task": "other"}, "written as 'args' of 'other'"), ({"part": "result"}, "written as 'result' of 't'"),
        ({"codec": "json"}, "by the codec 'json', which the task does not read; it says pickle"), ({"codec": "dill"}, "'dill'"),
        ({"codec": ["pickle"]}, "cannot be decoded"), ({"part": None, "signature": None}, "cannot be decoded"),
    ],
    ids=str,
)  # fmt: skip
def test_nothing_is_unpickled_that_was_not_signed_as_this(key: str, tmp_path: Path, change: dict[str, Any], says: str) -> None:
    codec = codec_of(key, "pickle")
    text, _ = codec.encode_call("t", (Trap(tmp_path / "sprung"),), {})
    with pytest.raises(PayloadCorrupt, match=says):
        codec.decode_call(tampered(text, **change), "{}")
    assert not (tmp_path / "sprung").exists()
    codec.decode_call(text, "{}")
    assert (tmp_path / "sprung").exists()


def test_a_signature_is_of_one_task_and_one_part(key: str) -> None:
    one, other = codec_of(key, "pickle"), codec_of(key, "pickle", task="other")
    args, kwargs = one.encode_call("t", ([1],), {"a": 1})
    result, step = one.encode_result([1]), one.encode_step([1], "s")
    assert one.decode_call(args, kwargs) == ([[1]], {"a": 1})
    assert one.decode_result(result) == one.decode_step(step, "s") == [1]
    for wrong in (lambda: other.decode_call(args, "{}"), lambda: one.decode_call(result, "{}"), lambda: one.decode_call(step, "{}"),
                  lambda: one.decode_call("[]", args), lambda: one.decode_result(args), lambda: one.decode_step(result, "s"),
                  lambda: one.decode_step(step, "z"), lambda: other.decode_step(step, "s")):  # fmt: skip
        with pytest.raises(PayloadCorrupt, match="was written as"):
            wrong()
    assert other.decode_call("[]", "{}", result) == ([[1]], {}), "what others came to is given to whoever reads the codec"


def test_a_text_does_not_say_how_it_is_read(key: str, tmp_path: Path) -> None:
    """A task reads by the codecs that it names itself, whatever another one of its app does."""
    app = Codec()
    pickling = codec_of(key, "pickle", app=app)
    text, _ = pickling.encode_call("t", (Trap(tmp_path / "sprung"),), {})
    result = pickling.encode_result(Trap(tmp_path / "sprung"))
    for reader in (app, codec_of(None, "json+zlib", app=app)):
        for planted in (text, result, f"[{result}]", f'[1, {{"deep": {result}}}]'):
            with pytest.raises(PayloadCorrupt, match="codec 'pickle', which (is not read here|the task does not read)"):
                reader.decode_call(planted, "{}")
            with pytest.raises(PayloadCorrupt, match="codec 'pickle', which"):
                reader.decode_call("[]", "{}", planted)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.slow
def test_rows_that_somebody_else_wrote_are_discarded_and_run_nothing(signed: LiteQueue, db: Path, tmp_path: Path) -> None:
    @signed.task(name="take", codec="pickle", retries=3)
    def take(*values: Any) -> None: ...

    @signed.task(name="plain", retries=3)
    def plain(*values: Any) -> None: ...

    data = b2a_base64(pickle.dumps([Trap(tmp_path / "sprung")]), newline=False).decode()
    own = make(str(tmp_path / "own"))
    forged, _ = codec_of(own, "pickle", task="take").encode_call("take", (Trap(tmp_path / "sprung"),), {})
    take.delay(1), plain.delay(1)
    jobs = []
    for task in ("take", "plain"):
        for args in (forged, json.dumps({"$codec": ["pickle", data, task, "args"]}), json.dumps({"$codec": ["pickle", data]}), json.dumps([{"$codec": 5}])):
            sql(db, "INSERT INTO litequeue_jobs (task, args) VALUES (?, ?)", task, args)
            jobs.append(sql(db, "SELECT max(id) FROM litequeue_jobs")[0][0])
    run(signed)
    infos = [signed.job(job).info() for job in jobs]
    assert {(info.state, info.attempt) for info in infos} == {("discarded", 1)}, "nothing is gained by a second try"
    assert all((info.last_error or "").startswith("litequeue.PayloadCorrupt: ") for info in infos), infos
    assert not (tmp_path / "sprung").exists()


def test_the_first_key_signs_and_all_are_good(key: str, tmp_path: Path) -> None:
    new = make(str(tmp_path / "new"))
    old = codec_of(key, "pickle").encode_result([1])
    both, fresh = Codec(), codec_of(new, "pickle")
    others_of(both).keys.name([new, key])
    codec = of_task(both, "t", ["pickle"])
    assert codec.decode_result(old) == fresh.decode_result(codec.encode_result([1])) == [1]
    with pytest.raises(PayloadCorrupt, match=rf"not signed by a key of {new}: either by another, and app.sign_with\(NEW, OLD\)"):
        fresh.decode_result(old)


def test_json_is_read_of_producers_that_know_the_name_alone(signed: LiteQueue, db: Path) -> None:
    @signed.task(name="double", codec="pickle")
    def double(number: int) -> int:
        return 2 * number

    double.delay(1)
    with LiteQueue(db) as producer:
        job = producer.send_task("double", (21,))
        assert job.info().args == "[21]"
        run(signed)
        with pytest.raises(UnknownTask, match="codec 'pickle' of the task 'double', which this program does not have: import the module"):
            job.get(timeout=0)
        assert json.loads(job.info().result or "")["$codec"][0] == "pickle"
    assert signed.job(job.id).get(timeout=0) == 42


def test_what_cannot_be_written_is_refused_where_it_is_enqueued_and_costs_a_job_its_result(signed: LiteQueue) -> None:
    @signed.task(name="t", codec="pickle")
    def t(value: Any = None, more: Any = None) -> Any:
        return (lambda: 1) if value is None else value

    with pytest.raises(PayloadError, match=r"t: args cannot be stored: the codec pickle says (PicklingError|AttributeError): Can't (pickle|get)"):
        t.delay(lambda: 1)
    with pytest.raises(PayloadTooLarge, match=r"t: args takes 2,796,\d\d\d bytes when stored; the limit is 1,048,576"):
        t.delay(b"x" * (2 << 20))
    with pytest.raises(PayloadTooLarge, match=r"t: the arguments take 1,600,\d\d\d bytes"):
        t.delay(b"x" * 600_000, more=b"x" * 600_000)
    job = t.delay()
    run(signed)
    with pytest.raises(ResultNotStored, match="the result cannot be stored: the codec pickle says"):
        job.get(timeout=0)


# -- where it is declared ------------------------------------------------------------------------------


def test_what_a_task_cannot_say_is_refused_where_it_is_made(app: LiteQueue, key: str) -> None:
    def t(password: str = "") -> None: ...

    for codec, error, says in (
        ("msgpack", InvalidArgument, r"there is no codec 'msgpack'; there are json, json\+zlib, pickle, and app.register_codec"),
        ("pickle", InvalidArgument, r"the codec pickle of .*\.t runs what it reads, so it is signed: first say with which key, as in app.sign_with"),
        (pickle, InvalidType, "codec must be a string, not module"), ((), InvalidArgument, "at least one"),
    ):  # fmt: skip
        with pytest.raises(error, match=says):
            app.task(codec=codec)(t)
    app.sign_with(key)
    with pytest.raises(InvalidArgument, match="what is secret is hidden in arguments that are JSON, and not in what the codec pickle makes of them"):
        app.task(codec="pickle", secret="password")(t)
    app.task(codec=("json", "pickle"), secret="password")(t)
    with pytest.raises(InvalidArgument, match="sign_with takes the path of a key"):
        app.sign_with()
    with pytest.raises(InvalidArgument, match=r"'keys/a' is to be named by its whole path, or from ~ on"):
        app.sign_with("keys/a")
    with pytest.raises(InvalidType, match="by the path of its file, not bytes"):
        app.sign_with(b"/key")  # type: ignore[arg-type]


def test_a_task_with_json_alone_has_the_apps_own_codec(app: LiteQueue) -> None:
    @app.task(codec="json")
    def t() -> None: ...

    assert t._code.codec is app._client.codec


def test_a_codec_of_the_apps_own_is_a_function_to_bytes_and_one_back(app: LiteQueue) -> None:
    app.register_codec("literal", lambda value: repr(value).encode(), lambda data: ast.literal_eval(data.decode()))

    @app.task(name="t", codec="literal")
    def t(*values: Any) -> Any:
        return list(values)

    job = t.delay({1, 2}, b"x")
    run(app)
    assert job.get(timeout=0) == [{1, 2}, b"x"]
    assert json.loads(job.info().result or "") == {"$codec": ["literal", "W3sxLCAyfSwgYid4J10=", "t", "result"]}
    with pytest.raises(PayloadError, match="the codec text says TypeError"):
        app.register_codec("text", repr, ast.literal_eval)  # type: ignore[arg-type]
        app.task(name="u", codec="text")(lambda *_: None).delay(1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("json", repr, repr), "the codec json is built in"), (("", repr, repr), "must be one line of text"), ((5, repr, repr), "must be a string"),
        (("x", repr, "repr"), "decode must be a function"), (("x", pickle.dumps, pickle.loads), r"runs what it reads: say signed=True"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_registering_a_codec_is_checked(app: LiteQueue, given: Any, says: str) -> None:
    with pytest.raises((InvalidArgument, InvalidType), match=says):
        app.register_codec(*given)


def test_a_registered_codec_may_be_signed_too(signed: LiteQueue, tmp_path: Path) -> None:
    signed.register_codec("mine", pickle.dumps, pickle.loads, signed=True)

    @signed.task(name="t", codec="mine")
    def t(value: Any) -> Any:
        return value

    text, _ = t._code.codec.encode_call("t", (Trap(tmp_path / "sprung"),), {})
    with pytest.raises(PayloadCorrupt, match="not signed"):
        t._code.codec.decode_call(tampered(text, signature="0" * 64), "{}")
    job = t.delay(Point(1))
    run(signed)
    assert job.get(timeout=0) == Point(1) and not (tmp_path / "sprung").exists()


# -- with all else that has arguments and results ----------------------------------------------------------


def test_a_workflow_hands_results_to_those_that_read_them(signed: LiteQueue) -> None:
    @signed.task(name="make", codec="pickle")
    def make(x: int) -> Point:
        return Point(x)

    @signed.task(name="move", codec="pickle")
    def move(point: Point) -> Point:
        return Point(point.x + 1)

    @signed.task(name="total", codec=("json", "pickle"))
    def total(points: Any) -> int:
        assert [type(result).__name__ for result in current_job().parent_results()] in (["list"], ["Point"], ["Point", "Point"], ["NoneType"])
        return sum(point.x for point in (points if isinstance(points, list) else [points]))

    @signed.task(name="plain")
    def plain(value: Any = None) -> Any:
        return value

    flows = [
        (make.s(1) | move.s() | total.s(), 2), (group(make.s(1), make.s(2)) | total.s(), 3), (group(make.s(1), make.s(2)), [Point(1), Point(2)]),
        (make.s(1) | plain.si(5), 5), (move.map([Point(1), Point(2)]), [Point(2), Point(3)]), (group(group(make.s(1)), make.s(2)), [[Point(1)], Point(2)]),
    ]  # fmt: skip
    jobs = [(flow.delay(), came) for flow, came in flows]
    run(signed)
    for flow, came in jobs:
        assert flow.get(timeout=0) == came
    for wrong in (make.s(1) | plain.s(), group(make.s(1), make.s(2)) | plain.s(), make.s(1) | group(total.s(), plain.s()),
                  group(group(make.s(1)), plain.s(2)) | plain.s()):  # fmt: skip
        with pytest.raises(InvalidArgument, match=r'plain takes a result that the codec pickle writes, .*codec=\("json", "pickle"\) of it, or .*\.si\(\)'):
            wrong.delay()


def test_callbacks_get_what_they_read_and_are_refused_where_they_do_not(signed: LiteQueue) -> None:
    told: list[Any] = []

    @signed.task(name="praise", codec=("json", "pickle"))
    def praise(result: Any, *more: Any) -> None:
        told.append((result, *more))

    @signed.task(name="plain")
    def plain(*values: Any) -> None:
        told.append(values)

    @signed.task(name="make", codec="pickle", on_success=praise.s("x"))
    def make(x: int) -> Point:
        return Point(x)

    with pytest.raises(InvalidArgument, match="on_success: plain takes a result"):
        signed.task(name="wrong", codec="pickle", on_success=plain)(lambda: None)
    with pytest.raises(InvalidArgument, match="on_success: plain takes a result"):
        make.apply_async((1,), on_success=plain)
    with pytest.raises(PayloadError, match=r"make: args\[0\] cannot be stored: .*as a callback, is JSON whatever the task's codec is"):
        plain.apply_async((), on_success=make.s(Point(1)))
    make.delay(1)
    make.apply_async((2,), on_success=plain.si("told"), on_failure=plain)
    with signed.batch(on_success=make.si(4)):
        make.delay(3)
    run(signed)
    assert sorted(told, key=lambda call: getattr(call[0], "x", 0)) == [("told",), (Point(1), "x"), (Point(3), "x"), (Point(4), "x")]


@pytest.mark.slow
def test_a_dependant_that_does_not_read_it_fails_with_what_to_say(signed: LiteQueue) -> None:
    """Where nobody could know before: the callback is named."""

    @signed.task(name="make", codec="pickle", on_success="plain")
    def make(x: int) -> Point:
        return Point(x)

    @signed.task(name="plain")
    def plain(value: Any) -> None: ...

    make.delay(1)
    run(signed)
    (job,) = signed.jobs(task=plain)
    assert job.state == "discarded"
    assert """by the codec 'pickle', which is not read here; a task that is to, says so: codec=("json", 'pickle')""" in (job.last_error or "")


def test_steps_and_transactions_store_by_the_codec(signed: LiteQueue) -> None:
    ran: list[str] = []

    def once(x: int) -> Point:
        ran.append("once")
        return Point(x)

    @signed.task(name="t", codec="pickle", retries=1, backoff=0)
    def t() -> Any:
        point = current_job().step("made", once, 7)
        if current_job().attempt == 1:
            raise ValueError("again")
        with current_job().transaction() as transaction:
            transaction.result = point

    job = t.delay()
    run(signed)
    assert job.get(timeout=0) == Point(7) and ran == ["once"]
    assert json.loads(job.steps()[0].value or "")["$codec"][3] == "step made"


def test_an_event_is_json_for_whoever_waits(signed: LiteQueue, db: Path, tmp_path: Path) -> None:
    @signed.task(name="t", codec="pickle")
    def t() -> Any:
        return current_job().wait_for("came")

    signed.emit("came", {"a": 1})
    job = t.delay()
    run(signed)
    assert job.get(timeout=0) == {"a": 1}
    signed.emit("came", 1, replace=True)
    planted = t._code.codec.encode_result(Trap(tmp_path / "sprung"))
    sql(db, "UPDATE litequeue_events SET payload = ?", planted)
    job = t.delay()
    run(signed)
    assert job.state == "discarded" and not (tmp_path / "sprung").exists()


def test_schedules_keep_json(signed: LiteQueue) -> None:
    @signed.task(name="t", codec="pickle")
    def t(*values: Any) -> Any:
        return list(values)

    with pytest.raises(PayloadError, match=r"s: args\[0\] cannot be stored: .*by a schedule or as a callback, is JSON whatever the task's codec is"):
        signed.schedules.add("s", t, every="1h", args=(Point(1),))
    signed.schedules.add("s", t, every="1h", args=(1, (2,)))
    assert signed.schedules.update("s", args=[1, (3,)]).args == '[1,{"$tuple":[3]}]'
    job = signed.schedules.run_now("s")
    run(signed)
    assert job.get(timeout=0) == [1, (3,)]


def test_keys_are_made_of_what_json_says(signed: LiteQueue) -> None:
    @signed.task(name="one", codec="pickle", unique=("number",))
    def one(number: int, point: Any) -> None: ...

    @signed.task(name="all", codec="pickle", unique=True)
    def of_all(point: Any) -> None: ...

    @signed.task(name="make", codec="pickle", max_running=1, limit_key="n{number}")
    def limited(number: int, point: Any = None) -> int:
        return number

    assert one.delay(1, Point(1)).is_new and not one.delay(1, Point(2)).is_new
    with pytest.raises(PayloadError, match="the key of a job cannot be stored: its type .*Point"):
        of_all.delay(Point(1))
    assert limited.delay(3, Point(1)).info().limit_key == "make:n3"
    flow = (limited.s(4, Point(1)) | limited.s()).delay()
    run(signed)
    assert flow.get(timeout=0) == 4
    assert [job.info().limit_key for job in flow.jobs()] == ["make:n4", "make:n4"]


# -- keys that are not there -------------------------------------------------------------------------------


def test_without_its_key_a_job_waits_and_is_reported_and_runs_where_the_key_is(app: LiteQueue, tmp_path: Path) -> None:
    def tasks(app: LiteQueue, key: str) -> Any:
        app.sign_with(key)
        return app.task(name="t", codec="pickle")(lambda point=None: point)

    missing = str(tmp_path / "missing")
    task = tasks(app, missing)
    with pytest.raises(CannotOpen, match=rf"{missing}: there is no such key; if no program has one yet, make it with python -m litequeue signing-key {missing}"):
        task.delay(Point(1))
    job = app.send_task("t")
    with app.worker():
        wait_until(lambda: "there is no such key" in (job.why_waiting() or ""), what="it is reported")
        assert job.state == "available"
    with pytest.raises(CannotOpen, match="no such key"):
        task._code.codec.decode_call("[]", "{}")  # where it got so far: it is not to run without being able to say what it comes to
    make(missing)
    run(app)
    assert job.get(timeout=0) is None


# -- compressed JSON -----------------------------------------------------------------------------------------


@pytest.fixture
def zipped() -> Codec:
    return codec_of(None, "json+zlib")


def test_long_json_is_compressed_and_is_json_for_whoever_reads(zipped: Codec) -> None:
    value = [{"number": n, "name": "somebody", "when": (n,)} for n in range(1000)]
    plain, _ = Codec().encode_call("t", (value,), {})
    text, _ = zipped.encode_call("t", (value,), {})
    assert text.startswith('{"$codec":["json+zlib","') and len(text) < len(plain) / 3 and json.loads(text)
    for reader in (zipped, Codec()):
        assert reader.decode_call(text, "{}") == ([value], {})
        assert reader.decode_call("[]", "{}", f"[{text},{text}]") == ([[[value], [value]]], {})
        assert reader.decode_result(zipped.encode_result(value)) == value
    assert zipped.encode_call("t", ("x" * (LEAST - 5),), {})[0] == Codec().encode_call("t", ("x" * (LEAST - 5),), {})[0], "it is short"
    noise = b2a_base64(bytes(range(256)) * 2).decode() + "".join(map(chr, range(33, 127)))
    assert zipped.decode_result(zipped.encode_result(noise)) == noise


def test_the_limit_is_on_what_is_stored_and_on_what_comes_out(zipped: Codec) -> None:
    long = ["0123456789abcdef" * 8] * 40_000
    assert len(zipped.encode_result(long)) < MAX_BYTES < len(json.dumps(long))
    assert zipped.decode_result(zipped.encode_result(long)) == long
    with pytest.raises(PayloadTooLarge, match="the limit is 8,388,608"):
        zipped.encode_result("x" * MAX_INFLATED)
    with pytest.raises(PayloadTooLarge, match="the limit is 1,048,576"):
        zipped.encode_result([n * 7919**9 for n in range(80_000)])


def bomb(size: int) -> str:
    data = b2a_base64(zlib.compress(b'"' + b"x" * size + b'"', 9), newline=False).decode()
    return f'{{"$codec":["json+zlib","{data}"]}}'


def test_a_bomb_is_not_inflated(zipped: Codec) -> None:
    assert len(bomb(12 << 20)) < 20_000
    for reader in (zipped, Codec()):
        for text in (bomb(12 << 20), f"[{','.join([bomb(MAX_INFLATED // 4)] * 5)}]", bomb(MAX_INFLATED)):
            with pytest.raises(PayloadCorrupt, match="inflates to more than 8,388,608 characters"):
                reader.decode(text)
        inner = bomb(MAX_INFLATED // 2 - 2)
        nested = b2a_base64(zlib.compress(f"[{inner},{inner}]".encode()), newline=False).decode()
        with pytest.raises(PayloadCorrupt, match="inflates to more"):
            reader.decode(f'{{"$codec":["json+zlib","{nested}"]}}')
        for cut in (bomb(100)[:-6] + '"]}', '{"$codec":["json+zlib","AAAA"]}', '{"$codec":["json+zlib",5]}', '{"$codec":[]}', '{"$codec":5}'):
            with pytest.raises(PayloadCorrupt):
                reader.decode(cut)


@pytest.mark.slow
def test_a_task_that_compresses_runs_and_may_stop_to(app: LiteQueue) -> None:
    @app.task(name="t", codec="json+zlib", secret="password")
    def t(text: str, password: str = "") -> str:
        if password:
            raise ValueError(f"{password} is wrong")
        return text

    long = "some words " * 5000
    job, failing = t.delay(long), t.delay(long, password="battery staple")
    assert "json+zlib" in job.info().args
    run(app)
    assert job.get(timeout=0) == long
    with pytest.raises(JobFailed, match=r"\*\*\* is wrong"):
        failing.get(timeout=0)
    assert '"***"' in failing.info().masked().kwargs
    queued = t.delay(long)
    again = LiteQueue(app.path)
    again.task(name="t")(lambda text: len(text))
    run(again)
    assert again.job(queued.id).get(timeout=0) == len(long) and again.job(job.id).get(timeout=0) == long
    again.close()
