"""The commands that look at a file or change single jobs: thin, over the app and the store's reports.

None of them creates a file. Each returns the exit code: 0, or 1 where a job was not as asked.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from .. import checks
from ..app import LiteQueue
from ..client import database_path
from ..clock import SystemClock
from ..errors import InvalidArgument, JobNotFound, LitequeueError
from ..job import Job
from ..store import Store
from ..store.inspection import Inspection
from . import render, serving


def _existing(db: str) -> LiteQueue:
    """The app of a file that is there and is ours; raises CannotOpen or NotAQueue, creates nothing."""
    path = database_path(db)
    Store(path, create=False, adopt=False).open_and_close()
    return LiteQueue(path)


def enqueue(arguments: argparse.Namespace) -> int:
    args, kwargs = parse_call(arguments.arguments)
    if arguments.wait is not None:
        checks.micros(arguments.wait, "--wait")
    with _existing(arguments.db) as app:
        job = app.send_task(
            arguments.task,
            args,
            kwargs,
            queue=arguments.queue,
            priority=arguments.priority,
            retries=arguments.retries,
            countdown=arguments.countdown,
            expires=arguments.expires,
            timeout=arguments.timeout,
        )
        print(job.id, flush=True)
        if arguments.wait is None:
            return 0
        try:
            job.get(timeout=arguments.wait)
        except LitequeueError as error:
            print(f"litequeue: {checks.clean(str(error))}", file=sys.stderr)
            return 1
        print(checks.clean(job.info().result or ""))
    return 0


def parse_call(words: list[str]) -> tuple[list[Any], dict[str, Any]]:
    """The words of a command line as a call: JSON or text, ``key=text``, ``key:=json``."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        raw = key.endswith(":")
        key = key.rstrip(":") if raw else key
        if equals and key.isidentifier():
            if key in kwargs:
                raise InvalidArgument(f"the argument {key} is given twice")
            kwargs[key] = _json(value, word) if raw else value
        elif kwargs:
            raise InvalidArgument(f"{word!r} comes after a key=value; put positional arguments first")
        else:
            args.append(_json_or_text(word))
    return args, kwargs


def _json(text: str, word: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidArgument(f"{word!r}: {text!r} is not JSON ({error})") from None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def jobs(arguments: argparse.Namespace) -> int:
    with _existing(arguments.db) as app:
        found = app.jobs(
            state=arguments.state,
            queue=arguments.queue,
            task=arguments.task,
            before=arguments.before,
            limit=arguments.limit,
        )
    if arguments.json:
        render.print_json([render.as_dict(info) for info in found])
        return 0
    render.print_table(
        ("ID", "STATE", "TASK", "QUEUE", "ATTEMPT", "CREATED", "TOOK", "NOTE"),
        [render.job_row(info) for info in found],
    )
    if len(found) == arguments.limit:
        print(f"more: --before {found[-1].id}")
    return 0


def job(arguments: argparse.Namespace) -> int:
    with _existing(arguments.db) as app:
        handle = app.job(arguments.id)
        info, waits = handle.info(), handle.why_waiting()
    if arguments.json:
        render.print_json({**render.as_dict(info), "why_waiting": waits})
    else:
        render.print_job(info, waits)
    return 0


def retry(arguments: argparse.Namespace) -> int:
    return _each(arguments, Job.retry, "runs again", "was not changed: it is {}")


def cancel(arguments: argparse.Namespace) -> int:
    return _each(arguments, Job.cancel, "is {}", "was not changed: it is {}")


def _each(arguments: argparse.Namespace, act: Any, done: str, refused: str) -> int:
    code = 0
    with _existing(arguments.db) as app:
        for job_id in arguments.ids:
            handle = app.job(job_id)
            try:
                acted = act(handle)
                text = (done if acted else refused).format(
                    "being cancelled" if acted and handle.state == "running" else handle.state
                )
                print(f"job {job_id} {text}")
                code = code if acted else 1
            except JobNotFound as error:
                print(f"litequeue: {error}", file=sys.stderr)
                code = 1
    return code


def pause(arguments: argparse.Namespace) -> int:
    with _existing(arguments.db) as app:
        app.pause(arguments.queue)
        known = arguments.queue in app.stats().queues
    print(f"queue {arguments.queue} is paused" + ("" if known else " (no job is in it)"))
    return 0


def resume(arguments: argparse.Namespace) -> int:
    with _existing(arguments.db) as app:
        was = arguments.queue in app.stats().paused
        app.resume(arguments.queue)
    print(f"queue {arguments.queue} {'is' if was else 'was'} not paused{' any more' if was else ''}")
    return 0


def stats(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    store, now = Store(path, create=False, adopt=False), SystemClock().now()
    try:
        found, conditions = store.reports.stats(), Inspection(store.database).conditions(now)
        sizes = _size(path), _size(path + "-wal")
    finally:
        store.close()
    notes = {id_: serving.word(condition, now) for id_, condition in conditions.items()}
    if arguments.json:
        shown = render.as_dict(found)
        for worker in shown["workers"]:
            worker["note"] = notes.get(worker["id"], "")
        render.print_json({**shown, "file_bytes": sizes[0], "log_bytes": sizes[1]})
    else:
        render.print_stats(found, notes, sizes)
    return 0


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
