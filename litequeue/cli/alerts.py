"""The command about alerts: ``alert add`` and its like, thin, over ``app.alerts``; and ``alert check``, which has what it tells delivered.

Owns who runs the jobs that tell where no worker does: this process does then, as a worker of that queue alone, which ends when it is empty, fires no schedule and
takes no other job.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ..app import LiteQueue
from ..base.checks import MICROS
from ..base.durations import spelled
from ..base.errors import InvalidArgument
from ..base.records import as_dict
from ..commands.notices import NO_MAIL, sendmail
from ..options.alerts import AlertOptions
from ..store.rules import QUEUE_OF_ALERTS
from ..store.watched import Watched
from . import render
from .acts import acting
from .calls import options_given, typed
from .jobs import existing
from .notes import note_unknown_task
from .printing import complain, say

if TYPE_CHECKING:
    from ..alerts.records import AlertInfo

WAITED: Final = 3.0  # seconds for a worker to take up what tells
NOBODY: Final = "litequeue: no worker serves this file, so nobody looks until one does; litequeue alert check DB looks once"
# What is said of the arguments in code, as it is said of the options; a condition has words like theirs, and stays as it is.
_THESE: Final = {
    "with when=: such as when='": "with --when: such as --when '", "run=, task= and mail_to=": "--run, --task and --mail-to", "for_:": "--for:", "mail_to:": "--mail-to:",
}  # fmt: skip


def add(arguments: argparse.Namespace) -> int:
    arguments.run = arguments.command
    try:
        options = options_given(arguments, AlertOptions)
    except InvalidArgument as error:
        raise InvalidArgument(_typed(error)) from None
    # An alert may be the first thing that a file holds.
    with LiteQueue(arguments.db) as app:
        if arguments.task is not None:
            note_unknown_task(arguments.task, app._client.store.jobs.origins)
        try:
            info = app.alerts.add(arguments.name, replace=arguments.replace, **options)
        except InvalidArgument as error:
            raise InvalidArgument(_typed(error)) from None
        _note_schedule(app, info)
        served = app._client.store.reports.workers()
    say(f"alert {info.name}: {info.meaning}; told {told(info)} once that is so for {spelled(round(info.for_ * MICROS))}" if info.for_ else f"alert {info.name}: {info.meaning}; told {told(info)} at once")
    if info.mail_to is not None and sendmail() is None:
        say(NO_MAIL.replace("--on-failure", "--run"), to=sys.stderr)
    if not served:
        say(NOBODY, to=sys.stderr)
    return 0


def _typed(error: InvalidArgument) -> str:
    text = typed(error)
    for named, here in _THESE.items():
        text = text.replace(named, here)
    return text + ("; between quotes, or the shell takes what follows the sign for a file" if "at its end" in text else "")


def _note_schedule(app: LiteQueue, info: AlertInfo) -> None:
    """Of a schedule that is not there; it may be declared yet."""
    kind, _, rest = info.when.partition(" ")
    name = rest.partition(" ")[0]
    if kind == "schedule" and name not in [schedule.name for schedule in app.schedules.list()]:
        complain(f"note: there is no schedule named {name}, and as long as there is none the alert fires")


def told(info: AlertInfo) -> str:
    """Who is, in short."""
    whom = [f"by {info.run}"] if info.run is not None else []
    whom += [f"to the task {info.task}"] if info.task is not None else []
    whom += [f"by mail to {info.mail_to}"] if info.mail_to is not None else []
    return render.cut(" and ".join(whom), 80)


def list_(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        found, served = app.alerts.list(), app._client.store.reports.workers()
    if arguments.json:
        render.print_json([as_dict(info) for info in found])
        return 0
    rows = [(info.name, info.state, _seen(info), info.meaning, render.when(info.since), render.when(info.checked_at), told(info)) for info in found]
    render.print_listing(("NAME", "STATE", "SEEN", "FIRES WHEN", "SINCE", "LOOKED AT", "TOLD"), rows, "there is no alert")
    if found and not served:
        say(NOBODY, to=sys.stderr)
    return 0


def _seen(info: AlertInfo) -> str:
    return (info.seen or "") + (f"; good since {render.when(info.good_since)}" if info.good_since is not None else "")


def history(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        found = app.alerts.history(arguments.name, before=arguments.before, limit=arguments.limit + 1)
        if arguments.name is not None and not found:
            app.alerts.get(arguments.name)  # raises where there is none
    shown = found[: arguments.limit]
    if arguments.json:
        render.print_json([as_dict(event) for event in shown])
        return 0
    render.print_listing(("TOLD", "ALERT", "WHAT", "TEXT"), [(render.when(each.at), each.alert, each.event, each.text) for each in shown], "nothing was told")
    if len(found) > len(shown):
        say(f"more: --before {shown[-1].id}")
    return 0


def test(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        say(f"told: {app.alerts.test(arguments.name)}")
        is_alone = not Watched(app._client.store.database).awake()
    if is_alone:
        complain("no worker serves this file: litequeue alert check DB, or the next worker, runs what tells")
    return 0


def pause(arguments: argparse.Namespace) -> int:
    return _change(arguments, "pause", "is paused")


def resume(arguments: argparse.Namespace) -> int:
    return _change(arguments, "resume", "is watched")


def remove(arguments: argparse.Namespace) -> int:
    return _change(arguments, "remove", "is removed")


def _change(arguments: argparse.Namespace, what: str, done: str) -> int:
    with existing(arguments.db) as app:
        change: Any = getattr(app.alerts, what)
        change(arguments.name)
        acting(app).note(what, f"alert {arguments.name}", 0)
    say(f"alert {arguments.name} {done}")
    return 0


# -- looking -------------------------------------------------------------------------------------------


def check(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app:
        for text in app.alerts.check():
            say(text)
        sys.stdout.flush()
        store, now = app._client.store, app._client.clock.now
        is_undelivered = store.alerts.is_undelivered(now()) and not _taken_by_others(app)
        firing = len(store.alerts.firing())
    if is_undelivered:
        _deliver(arguments.db)
    return 1 if firing else 0


def _taken_by_others(app: LiteQueue) -> bool:
    """Whether a worker that serves the queue takes up what lies there, in a while that it has for that."""
    store = app._client.store
    if not any(worker.slots.get("async") and (worker.queues is None or QUEUE_OF_ALERTS in worker.queues) for worker in Watched(store.database).awake()):
        return False
    deadline = time.monotonic() + WAITED
    while store.alerts.is_undelivered(app._client.clock.now()):
        if time.monotonic() > deadline:  # it has its hands full, or hangs
            return False
        time.sleep(0.05)
    return True


def _deliver(db: str) -> None:
    """Run what tells, in this process, which may have to load the code of a task."""
    from .grammar import build
    from .worker.command import run

    words = ["worker", db, "--burst", "--queues", QUEUE_OF_ALERTS, "--threads", "1", "--processes", "1", "--async", "8", "--log-level", "warning"]
    run(build().parse_args(words))

