"""Celery's workflows over ours: the same shapes, whose enqueueing gives an AsyncResult.

Owns these names. How a shape becomes jobs is ``workflow``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..base.errors import InvalidType
from ..job import Job
from ..workflow import shapes
from . import options as translated
from .results import AsyncResult


class _Canvas(shapes.Shape):
    """What the three have in common."""

    __slots__ = ()

    def apply_async(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult:  # type: ignore[override]
        """Enqueue all of it; ``args`` and ``kwargs`` go to what comes first, before its own."""
        shape = self.clone(args, kwargs) if args or kwargs else self
        return AsyncResult(shapes.Shape.apply_async(shape, **translated.of_call(options)))

    def delay(self, *args: Any, **kwargs: Any) -> AsyncResult:  # type: ignore[override]
        return self.apply_async(args, kwargs)

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.apply_async(args, kwargs)

    def __or__(self, other: Any) -> chain:
        return chain(self, other)

    def __ror__(self, other: Any) -> chain:
        return chain(other, self)


class Signature(_Canvas, shapes.Signature):  # type: ignore[misc]  # theirs gives another handle
    """``add.s(2)``, ``add.si(2, 3)``, ``add.signature((2, 3), countdown=10)``. Calling it calls the task here; ``set`` changes it, as in Celery."""

    __slots__ = ()

    def apply_async(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> AsyncResult:  # type: ignore[override]
        made: Signature = self.clone(args, kwargs, **options)
        return AsyncResult(Job(made._client, *made._client.enqueue(made._code, made.args, made.kwargs, made.options)))  # type: ignore[arg-type]

    def set(self, *, immutable: bool | None = None, on_parent_failure: str | None = None, **options: Any) -> Signature:
        made = super().set(on_parent_failure=on_parent_failure, **translated.of_call(options))
        self.options, self.on_parent_failure = made.options, made.on_parent_failure
        self.immutable = self.immutable if immutable is None else immutable
        return self

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Any:
        return shapes.Signature.clone(self, () if self.immutable else args, None if self.immutable else kwargs, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._code.function(*args, *self.args, **{**self.kwargs, **kwargs})


class chain(_Canvas, shapes.chain):
    __slots__ = ()

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> chain:
        first: Any = self.parts[0]
        return chain(first.clone(args, kwargs), *self.parts[1:])


class group(_Canvas, shapes.group):
    __slots__ = ()

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> group:
        parts: tuple[Any, ...] = self.parts
        return group([part.clone(args, kwargs) for part in parts])


def chord(header: Iterable[Any], body: Any = None) -> chain | Callable[..., AsyncResult]:
    """``chord([...], callback)``, or ``chord([...])(callback)``, which enqueues it."""
    first = header if isinstance(header, group) else group(header)
    if body is None:
        return lambda body: chain(first, body).apply_async()
    return chain(first, body)


def signature(task: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *, immutable: bool = False, **options: Any) -> Signature:
    """The call of a task, with options of its enqueue."""
    if not hasattr(task, "__litequeue_code__"):
        raise InvalidType(f"signature takes a task, not {type(task).__name__}: {task!r:.60}; app.signature(name) takes the name of one of the app's")
    return Signature(task._client, task.__litequeue_code__, args, kwargs or {}).set(immutable=immutable, **options)
