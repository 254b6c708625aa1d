"""``run``: one job, here and now, in the main thread of this process, to be looked at.

Owns what is refused and why, and what is said. What becomes of a failure that somebody looks at is ``post_mortem``'s; how the job is claimed and settled is the worker's
(``worker/single``).
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..app import LiteQueue
from ..base import log as logs
from ..base import stored
from ..base.checks import aware, clean_lines, counted
from ..base.clock import SystemClock, system_random
from ..base.errors import InvalidArgument, JobNotFound, UnknownTask
from ..base.outcomes import (
    Discarded,
    Failed,
    Interrupted,
    Outcome,
    Snoozed,
    Succeeded,
    Suspended,
    Timed,
)
from ..base.states import FINAL
from ..pools.base import Call
from ..pools.here import GIVEN_BACK, Decide, MainThread
from ..pools.logs import Lines, Stderr, write_to_stderr
from ..store import Store
from ..store.rules import FOREVER
from ..tasks import TaskCode
from ..worker.discovery import Catalogue
from ..worker.dispatch import Keeping, call_of
from ..worker.single import run_one
from . import exits
from .entry import open_standard_streams
from .jobs import existing
from .post_mortem import looked_at
from .printing import complain, put, put_nowhere
from .render import duration, when

if TYPE_CHECKING:
    from ..base.models import ClaimedJob
    from ..tasks.rehearsed import Rehearsed


def run(arguments: argparse.Namespace, *, catalogue: type[Catalogue] = Catalogue) -> int:
    """Run it; 0 if it went well, 1 if it failed or cannot be had, 130 after Ctrl-C. ``catalogue``: what finds the code, where that is found otherwise than here."""
    if arguments.pdb and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidArgument("--pdb asks and answers on a terminal, and this is none; without it the traceback is printed")
    with existing(arguments.db) as app:
        store: Store = app._client.store
        found = store.chosen.look(arguments.id)
        if found is None:
            raise JobNotFound(f"there is no job {arguments.id} in {app.path}: it never was, or it was pruned")
        job, state = found
        if (why := _refused(app, job, state)) is not None:
            complain(why)
            return exits.NOT_AS_ASKED
        with _logging(arguments.pdb):
            codes = _catalogue(catalogue, store, app.path, arguments.imports or [])
            code = _code_of(codes, job.task)
            _ask_for_again(job, state, code, arguments.again)
            if arguments.dry:
                return _rehearsed(job, code, app.path, arguments)
            return _run(app, codes, job, state, code, arguments)


@contextlib.contextmanager
def _logging(looks: bool) -> Iterator[None]:
    """As a worker does, of jobs alone; each attempt's traceback, unless somebody ``looks`` himself."""
    own, of_jobs = logging.getLogger("litequeue"), logging.getLogger("litequeue.jobs")
    before = own.handlers, own.propagate, own.level, logging.lastResort, of_jobs.level
    write_to_stderr(Lines("warning", False))
    ours = [*own.handlers, logging.lastResort]
    of_jobs.setLevel(logging.INFO if looks else logging.DEBUG)
    of_jobs.addFilter(_is_news)
    try:
        yield
    finally:
        logs.flush()
        of_jobs.removeFilter(_is_news)
        own.handlers, own.propagate, level, logging.lastResort, of_jobs_level = before
        own.setLevel(level)
        of_jobs.setLevel(of_jobs_level)
        for handler in ours:
            if isinstance(handler, Stderr):
                with contextlib.suppress(OSError, ValueError):  # a terminal that is gone
                    handler.stream.close()


def _run(app: LiteQueue, catalogue: Catalogue, job: ClaimedJob, state: str, code: TaskCode, arguments: argparse.Namespace) -> int:
    store: Store = app._client.store
    back = _back(job, state, app._client.clock.now())
    decide: Decide = functools.partial(looked_at, job=job, back=back, was=state) if arguments.pdb else _as_it_is
    began = functools.partial(_say_how, app, job, state)
    is_ours, timed, stopped_by = run_one(store, catalogue, SystemClock(), system_random(), job, code, decide, began, back, again=arguments.again)
    open_standard_streams()
    logs.flush()
    if timed is not None and timed.outcome is back:
        with _heard_or_not():
            sys.stdout.flush()
            complain(f"job {job.id} is lost: it runs at most once" if job.at_most_once else f"job {job.id} is given back, and nothing is charged")
        return _code(GIVEN_BACK, stopped_by)
    sys.stdout.flush()
    if not is_ours:
        found = store.chosen.look(job.id)
        complain((None if found is None else _refused(app, *found)) or _not_had(app, job.id, "gone" if found is None else found[1]))
        return exits.NOT_AS_ASKED
    if timed is None:
        complain(f"job {job.id} was given back, and did not begin: the file takes no writes, or another has it by now")
        return exits.NOT_AS_ASKED
    if isinstance(timed.outcome, Succeeded) and timed.outcome.result not in (None, "null"):
        complain(f"job {job.id} came to: {_shown(timed.outcome.result)}")
    return _code(timed.outcome, stopped_by)


@contextlib.contextmanager
def _heard_or_not() -> Iterator[None]:
    """The terminal may be gone, which is why the job was ended: the exit code says so all the same."""
    try:
        yield
    except OSError:
        put_nowhere(sys.stdout)
        put_nowhere(sys.stderr)


def _back(job: ClaimedJob, state: str, now: int) -> Outcome:
    """What gives it back, uncharged: to its time, if that is yet to come, or else to whoever is free."""
    is_later = state in ("scheduled", "retrying") and now < job.run_at < FOREVER
    return Snoozed(job.run_at - now) if is_later and not job.at_most_once else Interrupted(GIVEN_BACK.reason)


def _shown(result: str | None) -> str:
    text = result or ""
    return (stored.shown(text) if stored.CODEC in text else text)[:2000]


def _code(outcome: Outcome, stopped_by: int | None) -> int:
    if stopped_by is not None and not isinstance(outcome, Succeeded):
        return exits.INTERRUPTED if stopped_by == signal.SIGINT else 128 + stopped_by
    return exits.NOT_AS_ASKED if isinstance(outcome, (Failed, Discarded, Interrupted)) else exits.OK


def _is_news(record: logging.LogRecord) -> bool:
    """Not what is said here as well."""
    return record.levelno > logging.DEBUG


# -- before it ---------------------------------------------------------------------------------------------


def _refused(app: LiteQueue, job: ClaimedJob, state: str) -> str | None:
    """Why it cannot be run here, whatever is given."""
    if state not in ("running", "blocked"):
        return None
    handle = app.job(job.id)
    info, why = handle.info(), handle.why_waiting()
    if state == "running":
        since = "" if info.started_at is None else f" since {when(info.started_at)}"
        return f"job {job.id} runs{since} in the worker {info.worker or '?'}{f'; {why}' if why else ''}: cancel {job.id}, or wait until it has ended"
    if info.limit_key is not None and (why is None or "limit" in why or "slot" in why):
        return None  # it may get its slot
    what = "it is run when they have ended; run or retry those, or cancel it" if why else "retry it, which counts anew what it waits for"
    return f"job {job.id} cannot run yet{f', since {why}' if why else ''}: {what}"


def _not_had(app: LiteQueue, job: int, state: str) -> str:
    if state == "gone":
        return f"job {job} is there no more"
    info, why = app.job(job).info(), app.job(job).why_waiting()
    if info.expires_at is not None and info.expires_at <= aware(app._client.clock.now()):
        return f"job {job} was to start before {when(info.expires_at)}, and expires: retry {job} takes that away"
    return f"job {job} cannot be claimed: it is {state}{f', and {why}' if why else ''}"


def _ask_for_again(job: ClaimedJob, state: str, code: TaskCode, again: bool) -> None:
    if again:
        return
    if state in FINAL:
        raise InvalidArgument(f"job {job.id} is {state}: --again runs it once more, with what it does")
    if job.at_most_once or code.columns.at_most_once:
        raise InvalidArgument(f"job {job.id} runs at most once, also if it is ended here or its failure is looked at: --again says that it may")


def _catalogue(kind: type[Catalogue], store: Store, path: str, imports: Sequence[str]) -> Catalogue:
    """What finds the code, as a worker of this file does. Raises UnknownTask."""
    from .worker.imports import import_tasks

    registered, homes, _ = import_tasks(list(imports), path)
    for code in registered.values():
        code.bind(path)
    clock = SystemClock()
    return kind(
        registered, path=path, origin=None if imports else store.jobs.origin, monotonic=clock.monotonic, homes=homes, trusts_anyone=store.trusts_anyone
    )  # fmt: skip


def _code_of(catalogue: Catalogue, task: str) -> TaskCode:
    try:
        return catalogue.find(task)
    except UnknownTask as error:
        raise UnknownTask(str(error).replace("start the worker with --import", "give --import").replace("this worker was given its code", "--import is all the code here")) from error


def _say_how(app: LiteQueue, job: ClaimedJob, state: str) -> None:
    """As it begins, on stderr: its output is the task's."""
    said = [f"attempt {job.execution}", "in the main thread of this process", "timeouts are off"]
    now = app._client.clock.now()
    if state in ("scheduled", "retrying"):
        said.append("it waited for an event" if job.run_at > now + 10**15 else f"it was due {when(aware(job.run_at))}" if job.run_at > now else "it was due")
    elif state in FINAL:
        said.append(f"it was {state}")
    if job.queue in app._client.store.reports.paused():
        said.append(f"its queue {job.queue} is paused")
    complain(f"job {job.id} {job.label}: {', '.join(said)}")
    sys.stdout.flush()


# -- after it ----------------------------------------------------------------------------------------------


def _as_it_is(call: Call, timed: Timed, error: BaseException | None, is_stopping: Callable[[], bool]) -> Timed:
    return timed


# -- without a trace ---------------------------------------------------------------------------------------


def _rehearsed(job: ClaimedJob, code: TaskCode, path: str, arguments: argparse.Namespace) -> int:
    """``--dry``: nothing is claimed, and nothing written of it. What the task's own code does, it does."""
    from ..tasks.rehearsed import Rehearsed

    clock, rng = SystemClock(), system_random()
    call = call_of(job, code, path, clock.monotonic(), keeping=Keeping(output=False))
    context = Rehearsed(job, call.max_attempts, None, clock.now())
    context._database, context._opener, context._codec = path, code.opener, code.codec
    pool = MainThread(None, clock, rng)
    complain(f"job {job.id} {job.label}: attempt {job.execution}, a dry run: nothing is claimed, and nothing recorded")
    decide: Decide = functools.partial(looked_at, job=job, was="", back=None) if arguments.pdb else _as_it_is
    timed = pool.rehearse(call, context, decide)
    open_standard_streams()
    outcome = timed.outcome
    with _heard_or_not() if pool.stopped_by is not None else contextlib.nullcontext():
        _say_what_it_would_be(job, timed, context, arguments)
    return _code(outcome, pool.stopped_by)


def _say_what_it_would_be(job: ClaimedJob, timed: Timed, context: Rehearsed, arguments: argparse.Namespace) -> None:
    sys.stdout.flush()
    outcome = timed.outcome
    if isinstance(outcome, Failed) and not arguments.pdb:
        put(clean_lines(outcome.traceback), sys.stderr)
    if context.kept:
        complain(f"{counted(len(context.kept), 'step')} ran, and would be stored: {', '.join(context.kept)}")
    complain(f"job {job.id} would have {_in_words(outcome)} after {duration(timed.seconds)}")


def _in_words(outcome: Outcome) -> str:
    if isinstance(outcome, Succeeded):
        return f"succeeded, with {_shown(outcome.result)}"
    if isinstance(outcome, Failed):
        return f"failed ({outcome.type}: {outcome.message[:500]}), " + ("and been discarded," if outcome.delay is None else "and been tried again,")
    if isinstance(outcome, Suspended):
        return f"been put aside in its step {outcome.step!r}"
    if isinstance(outcome, Snoozed):
        return f"been put off for {duration(outcome.delay / 10**6)}"
    return {"Discarded": "been discarded", "Cancelled": "been cancelled", "Interrupted": "been given back", "Replaced": "put other jobs in its place"}[type(outcome).__name__]
