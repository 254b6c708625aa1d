"""The tasks of the tests, as an app has them that knows nothing of Celery."""

import asyncio
import contextlib
import os
import signal
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from litequeue import (
    Backoff,
    Discard,
    JobCancelled,
    LiteQueue,
    Retry,
    Snooze,
    SoftTimeout,
    WouldDeadlock,
    current_job,
)

app = LiteQueue("db.sqlite")
HERE = Path(__file__).parent


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))


app.register_type(Point, lambda p: [p.x, p.y], lambda xy: Point(*xy), name="point")


@app.task
def add(x, y):
    return x + y


@app.task(pool="process")
def compute(n):
    return sum(range(n))


@app.task
async def fetch(x):
    await asyncio.sleep(0.01)
    return current_job().task, x


@app.task(retries=3, backoff=Backoff(base=0.1, cap=0.2))
def flaky():
    job = current_job()
    if job.attempt < 3:
        raise ValueError(f"not at {job.attempt}")
    return job.attempt, job.retries_left, [(error.attempt, error.type, error.message) for error in job.errors]


@app.task(retries=2, backoff=60)
def says_when():
    if current_job().attempt == 1:
        raise Retry(delay="100ms")
    return current_job().attempt


@app.task(retries=5, give_up_on=KeyError)
def gives_up():
    raise KeyError("gone")


@app.task(retries=1, backoff=0.05)
def fails(word):
    raise ValueError(f"bad {word} at {current_job().attempt}")


@app.task
def snoozes():
    if current_job().attempt < 3:
        raise Snooze(0.1)
    return current_job().attempt, current_job().retries_left


@app.task
def dozes_off(seconds):
    if current_job().attempt == 1:
        raise Snooze(seconds)
    return current_job().attempt, len(current_job().errors)


@app.task(retries=5)
def discards():
    raise Discard("it is not there")


@app.task(retries=5)
def cancels():
    raise JobCancelled("as asked")


@app.task(at_most_once=True)
def once(word):
    with (HERE / "once").open("a") as file:
        file.write(f"{word}\n")
    return word


@app.task
def echo(value):
    return value


@app.task
def unstorable():
    return object()


@app.task
def headers():
    return current_job().headers


def told(line):
    with (HERE / "hooks").open("a") as file:
        file.write(f"{line}\n")


class Hooks:
    """An observer, as of a tracing library."""

    @contextlib.contextmanager
    def enqueue(self, sent):
        if sent.task == "tasks.observed":
            sent.headers["trace"] = "17"
        yield

    @contextlib.contextmanager
    def run(self, job):
        if job.task == "tasks.observed":
            told(f"run {job.headers} {job.attempt}")
        yield

    def ended(self, job, outcome):
        if job.task == "tasks.observed":
            told(f"ended {outcome.state} {outcome.error_type} {outcome.will_retry}")


app.use(Hooks())


@app.before_run
def before(job):
    if job.task == "tasks.observed":
        told("before")


@app.task(retries=1, backoff=0.05)
def observed():
    if current_job().attempt == 1:
        raise ValueError("once")
    return current_job().headers


def doze():
    for _ in range(1000):  # a thread is not stopped within one
        time.sleep(0.01)


@app.task(timeout=0.4, retries=1, backoff=0.05)
def slow():
    if current_job().attempt == 1:
        doze()
    return current_job().attempt


@app.task(timeout=0.4)
def too_slow():
    doze()


@app.task(soft_timeout=0.4)
def tidy():
    try:
        doze()
    except SoftTimeout as error:
        return str(error)


@app.task(soft_timeout=0.3, timeout=0.9, retries=3, backoff=0.05, pool="process")
def stubborn():
    with (HERE / "stubborn").open("a") as file:
        file.write(".")
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(10)


@app.task(secret="password")
def secretive(user, password):
    raise ValueError(f"{user} has a wrong password: {password}")


@app.task
def waits_for_another():
    job = add.delay(1, 2)
    try:
        job.get()
    except WouldDeadlock:
        return "WouldDeadlock"


@app.task(name="kills", pool="process", retries=0)
def kills():
    with (HERE / "kills").open("a") as file:
        file.write(f"{current_job().attempt}\n")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(name="kills_once", pool="process", retries=0)
def kills_once():
    path = HERE / "kills_once"
    with path.open("a") as file:
        file.write(".")
    if len(path.read_text()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@app.task(name="killed_once_only", at_most_once=True, pool="process")
def killed_once_only():
    with (HERE / "killed_once_only").open("a") as file:
        file.write(".")
    os.kill(os.getpid(), signal.SIGKILL)


@app.task(expires=timedelta(seconds=0.2))
def fresh():
    return "in time"


@app.every("1s", name="ticking", kwargs={"amount": Decimal("1.50")})
@app.task
def tick(amount):
    with (HERE / "ticks").open("a") as file:
        file.write(f"{current_job().schedule} {amount!r}\n")


class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


@app.task
def wordless():
    raise Wordless


@app.task
def leaves():
    raise SystemExit(3)


app.register_codec("own", lambda value: repr(value).encode(), lambda data: data.decode())


@app.task(codec="own")
def coded(value):
    return str(value)


@app.task
def notes_and_fails(number):
    note.__wrapped__(number)
    raise ValueError("as ever")


@app.task
def note(number):
    fd = os.open(HERE / "notes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, f"{number}\n".encode())
    os.close(fd)
    return number
