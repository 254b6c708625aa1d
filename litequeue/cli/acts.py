"""The commands that change jobs and queues: one by one, or all that a search means.

Each leaves a row of what was done (``acting``). Return the exit code: 0, or 1 where a job was not as asked, or nothing was done.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable
from typing import Any, Final

from ..acting import DONE, Acting, Progress, ids_meant, meant
from ..app import LiteQueue
from ..base import checks
from ..base.accounts import own_name
from ..base.checks import counted
from ..base.counts import AtLeast
from ..base.errors import InvalidArgument, JobNotFound, LitequeueError
from ..base.search import Query, written
from ..job import Job
from ..options.kinds import LENGTH
from ..workflow.flow import Flow
from .grammar.parser import job_id, job_or_flow
from .jobs import existing
from .printing import complain, put, say

_ID: Final = re.compile("[0-9]+|flow:[0-9]+")
SHOWN: Final = 10  # batches between two lines of how far it is


def acting(app: LiteQueue) -> Acting:
    """Who uses the command line."""
    return Acting(app._client, f"{own_name()} (cli)")


def retry(arguments: argparse.Namespace) -> int:
    act = functools.partial(Job.retry, from_start=arguments.from_start)
    return _done(arguments, "retry", act, "runs again", Flow.retry, "put back")


def cancel(arguments: argparse.Namespace) -> int:
    return _done(arguments, "cancel", Job.cancel, "is {}", Flow.cancel, "cancelled")


def purge(arguments: argparse.Namespace) -> int:
    """By ids too it is a search, since there is nothing to say of each."""
    return _by_query(arguments, "purge", _query_of(arguments, "purge"))


def prune(arguments: argparse.Namespace) -> int:
    older = None if arguments.older is None else LENGTH.check(arguments.older, "--older")
    if older is not None and arguments.meant and all(map(_ID.fullmatch, arguments.meant)):
        raise InvalidArgument("--older is for a search, such as task:shop.*; jobs that are named by their ids are deleted whenever they ended")
    if older is None and arguments.meant:
        return _by_query(arguments, "prune", _query_of(arguments, "prune"))
    return _by_query(arguments, "prune", meant("prune", " ".join(arguments.meant), older=older))


def move(arguments: argparse.Namespace) -> int:
    queue = checks.name(arguments.to, "--to")
    code = _by_query(arguments, "move", _query_of(arguments, "move"), queue)
    if not arguments.dry_run and code == 0:
        with existing(arguments.db) as app:
            if queue in app._client.store.reports.paused():
                complain(f"queue {queue} is paused: they wait there until litequeue resume {arguments.db} {queue}")
    return code


def _done(
    arguments: argparse.Namespace, what: str, act: Callable[[Job[Any]], bool], done: str, act_on_flow: Callable[[Flow], int], came: str
) -> int:
    if arguments.dry_run or not all(map(_ID.fullmatch, arguments.meant)):
        return _by_query(arguments, what, _query_of(arguments, what))
    return _each(arguments, what, act, done, act_on_flow, came)


def _query_of(arguments: argparse.Namespace, what: str) -> Query:
    """Jobs by their ids, or what the words say. Raises InvalidArgument."""
    words: list[str] = arguments.meant
    are_ids = [word.isascii() and word.isdigit() for word in words]
    if all(are_ids):
        return ids_meant(what, map(job_id, words))
    if any(are_ids):
        raise InvalidArgument(f"{' '.join(words):.80}: name jobs by their ids, or say a search, such as id:1,2 task:x")
    if "-y" in words:
        raise InvalidArgument("-y is a search for what has no y: --yes does it")
    return meant(what, " ".join(words))


# -- what is named ---------------------------------------------------------------------------------------


def _each(
    arguments: argparse.Namespace, what: str, act: Callable[[Job[Any]], bool], done: str, act_on_flow: Callable[[Flow], int], came: str,
) -> int:
    """Do it to each that is named. 1, where there was nothing to be done to one."""
    named = [job_or_flow(word) for word in arguments.meant]
    if what == "retry" and arguments.from_start and any(isinstance(each, str) for each in named):
        raise InvalidArgument("--from-start is for jobs by their ids: of a workflow what has failed goes on behind its last step")
    code = 0
    with existing(arguments.db) as app:
        for each in named:
            try:
                if isinstance(each, str):
                    count = act_on_flow(app.flow(each))
                    say(f"{each}: {counted(count, 'job')} {came}" if count else f"{each} was not changed: it has nothing to be {came}")
                else:
                    count = int(act(app.job(each)))
                    _say_of_job(app, each, what, done if count else "was not changed: it is {}", bool(count))
                if count:
                    acting(app).note(what, f"job {each}" if isinstance(each, int) else each, count)
                code = code if count else 1
            except JobNotFound as error:
                complain(error)
                code = 1
    return code


def _say_of_job(app: LiteQueue, job: int, what: str, text: str, acted: bool) -> None:
    handle, flows, reports = app.job(job), app._client.store.flows, app._client.store.reports
    state = handle.state
    cause = None if acted else flows.cause(job)
    more = "" if cause is None or state != "cancelled" else f", for job {cause}: retry that, and it waits for it again"
    say(f"job {job} {text.format('being cancelled' if acted and state == 'running' else state)}{more}")
    holder = reports.key_holder(job, app._client.clock.now()) if acted and what == "retry" else None
    if holder is not None:
        say(f"job {job} runs without its key {handle.info().unique_key}, which job {holder} has")


# -- what a search means -----------------------------------------------------------------------------------


def _by_query(arguments: argparse.Namespace, what: str, query: Query, to: str = "") -> int:
    with existing(arguments.db) as app:
        actor = acting(app)
        count = actor.count(query)
        said = f"{counted(count, 'job')} with {written(query)}"
        if not count and what == "prune":  # as often as not, where a schedule does it
            say(f"there is no job with {written(query)}")
            return 0
        if not count:
            complain(f"there is no job with {written(query)}")
            return 1
        if arguments.dry_run or not (arguments.yes or _agrees(what, f"{said} to {to}" if to else said)):
            say(f"{said}: nothing was done" + ("" if arguments.dry_run or sys.stdin.isatty() else f"; --yes does it, to {what} {'it' if count == 1 else 'them'}"))
            return 0 if arguments.dry_run else 1
        return _act(actor, what, query, count, from_start=getattr(arguments, "from_start", False), to=to)


def _agrees(what: str, said: str) -> bool:
    if not sys.stdin.isatty():
        return False
    put(f"{what} {said}? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _act(actor: Acting, what: str, query: Query, count: int, *, from_start: bool, to: str) -> int:
    progress = Progress(0, 0)
    try:
        for number, progress in enumerate(actor.act(what, query, count, from_start=from_start, to=to), 1):
            if progress.stopped:
                complain(f"stopped, since {progress.stopped}: {_came(what, progress)}")
                return 1
            if number % SHOWN == 0:
                complain(f"{progress.looked_at:,} of {count:,}")
    except LitequeueError:
        complain(f"{_came(what, progress)}, and then it could not go on")
        raise
    left = progress.looked_at - progress.changed
    say(_came(what, progress) + (f"; {left:,} {'was' if left == 1 else 'were'} left as {'it was' if left == 1 else 'they were'}" if left else ""))
    return 0 if progress.changed else 1


def _came(what: str, progress: Progress) -> str:
    """What was done."""
    kept = progress.kept
    are = "was cancelled, and is kept as long as a job that comes of it" if kept == 1 else "were cancelled, and are kept as long as jobs that come of them"
    return f"{counted(progress.changed - kept, 'job')} {DONE[what]}" + (f"; {kept:,} {are}" if kept else "")


# -- queues ------------------------------------------------------------------------------------------------


def pause(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        app.pause(arguments.queue)
        acting(app).note("pause", f"queue {arguments.queue}", 0)
        known = arguments.queue in (found := app.stats()).queues or any(isinstance(count, AtLeast) for count in found.states.values())
    say(f"queue {arguments.queue} is paused" + ("" if known else " (no job is in it)"))
    return 0


def resume(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        was = arguments.queue in app._client.store.reports.paused()
        app.resume(arguments.queue)
        acting(app).note("resume", f"queue {arguments.queue}", 0)
    say(f"queue {arguments.queue} {'is' if was else 'was'} not paused{' any more' if was else ''}")
    return 0
