"""Tasks that are made without an app, for packages that others use: ``@shared_task``.

Owns whose such a task is: the app's that adopts it, else the only one's of the process, else that of the file of which a worker runs it. Two apps of which
neither has adopted it are an error, since a job in the wrong file is one that nobody misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, ParamSpec, TypeVar, Unpack, cast, overload
from weakref import ref

from . import known
from .base.errors import InvalidArgument, InvalidType
from .base.stored import ZLIB
from .client import Client, client_of
from .options import TaskOptions, refuse_unknown
from .payload import Codec
from .payload.coded import of_task
from .task import Task, enter, register
from .tasks import Hooks, TaskCode

P = ParamSpec("P")
R = TypeVar("R")

_codes: dict[str, TaskCode] = {}


class Owner:
    """Stands for the client of a shared task's app. Asked for what is an app's, it is that app's."""

    def __init__(self) -> None:
        self.codec, self.hooks = Codec(), Hooks()
        self.code: Any = None
        self._find: Callable[[], Client | None] = lambda: None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.client(), name)

    def client(self) -> Client:
        """The app's. Raises NotBound."""
        if self._find() is None and known.serving is not None:
            self.bind(known.serving)
        if self._find() is None:
            name = self.code.name
            self.take(known.the_app(
                f"{name} is a shared task, which nobody has adopted", f"app.adopt(...) says whose it is, or app.enqueue({name.rpartition('.')[2]}, ...)"
            ))  # fmt: skip
        return cast(Client, self._find())

    def take(self, app: Any, *, for_good: bool = False) -> None:
        """It is this app's; unless ``for_good``, for as long as that is there. Raises InvalidArgument."""
        enter(app._tasks, self.code)
        weak = ref(app)
        self._give(app._client, (lambda: app._client) if for_good else lambda: getattr(weak(), "_client", None))

    def bind(self, path: str) -> None:
        """A worker runs it."""
        client, apps = self._find(), known.apps()
        if client is None and len(apps) == 1:
            self.take(apps[0])
            client = self._find()
        if client is None:
            client = client_of(path)
            self._give(client, lambda: client)
        client.bind(path)

    def _give(self, client: Client, find: Callable[[], Client | None]) -> None:
        self._find = find
        self.codec, own = client.codec, self.code.codec
        self.code.codec = client.codec if type(own) is Codec else of_task(client.codec, self.code.name, own.names)
        self.hooks = self.code.hooks = client.hooks

    @property
    def is_free(self) -> bool:
        return self._find() is None


@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def shared_task(*function: Any, **options: Any) -> Any:
    """Make a function a task of whichever app its program has: ``@shared_task``, or with the options of ``@app.task``. For packages that others
    use. With one app in the process it is that one's; with several, of the one that says ``app.adopt``; else using it raises NotBound."""
    refuse_unknown(TaskOptions, options, "@shared_task")
    return _share(function[0], options) if function else lambda f: _share(f, options)


def _share(function: Any, options: dict[str, Any]) -> Task[..., Any]:
    owner = Owner()
    if options.get("codec") not in (None, "json", ZLIB):
        raise InvalidArgument(f"a shared task has codec='json' or {ZLIB!r}: what others there are, and by which key they sign, is for its app to say, in a task of its own")
    task = register(cast(Client, owner), {}, function, options)
    code = task.__litequeue_code__
    before = _codes.get(code.name)
    if before is not None and _is_of_the_script(before, code):
        del _codes[code.name]
    enter(_codes, code)
    owner.code = code
    known.shared[task.name] = owner
    return task


def _is_of_the_script(before: TaskCode, code: TaskCode) -> bool:
    """Whether it is the same function of the program's own script, which a pool's process has twice: as the main module, and by its name."""
    a, b = before.function, code.function
    return a.__module__ in ("__main__", "__mp_main__") and a.__qualname__ == b.__qualname__ and _place(a) == _place(b) is not None


def _place(function: Any) -> tuple[str, int] | None:
    code = getattr(function, "__code__", None)
    return None if code is None else (code.co_filename, code.co_firstlineno)


def adopt(app: Any, tasks: Iterable[object]) -> None:
    """Of ``app.adopt``."""
    for given in tasks:
        found: list[Any] = list(vars(given).values()) if isinstance(given, ModuleType) else [given]
        owners = [value._client for value in found if issubclass(type(value), Task) and isinstance(value._client, Owner)]
        if not owners:
            what = f"the module {given.__name__}, which has none" if isinstance(given, ModuleType) else f"{given!r:.100}"
            raise InvalidType(f"app.adopt takes tasks that @shared_task has made, and modules with such tasks, not {what}")
        for owner in owners:
            owner.take(app, for_good=True)


def offer(app: Any) -> None:
    """Let those that are nobody's be this app's, if it is the only one: a worker is about to run its tasks."""
    if known.apps() == [app]:
        for owner in known.shared.values():
            if owner.is_free:
                owner.take(app)
