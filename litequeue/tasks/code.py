"""A registered function with its options: what the pools run.

Owns the checks of a task's function and of calls to it. Registering is memory only: no I/O at import.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..base import checks
from ..base.backoff import BackoffLike
from ..base.errors import (
    CannotOpen,
    InvalidArgument,
    PayloadCorrupt,
    PayloadError,
    Retry,
    SignatureMismatch,
)
from ..base.homes import Home, home_of
from ..base.models import ClaimedJob, JobColumns, TaskOrigin
from ..base.signatures import signature_of
from ..options import EnqueueOptions, TaskOptions, complete, options_of, stored
from ..payload import Codec
from .functions import (
    check_function,
    nobody_passes,
    positional_arity,
    top_level,
    with_name,
)
from .source import source_of
from .template import Template, check_columns

if TYPE_CHECKING:
    from ..base.exact import Limit
    from ..base.masking import Secrets
    from .bounds import Bounds
    from .callbacks import Callback
    from .keys import LimitKeys, Unique

# What retry_on speaks of. sys.exit() is the task's own word that it has ended; others that are no Exception, such as
# SoftTimeout, come from outside of it.
_MEANT: Final = (Exception, SystemExit, KeyboardInterrupt)
MARK: Final = "__litequeue_code__"  # the attribute by which a module's object shows that it is a task


class Marked:
    """What shows tasks or schedules to those who look through a module's names: tasks and apps.

    Whoever looks asks ``type(value)`` alone. A value may be a proxy that runs somebody's code when anything is asked of it,
    and raises (flask's ``current_app``): a getattr on each took every worker along that loaded such a module.
    """


class Hooks:
    """An app's functions that are called around and after its tasks; ``hooks`` fills it."""

    __slots__ = ("after", "around", "before", "discarded", "ended", "limits", "observers")

    def __init__(self) -> None:
        self.around = False  # whether there is anything around an execution
        self.observers: list[Any] = []  # of ``app.use``
        self.before: list[Callable[..., Any]] = []
        self.after: list[Callable[..., Any]] = []
        self.ended: dict[str, list[Callable[[int], Any]]] = {}  # by the state
        self.discarded: list[TaskCode] = []  # tasks that are told of discarded jobs
        self.limits: dict[str, Limit] = {}  # that are declared by name


class TaskCode:
    """A registered function with its options: what the pools run."""

    __slots__ = (
        "_arity", "_backoff", "_limit", "_origin", "_signature", "bind", "bounds", "callbacks", "checked", "codec", "columns", "found_by", "function", "give_up_on", "hooks", "is_async", "keeps",
        "limit_name", "made_by", "name", "opener", "result_ttl", "retry_on", "secret", "source", "template",
    )  # fmt: skip

    def __init__(
        self,
        function: Callable[..., Any],
        codec: Codec,
        bind: Callable[[str], None],
        options: Mapping[str, Any],
        hooks: Hooks | None = None,
        opener: Callable[[], Any] | None = None,
    ) -> None:
        """``bind`` tells the task's app which file the worker that runs it serves; ``hooks`` are the app's;
        ``opener``: the store of that file, for what a running job asks."""
        check_function(function)
        self.checked = False  # whether it was imported from where the file said, with care, and is to be so elsewhere too
        self.found_by: Callable[..., TaskCode] | None = None  # in a process of the pool, where it is no task of its module; as ``locate``
        self.function = function
        self.bind = bind
        self.hooks = hooks or Hooks()
        self.opener = opener
        self.is_async = inspect.iscoroutinefunction(function)
        clean = complete(TaskOptions, options, "@app.task")
        clean["pool"] = _pool(clean["pool"], self.is_async)
        self.columns = JobColumns(**stored(TaskOptions, clean))
        self.retry_on: tuple[type[BaseException], ...] = clean["retry_on"]
        self.give_up_on: tuple[type[BaseException], ...] = clean["give_up_on"]
        self.result_ttl: int | None = clean["result_ttl"]  # None: as the worker says
        self.keeps: bool = clean["output"] == "keep"
        self._backoff: BackoffLike = clean["backoff"]
        home = home_of(function.__module__, getattr(function, "__globals__", None))
        qualname = getattr(function, "__qualname__", function.__name__)
        check_columns(clean["name"] or qualname, self.columns)
        self.bounds = self._bounds(clean, qualname)
        self.name = clean["name"] or _name_of(home, qualname)
        self.codec = codec if clean["codec"] is None else self._own_codec(codec, clean)
        self.callbacks = self._callbacks(clean)
        if self.callbacks:
            self.columns = self.columns._replace(links=1)
        self._signature = signature_of(function)
        self._limit = self._own_limit(clean)
        self.limit_name: str | None = clean["limit"] if self._limit is None else self.name
        limited = self._limit_keys(clean)
        if limited is None:
            self.columns = self.columns._replace(limit_key=self.limit_name)
        self.template = Template(self.name, self.columns, clean["expires"], self.callbacks, self._unique(clean, options), limited, self.codec.writes)
        self.secret = None if clean["secret"] is None else self._secrets(clean["secret"])
        self._origin = self._find_origin(home, qualname)
        loadable = self._origin is not None and self._origin.is_loadable
        if self.columns.pool == "process" and (not loadable or "<" in qualname):
            raise InvalidArgument(
                f'the task {self.name} has pool="process", so it must be importable in another '
                "process: define it at the top level of a module or script file"
            )
        self.made_by = top_level()
        self.source = source_of(function.__module__, self.made_by)
        self._arity = positional_arity(self._signature)

    @property
    def origin(self) -> TaskOrigin | None:
        """Where its code is, and the limit that its jobs ask, as far as this code declares it."""
        if self.limit_name is None or self._origin is None:
            return self._origin
        return self._origin._replace(limit=self._limit or self.hooks.limits.get(self.limit_name))

    @property
    def is_told_of(self) -> bool:
        """Whether those who have not its code are to know what it says."""
        return self.secret is not None or self.limit_name is not None

    def limit_key(self, job: ClaimedJob) -> str | None:
        """Of a job that was enqueued without, since not all of its arguments were known then, or its task's options."""
        limited = self.template.limited
        if limited is None:
            return self.columns.limit_key
        try:
            return limited.key(*self.codec.decode_call(job.args, job.kwargs, job.inputs), self.codec)
        except (ValueError, TypeError, CannotOpen):  # it cannot run, and is to come where that is said
            return limited.name

    def _own_limit(self, clean: Mapping[str, Any]) -> Limit | None:
        most, rate, name = clean["max_running"], clean["rate"], clean["limit"]
        has_own = most is not None or rate is not None
        if has_own and name is not None:
            raise InvalidArgument(f"what the limit {name} allows is said once, by app.limit({name!r}, ...): leave max_running and rate out")
        if clean["limit_key"] and not has_own and name is None:
            raise InvalidArgument("limit_key goes with max_running, rate or limit: what is counted for each value by itself")
        if ":" in (self.name if has_own else name or ""):
            raise InvalidArgument("a limit's name has no colon, so this task needs another for it than its own: limit='NAME', and app.limit(...)")
        if not has_own:
            return None
        from ..base.exact import Limit  # for the few tasks that have one

        return Limit(self.name, most, *(rate or (None, None)))

    def _limit_keys(self, clean: Mapping[str, Any]) -> LimitKeys | None:
        if not clean["limit_key"] or self.limit_name is None:
            return None
        from .keys import LimitKeys, key_maker

        maker = key_maker(self.name, self._signature, clean["limit_key"], "limit_key", self.codec, clean["secret"] or ())
        return LimitKeys(self.limit_name, maker)

    def retries_on(self, error: BaseException) -> bool:
        """Whether a job that has failed with it runs again, while attempts are left: ``give_up_on`` wins over ``retry_on``."""
        if isinstance(error, Retry):
            return True
        return not isinstance(error, PayloadCorrupt) and not (isinstance(error, self.give_up_on) or isinstance(error, _MEANT) and not isinstance(error, self.retry_on))

    def backoff(self, kwargs: str) -> BackoffLike:
        """For a job with these stored arguments."""
        return self._backoff

    def _bounds(self, clean: Mapping[str, Any], qualname: str) -> Bounds | None:
        if clean["memory"] is None and clean["cpu_time"] is None and clean["nice"] is None:
            return None
        from .bounds import bounds_of  # for the few tasks that have any

        return bounds_of(clean["name"] or qualname, clean)

    def _callbacks(self, clean: Mapping[str, Any]) -> tuple[Callback, ...]:
        if clean["on_success"] is None and clean["on_failure"] is None:
            return ()
        from .callbacks import callbacks_of

        return callbacks_of(clean, self.codec.writes)

    def _own_codec(self, app: Codec, clean: Mapping[str, Any]) -> Codec:
        from ..payload.coded import of_task  # for the few tasks that have one

        found = of_task(app, self.name, clean["codec"])
        if found.writes is not None and clean["secret"] is not None:
            raise InvalidArgument(f"{self.name}: what is secret is hidden in arguments that are JSON, and not in what the codec {found.writes} makes of them")
        return found

    def _unique(self, clean: Mapping[str, Any], given: Mapping[str, Any]) -> Unique | None:
        if not (clean["unique"] or any(given.get(name) is not None for name in ("unique_until", "on_conflict", "debounce", "max_wait"))):
            return None
        from .keys import unique_of  # for the few tasks that are

        return unique_of(self.name, self._signature, clean, given, self.codec)

    def _secrets(self, names: Sequence[str]) -> Secrets:
        from ..base.masking import Secrets

        return Secrets.of(self.name, self._signature, names)

    def _find_origin(self, home: Home | None, qualname: str) -> TaskOrigin | None:
        if home is None or home.directory is None and self.is_told_of:
            return TaskOrigin(self.name, "", qualname, "", self.template.recorded(self.secret))
        if home.directory is None:
            return None
        return TaskOrigin(self.name, home.module, qualname, home.directory, self.template.recorded(self.secret))

    def with_name(self, error: PayloadError) -> PayloadError:
        """An error that says where an argument stands that cannot be stored, with that argument's name."""
        return with_name(error, self.name, self._signature)

    def check_call(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """Raise SignatureMismatch unless the function could be called like this."""
        # Signature.bind costs 4 us; most calls are positional, and a count settles those.
        if not kwargs and self._arity is not None and self._arity[0] <= len(args) <= self._arity[1]:
            return
        try:
            self._signature.bind(*args, **kwargs)
        except TypeError as error:
            options = ", ".join(sorted(kwargs.keys() & options_of(EnqueueOptions).keys() - self._signature.parameters.keys()))
            hint = f"; {options}: options go with apply_async(args, kwargs, {options.split(',')[0]}=...), or .s(...).set(...)" if options else ""
            raise SignatureMismatch(f"{self.name}{self._signature}: {error}{nobody_passes(self._signature)}{hint}") from None


def _name_of(home: Home | None, qualname: str) -> str:
    if home is None:
        raise InvalidArgument(
            f"the task {qualname} is made in a shell or a notebook, which has no name to tell it from the tasks of another: "
            "give it a name=, and run it there with app.worker(), since no other process can load it"
        )
    name = re.sub(r"<locals>\.", "", f"{home.name}.{qualname}")
    if "<lambda>" in name:
        raise InvalidArgument("a lambda has no name of its own: give the task a name=")
    return checks.name(name, "the task's name")


def _pool(given: str | None, is_async: bool) -> str:
    if given is None:
        return "async" if is_async else "thread"
    if is_async and given != "async":
        raise InvalidArgument(f'an async def task runs in pool="async", not {given!r}; leave pool out')
    if not is_async and given == "async":
        raise InvalidArgument('pool="async" is for async def functions; this one is not')
    return given
