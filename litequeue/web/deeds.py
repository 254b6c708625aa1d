"""The addresses that are posted to: what is done to jobs, queues and schedules.

Owns what a form means. A deed that is meant by a search, and one that deletes, is asked about first, with how many jobs that are; what is done to single
jobs is done at once. Each leaves a row (``acting``). There is no such address without ``--allow-actions``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..acting import Acting, ids_meant, meant
from ..base import checks
from ..base.clock import monotonic
from ..base.errors import InvalidArgument
from ..base.search import Query, written
from ..schedules.face import Schedules
from ..store.pages.queues import counted
from ..store.pages.records import ActPage
from . import looks
from .addresses import to
from .messages import Request, Response
from .pages.acting import act as act_page
from .place import Place

OFFERED: Final = ("retry", "cancel", "purge", "move")
MOST_COUNTED: Final = 100_000
MOST_IDS: Final = 500
SHOWN: Final = 20  # of those that are meant
SECONDS: Final = 20.0  # for which one request goes on


def _actor(request: Request, place: Place) -> Acting:
    return Acting(place.client, f"{request.who} (web)")


def _one(request: Request, name: str) -> str:
    return request.form.get(name, ("",))[-1]


# -- jobs ------------------------------------------------------------------------------------------------


def act(request: Request, place: Place) -> Response:
    """``op`` with ids, or ``all`` with a search; ``confirm`` and ``count`` once somebody has seen how many."""
    of_all = _one(request, "all")
    what = of_all or _one(request, "op")
    if what not in OFFERED:
        raise InvalidArgument(f"there is no action {what!r:.40}: {', '.join(OFFERED)}")
    ids = () if of_all else _ids(request)
    query = ids_meant(what, ids) if ids else meant(what, _one(request, "q"))
    queue = checks.name(_one(request, "to"), "the queue to move to") if what == "move" else ""
    if _one(request, "confirm") or ids and what != "purge":
        return _done(request, place, what, query, ids, queue)
    return _asked(request, place, what, query, ids, queue)


def _ids(request: Request) -> tuple[int, ...]:
    found = request.form.get("id", ())
    if len(found) > MOST_IDS or not all(text.isascii() and text.isdigit() and len(text) < 19 for text in found):
        raise InvalidArgument(f"up to {MOST_IDS} jobs are named by their ids")
    return tuple(dict.fromkeys(map(int, found)))


def _asked(request: Request, place: Place, what: str, query: Query, ids: tuple[int, ...], queue: str) -> Response:
    searching, now = place.client.store.searching, place.clock.now()
    count = counted(_actor(request, place).count(query, MOST_COUNTED))
    few = place.client.store.pages.listed(searching.find(query, now, limit=SHOWN).ids)
    view = ActPage(what, None if ids else written(query), ids, count, few, to=queue)
    return looks.shown(request, place, act_page, lambda pages, now: view)


def _done(request: Request, place: Place, what: str, query: Query, ids: tuple[int, ...], queue: str) -> Response:
    until, said = monotonic() + SECONDS, _one(request, "count")
    expected = int(said) if said.isascii() and said.isdigit() and len(said) < 10 and not ids else None
    if expected == MOST_COUNTED:  # there may be any number more
        expected = None
    changed, stopped, kept = 0, "", 0
    for progress in _actor(request, place).act(what, query, expected, to=queue):
        changed, stopped, kept = progress.changed, progress.stopped, progress.kept
        if not stopped and monotonic() > until:
            stopped = f"it took {SECONDS:.0f} s; there may be more, for another time"
            break
    if len(ids) == 1 and _one(request, "back") and what != "purge":
        return Response(303, location=to(request, "jobs", ids[0]))
    if ids and changed == len(ids) and what != "purge":  # the list shows it
        return Response(303, location=to(request, "jobs", q=_one(request, "q") or None))
    count = len(ids) if ids else changed if expected is None else expected
    view = ActPage(what, None if ids else written(query), ids, counted(count), (), changed - kept, stopped, queue, kept)
    return looks.shown(request, place, act_page, lambda pages, now: view)


# -- queues and schedules ----------------------------------------------------------------------------------


def pause_queue(request: Request, place: Place, name: str) -> Response:
    place.client.store.operations.pause(name, place.clock.now())
    _actor(request, place).note("pause", f"queue {name}", 0)
    return Response(303, location=to(request, "queues", name))


def resume_queue(request: Request, place: Place, name: str) -> Response:
    store = place.client.store
    place.client.ring(store.operations.resume(name))
    _actor(request, place).note("resume", f"queue {name}", 0)
    # An empty one that has no history was there for its pause alone.
    is_there = store.pages.queue(name, "1h", place.clock.now()) is not None
    return Response(303, location=to(request, "queues", *([name] if is_there else [])))


def _to_schedule(what: str, do: Callable[[Schedules, str], object]) -> Callable[..., Response]:
    def act(request: Request, place: Place, name: str) -> Response:
        do(Schedules(place.client, {}), name)  # raises ScheduleNotFound
        _actor(request, place).note(what, f"schedule {name}", int(what == "run"))
        return Response(303, location=to(request, "schedules", name))

    return act


pause_schedule = _to_schedule("pause", Schedules.pause)
resume_schedule = _to_schedule("resume", Schedules.resume)
run_schedule = _to_schedule("run", Schedules.run_now)
