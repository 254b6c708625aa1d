"""What an app, its tasks and its job handles share: the file (``opening``), the codec, the clock and the bell.

Owns turning a call and its options into a NewJob, and storing it. The faces that users see are ``app``, ``task`` and ``job``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from copy import copy
from typing import TYPE_CHECKING, Any, Final, TypeVar

from . import known, origins
from .base import checks
from .base.clock import Clock, SystemClock
from .base.errors import PayloadError, WouldDeadlock
from .base.mainguard import refuse_in_an_import
from .base.models import Membership, NewJob, TaskOrigin
from .base.stored import loads_as
from .given import expires_at_of, run_at_of, say_whose
from .opening import Opening
from .options import WHEN, EnqueueOptions, checked, stored
from .options.kinds import ENDS
from .tasks import TaskCode, Template, columns_of
from .tasks.durable import check_name

if TYPE_CHECKING:
    from .base.exact import Limit, UniqueKey
    from .tasks.callbacks import Callback

T = TypeVar("T")

joining: Final = ContextVar[tuple[str, Membership] | None]("litequeue_batch", default=None)  # a file, and how to join in it
_BESIDE: Final = {"after", *WHEN}  # options that are stored beside the job's row


class Client(Opening):
    """One file as an app sees it. Safe in any thread and after a fork."""

    # Of an app whose jobs are in another system, since it was handed over to that (``celery``): the class of their handles, and what enqueues many.
    handles: Any = None
    enqueues_many: Any = None
    follow: Any = None  # where jobs are moved there one by one: makes a handle of the id that one has there

    def on_paper(self, clock: Clock) -> Client:
        """The same for calls that are only thought through: at another time, and nothing of them is recorded."""
        made = copy(self)
        made.clock, made._recorded = clock, _Everything()
        return made

    def enqueue(
        self, code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None
    ) -> tuple[int, bool]:
        """Store one job of a known task, or give the one that has its key: as ``Enqueued``. It is on disk when this returns."""
        if self.hooks.observers:
            return self.observed(code.template, 1, options, lambda said: self._enqueue(code, args, kwargs, said), _only)
        return self._enqueue(code, args, kwargs, options)

    def observed(
        self, task: Template, count: int | None, options: Mapping[str, Any] | None, enqueue: Callable[[Any], T],
        id_of: Callable[[T], int | None] = lambda _: None,
    ) -> T:  # fmt: skip
        """An enqueue, with the app's hooks around it, which may add headers."""
        from .tasks.observers import sending

        def go_on(said: Mapping[str, Any] | None, added: dict[str, Any]) -> T:
            if added:
                given = (said or {}).get("headers")
                said = {**(said or {}), "headers": {**(loads_as(task.columns.headers, dict) if given is None else given), **added}}
            return enqueue(said)

        return sending(self.hooks.observers, task, count, options, go_on, id_of)

    def _enqueue(
        self, code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None
    ) -> tuple[int, bool]:
        code.check_call(args, kwargs)
        try:
            texts = code.codec.encode_call(code.name, args, kwargs)
        except PayloadError as error:
            raise code.with_name(error) from error.__cause__
        key, said = (None, None) if code.template.unique is None and not options else self.key_of(code.template, args, kwargs, options)
        found = self._store_one(code.template, texts, said, self.origin_of(code), key, (args, kwargs))
        if code.name not in self._recorded:
            self.recorded((code.name,))
        return found

    def key_of(
        self, task: Template, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any] | None
    ) -> tuple[UniqueKey | None, Mapping[str, Any] | None]:
        """The key of a job, and the options without what says it. Raises InvalidArgument for what contradicts a key."""
        if task.unique is None and not (options and "unique" in options):
            return None, options
        from .unique import key_of  # most programs have none

        return key_of(task, args, kwargs, options or {}, self.codec)

    def _store_one(
        self, task: Template, texts: tuple[str, str], options: Mapping[str, Any] | None, origin: TaskOrigin | None, key: UniqueKey | None,
        call: tuple[Sequence[Any], Mapping[str, Any]],
    ) -> tuple[int, bool]:  # fmt: skip
        found: tuple[int, bool]
        batch = self.batch()
        if batch is not None or options and not _BESIDE.isdisjoint(options):
            said = dict(options or {})
            after, callbacks = said.pop("after", None), self.callbacks_of(said, task.writes)
            ends = [] if after is None else self.ends_of(after)
            # From when the others have ended; where there is nothing to wait for, from now.
            delay = checked(EnqueueOptions, {"countdown": said.pop("countdown", None)} if ends else {}, "an enqueue").get("countdown")
            found, addresses = self.store.flows.enqueue_one(self.new_job(task, texts, said, call), ends, delay, callbacks, origin, batch, key)
        elif key is not None:
            found, addresses = self.store.jobs.enqueue_unique(self.new_job(task, texts, options, call), key, origin)
        else:
            job_id, addresses = self.store.jobs.enqueue(self.new_job(task, texts, options, call), origin)
            found = job_id, True
        self.ring(addresses)
        return found

    def batch(self) -> Membership | None:
        """The batch in whose block this is called, if it is one of this file."""
        found = joining.get()
        return None if found is None or found[0] != self.path else found[1]

    def declare_limit(self, limit: Limit) -> None:
        """In memory; whoever enqueues or runs a task of it writes it down."""
        self.hooks.limits[limit.name] = limit
        self._recorded.clear()

    def callbacks_of(self, options: dict[str, Any], writes: str | None) -> list[tuple[str, str]]:
        """Those of an enqueue, taken out of its options: when, and the job as JSON. ``writes``: the codec of what they are called with."""
        given = {option: options.pop(option) for option in WHEN if option in options}
        if not given:
            return []
        from .tasks.callbacks import callbacks_of  # most programs have none

        found = callbacks_of(checked(EnqueueOptions, given, "an enqueue"), writes)
        self.record_targets(found)
        return [(callback.runs_when, callback.job) for callback in found]

    def record_targets(self, callbacks: Iterable[Callback]) -> None:
        """Where the code of callbacks is, before the first job that has them: who runs that need not know it."""
        origins = [origin for callback in callbacks if callback.code for origin in (self.origin_of(callback.code),) if origin is not None]
        if origins:
            self.store.jobs.record_origins(origins, self.clock.now())
            self.recorded(origin.task for origin in origins)

    def ends_of(self, after: Any) -> list[int]:
        """The jobs that these handles and ids stand for. Raises InvalidType for what is none, InvalidArgument for one of another
        file, JobNotFound for a flow that is not there, WouldDeadlock for the batch in whose block this is."""
        found: list[int] = []
        for item in checked(EnqueueOptions, {"after": after}, "an enqueue")["after"]:
            if isinstance(item, str) and item.startswith("flow:"):
                found += self.store.flows.ends(int(item[5:]))
            else:
                found += [int(item)] if isinstance(item, (int, str)) else getattr(item, ENDS)(self.path)
        batch = self.batch()
        if batch is not None and not set(found).isdisjoint(self.store.flows.ends(batch.flow)):
            raise WouldDeadlock(f"a job of batch {batch.flow} would wait for the end of that, its own: enqueue it after the block")
        return list(dict.fromkeys(found))

    def enqueue_by_name(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None
    ) -> tuple[int, bool]:
        """Store a job of a task whose code is not here, or give the one that has its key."""
        refuse_in_an_import()
        template = self.template(name)
        if self.hooks.observers:
            return self.observed(template, 1, options, lambda said: self._enqueue_by_name(template, args, kwargs, said), _only)
        return self._enqueue_by_name(template, args, kwargs, options)

    def _enqueue_by_name(
        self, template: Template, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None
    ) -> tuple[int, bool]:
        key, said = self.key_of(template, args, kwargs, options)
        return self._store_one(template, self.codec.encode_call(template.task, args, kwargs), said, None, key, (args, kwargs))

    def emit(self, event: str, payload: Any, keep: Any, *, replace: bool) -> bool:
        now = self.clock.now()
        text = self.codec.encode(payload, f"the payload of event {check_name(event, 'event')!r}")
        first, addresses = self.store.steps.emit(event, text, now, now + checks.span(keep, "keep", zero=False), replace=replace)
        self.ring(addresses)
        return first

    @staticmethod
    def builtin(name: str) -> TaskCode | None:
        """The code of a task that litequeue brings itself."""
        if not name.startswith("litequeue."):
            return None
        from .commands.command import (  # most programs enqueue none of its jobs
            NAME,
            TASK,
        )

        return TASK if name == NAME else None

    def template(self, task: TaskCode | str) -> Template:
        """What a task says of its jobs; of one whose code is not here, what other producers recorded."""
        return Template.of(task, self.store.jobs.origin(task)) if isinstance(task, str) else task.template

    def new_job(
        self, task: Template, texts: tuple[str, str], options: Mapping[str, Any] | None, call: tuple[Sequence[Any], Mapping[str, Any]] | None = None
    ) -> NewJob:
        """A job that is not enqueued yet: for schedules too, which copy it. ``call``: its arguments, if all are known."""
        if not self._is_judged:
            self._is_judged = True
            say_whose(self.path)
        if task.limited is not None and call is not None:
            task = task._replace(columns=task.columns._replace(limit_key=task.limited.key(*call, self.codec)))
        now, columns, expires = self.clock.now(), task.columns, task.expires
        if not options:  # an enqueue's usual way
            return NewJob(task.task, *texts, "available", now, now, None if expires is None else now + expires, columns)
        given = checked(EnqueueOptions, options, "an enqueue")
        columns = columns_of(task, stored(EnqueueOptions, given))
        run_at = run_at_of(given, now)
        state = "scheduled" if run_at > now else "available"
        return NewJob(task.task, *texts, state, run_at, now, expires_at_of(given, expires, now, run_at), columns)

    def recorded(self, tasks: Iterable[str]) -> None:
        """Where these are has been stored with jobs; by a program's transaction only once that is committed, which is not known here."""
        if self._opened() is None:
            self._recorded.update(tasks)

    def origin_of(self, code: TaskCode) -> TaskOrigin | None:
        """Where the code is, for the first enqueue of each task by this process."""
        if code.name in self._recorded:
            return None
        refuse_in_an_import()
        self.record_targets(code.callbacks)
        origin = code.origin
        if code.limit_name is not None and (origin is None or origin.limit is None):
            origins.refuse_undeclared(code.name, code.limit_name, self.store, self.path)
        if origin is not None and origin.is_loadable:
            origins.compare(origin, self.store.jobs.origin(code.name))
        return origin


def _only(enqueued: tuple[int, bool]) -> int:
    return enqueued[0]


class _Everything(set[str]):
    """What has been said of every task that there is."""

    def __contains__(self, task: object) -> bool:
        return True


def client_of(path: str) -> Client:
    """The client of the app that this process has of a file; else one without tasks and registered types."""
    found: Client | None = known.found(path)
    if found is not None and found.path == path:
        return found
    return Client(path, durability="full", clock=SystemClock())  # until an app comes, which knows more
