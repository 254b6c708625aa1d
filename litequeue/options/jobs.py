"""The options of tasks and of enqueues.

Owns both lists. A task's options say how its jobs are to be; those that an enqueue (and a schedule) can say otherwise are
``JobOptions``, with the task's default for whom nobody says anything. What contradicts each other is found where a job or a
task is made.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, TypedDict

from ..base.backoff import DEFAULT, BackoffLike
from .kinds import (
    BACKOFF,
    CALLBACKS,
    CLASSES,
    CODECS,
    DEADLINE,
    FLAG,
    HEADERS,
    JOBS,
    KEY,
    KEY_SPEC,
    LENGTH,
    MOMENT,
    NAME,
    NAMES,
    RATE,
    SIZE,
    SPAN,
    TAGS,
    UNTIL,
    Exceptions,
    Span,
    integer,
    one_of,
)
from .option import Option

MAX_PRIORITY: Final = 1_000_000
MAX_RETRIES: Final = 1_000_000
WHEN: Final = {"on_success": "success", "on_failure": "failed"}  # by option: at which end what it names is called
CONFLICT: Final = ("return", "raise", "replace")
MAX_RUNNING: Final = 1_000_000
POOLS: Final = ("thread", "process", "async")


def attempts(retries: int) -> int:
    return retries + 1


class JobOptions(TypedDict, total=False):
    """What a task says of its jobs, and an enqueue or a schedule of its own ones."""

    queue: Annotated[
        str | None,
        Option(NAME, "a name to group jobs by; workers may serve some queues only", "default", column="queue"),
    ]
    priority: Annotated[
        int | None, Option(integer(-MAX_PRIORITY, MAX_PRIORITY), "higher runs first", 0, column="priority")
    ]
    retries: Annotated[
        int | None,
        Option(integer(0, MAX_RETRIES), "attempts after the first", 0, column="max_attempts", stored=attempts),
    ]
    timeout: Annotated[Span | None, Option(LENGTH, "how long one attempt may take", said="for ever", column="timeout")]
    soft_timeout: Annotated[
        Span | None,
        Option(LENGTH, "when an attempt is asked to end by itself, before its timeout", said="never",
               column="soft_timeout"),
    ]  # fmt: skip
    at_most_once: Annotated[
        bool | None, Option(FLAG, "rather lose a job than run it twice", False, column="at_most_once", stored=int)
    ]
    tags: Annotated[
        str | Sequence[str] | None,
        Option(TAGS, "words by which people find its jobs, in place of what the task says; at most 20", said="none", column="tags", stored=json.dumps),
    ]
    headers: Annotated[
        Mapping[str, Any] | None,
        Option(HEADERS, "small values by names that travel with its jobs, for `current_job().headers` and observers; 8 KiB", said="none", column="headers", stored=json.dumps),
    ]


class EnqueueOptions(JobOptions, total=False):
    """The options of an enqueue: of ``apply_async``, ``delay_many`` and ``send_task``."""

    countdown: Annotated[Span | None, Option(SPAN, "run so much later", said="at once")]
    eta: Annotated[datetime | None, Option(MOMENT, "run at that time", said="at once")]
    expires: Annotated[
        Span | datetime | None,
        Option(DEADLINE, "if not started so long after the enqueue, or by then, never", said="as the task says"),
    ]
    unique: Annotated[
        bool | str | None,
        Option(KEY, "a key that at most one job of the task has, in place of what the task says; False: none", said="as the task says"),
    ]
    on_success: Annotated[
        Any, Option(CALLBACKS, "a task, or `task.s(...)`, that is called with the result once it has succeeded", said="as the task says")
    ]
    on_failure: Annotated[
        Any, Option(CALLBACKS, "the same, called with the job (a dict) once it is discarded", said="as the task says")
    ]
    after: Annotated[
        Any, Option(JOBS, "jobs and flows, or their ids (`flow:ID`), that must have succeeded first", said="nothing")
    ]


class TaskOptions(JobOptions, total=False):
    """The options of ``@app.task``."""

    name: Annotated[str | None, Option(NAME, "how jobs refer to it", said="`module.function`")]
    pool: Annotated[
        str | None,
        Option(one_of(*POOLS), 'where it runs: `"thread"` or `"process"`; `async def` tasks run on the worker\'s event loop',
               said='`"thread"`', column="pool"),
    ]  # fmt: skip
    memory: Annotated[
        str | int | None, Option(SIZE, 'how much its process may have, such as `"512M"`; with `pool="process"`', said="any amount")
    ]
    cpu_time: Annotated[
        Span | None, Option(LENGTH, 'how long one attempt may compute; with `pool="process"`', said="for ever")
    ]
    nice: Annotated[
        int | None, Option(integer(1, 19), 'how nice its process is to others that want the CPU, up to 19; with `pool="process"`', said="not at all")
    ]
    backoff: Annotated[
        BackoffLike | None,
        Option(BACKOFF, "before each retry: `Backoff(base=1, factor=2, cap=600, jitter=True)`, a length of time, a list of them, "
               "or a function of (attempt, exception)", DEFAULT, "`Backoff()`"),
    ]  # fmt: skip
    retry_on: Annotated[
        Exceptions | None,
        Option(CLASSES, "exception classes that are retried (`SystemExit` only if it is named)", (Exception,), "any `Exception`"),
    ]
    give_up_on: Annotated[Exceptions | None, Option(CLASSES, "exception classes that are not retried", (), "none")]
    expires: Annotated[
        Span | None, Option(LENGTH, "a job that was not started so long after its enqueue is dropped", said="never")
    ]
    codec: Annotated[
        str | Sequence[str] | None,
        Option(CODECS, 'how arguments and results are written: `"json"`, `"json+zlib"`, `"pickle"`, one of `app.register_codec`; of several the '
               'first, and all are read', said='`"json"`'),
    ]  # fmt: skip
    secret: Annotated[
        str | Sequence[str] | None, Option(NAMES, "the names of arguments that are shown as `***` wherever a job is", said="none")
    ]
    unique: Annotated[
        bool | str | Sequence[str] | None,
        Option(KEY_SPEC, 'at most one job of equal arguments: `True` for all of them, names as in `("user_id",)`, or a pattern, '
               '`"user:{user_id}"`', False, "`False`"),
    ]  # fmt: skip
    unique_until: Annotated[
        Span | None,
        Option(UNTIL, 'how long a job keeps others out: until its `"finish"`, until its `"start"`, or for so long', "finish", '`"finish"`'),
    ]
    on_conflict: Annotated[
        str | None,
        Option(one_of(*CONFLICT), 'what an enqueue does that is kept out: `"return"` the job that there is, `"raise"` AlreadyEnqueued, '
               '`"replace"` the arguments and options of the one that there is, if it has not started', "return", '`"return"`'),
    ]  # fmt: skip
    max_running: Annotated[
        int | None, Option(integer(1, MAX_RUNNING), "how many of its jobs may run at once, over all workers", said="any number")
    ]
    rate: Annotated[
        str | None,
        Option(RATE, 'how many of its jobs may start within a time, over all workers, such as `"100/m"`; retries count', said="any number"),
    ]
    limit: Annotated[
        str | None, Option(NAME, "the name of a limit that it shares with others, of `app.limit(...)`", said="its own")
    ]
    limit_key: Annotated[
        bool | str | Sequence[str] | None,
        Option(KEY_SPEC, 'the limit counts for each of these values by itself: a pattern, `"host:{host}"`, names, or `True`', said="for all together"),
    ]
    debounce: Annotated[
        Span | None, Option(LENGTH, "run so long after the last of several enqueues, once, with its arguments", said="no")
    ]
    max_wait: Annotated[Span | None, Option(LENGTH, "but no longer than that after the first of them", said="for ever")]
    on_success: Annotated[Any, Option(CALLBACKS, "a task, or `task.s(...)`, that is called with each result", said="none")]
    on_failure: Annotated[
        Any, Option(CALLBACKS, "the same, called with each of its jobs that is discarded (a dict)", said="none")
    ]
    output: Annotated[
        str | None,
        Option(one_of("keep", "drop"), "what becomes of what it prints and logs, beside going where it goes: it is kept with each job, or not", "keep", '`"keep"`'),
    ]
    result_ttl: Annotated[Span | None, Option(SPAN, "how long a succeeded job is kept", said="as its worker says: a day")]
