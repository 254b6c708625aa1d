"""The commands that look at a file or change single jobs: thin, over the app and the store's reports.

None of them creates a file. Each returns the exit code: 0, or 1 where a job was not as asked.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from ..app import LiteQueue
from ..base import checks, search, stored
from ..base.clock import SystemClock
from ..base.counts import AtLeast
from ..base.errors import (
    CannotOpen,
    InvalidArgument,
    LitequeueError,
    NotAQueue,
    UnknownTask,
)
from ..base.records import as_dict, value_of
from ..commands.command import NAME as COMMAND
from ..given import DATABASE, database_path
from ..options import EnqueueOptions
from ..store import Store, waiting
from ..store.inspection import Inspection
from . import render
from .calls import command_of, options_given, parse_call, refuse_command_options
from .following import follow
from .grammar.parser import USUAL
from .notes import note_command, note_unknown_task
from .outputs import print_log, print_output, print_pieces
from .printing import complain, say

if TYPE_CHECKING:
    from ..store.marks import Mark

LINES = 40  # of an attempt's output, among everything about its job


def existing(db: str) -> LiteQueue:
    """The app of a file that is there and is ours; raises CannotOpen or NotAQueue, creates nothing."""
    path = database_path(db)
    if os.sep not in db and not db.endswith(USUAL) and not os.path.exists(path):
        raise CannotOpen(f"{path}: there is no such file; the database comes first, as in litequeue COMMAND DB, or {DATABASE} names it")
    Store(path, create=False, adopt=False).open_and_close()
    return LiteQueue(path)


def enqueue(arguments: argparse.Namespace) -> int:
    task, args, kwargs = _what(arguments)
    if arguments.wait is not None:
        checks.span(arguments.wait, "--wait")
    options = options_given(arguments, EnqueueOptions)
    with existing(arguments.db) as app:
        note_unknown_task(task, app._client.store.jobs.origins)
        job = app.send_task(task, args, kwargs, **options)
        say(job.id)
        if not job.is_new:
            complain(f"job {job.id} was there: it has the key {job.info().unique_key}")
        sys.stdout.flush()
        if arguments.wait is None:
            return 0
        code = 0
        try:
            with contextlib.suppress(UnknownTask):  # of a codec of the task's, which is not asked here
                job.get(timeout=arguments.wait)
        except LitequeueError as error:
            complain(error)
            code = 1
        if arguments.command:
            print_pieces(job.output())
        elif code == 0:
            result = job.info().result or ""
            say(stored.shown(result) if stored.CODEC in result else result)
    return code


def _what(arguments: argparse.Namespace) -> tuple[str, list[Any], dict[str, Any]]:
    """The task and its call; those of a command with --command."""
    if arguments.command:
        if arguments.task is not None:
            raise InvalidArgument(f"--command runs what follows --, so there is no task: {arguments.task!r:.100}")
        command = command_of(arguments)
        note_command(arguments.db, command)
        return COMMAND, [], command
    if arguments.task is None:
        raise InvalidArgument("name the task, or give --command -- and a command")
    refuse_command_options(arguments, "enqueue DB --command -- and its words")
    return arguments.task, *parse_call([*arguments.arguments, *arguments.words])


def init(arguments: argparse.Namespace) -> int:
    path = database_path(arguments.db)
    try:
        Store(path, create=False, adopt=False).open_and_close()
    except (CannotOpen, NotAQueue):
        Store(path).open_and_close()
        say(f"{path} is a queue now")
    else:
        say(f"{path} is a queue already")
    return 0


def tasks(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        known = app._client.store.jobs.origins()
    if arguments.json:
        render.print_json([
            {"task": origin.task, "module": origin.module, "directory": origin.directory, "recorded_at": checks.aware(at)}
            for origin, at in known
        ])  # fmt: skip
        return 0
    rows = [(origin.task, origin.module, origin.directory, render.when(checks.aware(at))) for origin, at in known]
    render.print_listing(("TASK", "MODULE", "DIRECTORY", "RECORDED"), rows, "no producer has recorded a task yet")
    return 0


def jobs(arguments: argparse.Namespace) -> int:
    if arguments.queue is not None:
        checks.name(arguments.queue, "--queue")
    shorthands = {key: getattr(arguments, key) for key in ("state", "queue", "task", "tag")}
    asked = search.parse(" ".join(arguments.query))
    query = search.Query(asked.terms + search.of(**shorthands).terms)
    with existing(arguments.db) as app:
        _refuse_missing_flow(app, asked)
        searching, now = app._client.store.searching, app._client.clock.now()
        found = searching.find(query, now, limit=arguments.limit, before=arguments.before)
        infos = searching.infos(found.ids)
        if arguments.json:
            render.print_json([as_dict(info) for info in infos])
        else:
            render.print_listing(
                ("ID", "STATE", "TASK", "QUEUE", "ATTEMPT", "CREATED", "TOOK", "NOTE"),
                [render.job_row(info) for info in infos],
                "there is no job" + (f" with {search.written(query)}" if query.terms else "") + (" so far" if found.is_cut else ""),
            )
            if arguments.task is not None and not infos and not found.is_cut:
                note_unknown_task(arguments.task, app._client.store.jobs.origins)
    if found.is_cut:
        complain(f"looked at {found.looked_at:,} jobs, and found {len(infos)}; to go on: --before {found.more}")
    elif found.more is not None and not arguments.json:
        say(f"more: --before {found.more}")
    return 0


def _refuse_missing_flow(app: LiteQueue, query: search.Query) -> None:
    """Raise JobNotFound for a workflow that is not there."""
    for term in query.terms:
        for value in term.values if term.key == "flow" and not term.is_not else ():
            app.flow(value.text).progress()  # type: ignore[union-attr]


def job(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        handle = app.job(arguments.id)
        if arguments.follow:
            return follow(handle)
        if arguments.log:
            handle.info()  # raises where there is none
            print_log(handle.output(), as_json=arguments.json)
            return 0
        info, waits, output, steps = handle.info(), handle.why_waiting(), handle.output(), handle.steps()
        flows = app._client.store.flows
        flow, parents = flows.of_job(handle.id), flows.parents(handle.id)
        holder = app._client.store.reports.key_holder(handle.id, app._client.clock.now())
        progress, meta = handle.progress(), app._client.store.shown.meta(handle.id)
    if arguments.json:
        pieces = [as_dict(piece) for piece in output]
        links = {"flow": flow, "parents": parents}
        shown = {"progress": progress and as_dict(progress), "meta": None if meta is None else value_of(meta)}
        render.print_json({**as_dict(info), **links, **shown, "why_waiting": waits, "output": pieces, "steps": list(map(as_dict, steps))})
    else:
        render.print_job(info, waits, flow, parents, holder)
        render.print_progress(progress, meta)
        render.print_steps(steps, info)
        print_output(output, LINES)
    return 0


def stats(arguments: argparse.Namespace) -> int:
    from ..backup.telling import said_of

    path = database_path(arguments.db)
    store, now = Store(path, create=False, adopt=False), SystemClock().now()
    try:
        found, conditions = store.reports.stats(now), Inspection(store.database).conditions(now)
        sizes, mark = (_size(path), _size(path + "-wal")), store.marks.read()
        alerts = store.alerts.firing()
    finally:
        store.close()
    notes = {id_: waiting.word(condition, now) for id_, condition in conditions.items()}
    if arguments.json:
        shown = as_dict(found)
        for worker in shown["workers"]:
            worker["note"] = notes.get(worker["id"], "")
        at_least = sorted(state for state, count in found.states.items() if isinstance(count, AtLeast))
        render.print_json({**shown, "at_least": at_least, "file_bytes": sizes[0], "log_bytes": sizes[1], "alerts": [alert._asdict() | {"since": checks.aware(alert.since)} for alert in alerts], **_of_copy(mark)})
    else:
        render.print_stats(found, notes, sizes)
        render.print_firing(alerts)
        if (said := said_of(mark, path, now)) is not None:
            say(said)
    return 0


def _of_copy(mark: Mark) -> dict[str, Any]:
    """Only of one that is a copy."""
    found: dict[str, Any] = {}
    if mark.copy is not None:
        found["copy"] = {"of": mark.copy.of, "at": checks.aware(mark.copy.at)}
    if mark.paused_at is not None:
        found["schedules_paused_at"] = checks.aware(mark.paused_at)
    return found


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
