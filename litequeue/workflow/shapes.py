"""Calls that are not yet enqueued, and the shapes in which they are put together: chains, groups and chords.

Owns what a program writes and compares. A shape is a value: putting it together, or changing an option, makes another, and nothing
is stored before ``delay`` or ``apply_async``. The words are Celery's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from ..base.errors import InvalidArgument, InvalidType, UnknownTask
from ..base.models import EACH
from ..client import Client
from ..given import call
from ..options import EnqueueOptions, checked, refuse_unknown
from ..store.links.telling import JOIN
from ..tasks import TaskCode
from . import written
from .called_back import written as written_call
from .compiling import (
    CALL,
    CHAIN,
    GROUP,
    RUNS_WHEN,
    Plan,
    check_step,
    client_of,
    graph_of,
    plan,
)
from .flow import Flow


class Shape:
    """What can be enqueued as a whole, and be a part of more."""

    __slots__ = ()
    __litequeue_instead__ = "pass it as text (to_json()), and read that with app.signature(text)"
    how: str
    parts: tuple[Shape, ...]  # of one that has some

    def __or__(self, other: object) -> chain:
        """This, and with what it comes to, the other."""
        return chain(self, other)  # type: ignore[arg-type]  # refused there, in words

    def __ror__(self, other: object) -> chain:
        return chain(other, self)  # type: ignore[arg-type]

    def delay(self, *args: Any, **kwargs: Any) -> Flow:
        """Enqueue all of it, or nothing. Of a signature: with more arguments, before its own. Raises what a task's ``delay`` raises."""
        if args or kwargs:
            raise InvalidType(f"delay() of a {type(self).__name__} takes no arguments: give them to its steps, as in task.s(...)")
        return self.apply_async()

    def apply_async(self, **options: Unpack[EnqueueOptions]) -> Flow:
        """``delay`` with options of the whole, those of ``apply_async``: each step has them unless it says otherwise itself;
        ``countdown`` and ``eta`` are when the first steps may run."""
        made = plan(self)
        client = client_of(made)
        if client.hooks.observers:
            from ..tasks.observers import sending

            calls = [node.call for node in made.nodes if node.call is not None]
            first = calls[0]._code.template
            first = first._replace(columns=first.columns._replace(headers=None))  # each step has its own
            return sending(client.hooks.observers, first, len(calls), options, lambda said, added: self._enqueue(made, client, said or {}, added), lambda _: None)
        return self._enqueue(made, client, options, {})

    @staticmethod
    def _enqueue(made: Plan, client: Client, options: Mapping[str, Any], added: dict[str, Any]) -> Flow:
        """``added``: headers for each job, beside its own."""
        jobs, origins = graph_of(made, client, options)
        if added:
            from ..tasks.observers import with_headers

            jobs = jobs._replace(jobs=[
                job if job.task == JOIN else job._replace(columns=job.columns._replace(headers=with_headers(job.columns.headers, added))) for job in jobs.jobs
            ])  # fmt: skip
        flow, addresses = client.store.flows.enqueue(jobs, made.end, made.gathers, origins, client.clock.now(), client.batch())
        client.recorded(origin.task for origin in origins)
        client.ring(addresses)
        return Flow(client, flow)


    def __litequeue_graph__(self, path: str) -> list[Any]:
        """As jobs in the place of one of this file that runs; none, for what comes to an empty list. Raises what ``delay`` raises; InvalidArgument for tasks of another file."""
        made = plan(self)
        if not made.nodes:  # an empty group
            return []
        client = client_of(made)
        if os.path.realpath(client.path) != os.path.realpath(path):
            raise InvalidArgument(f"its tasks belong to {client.path}, and the job that it is to replace to {path}")
        if made.gathers and made.end is not None:  # somebody takes it now
            made.nodes[made.end] = made.nodes[made.end]._replace(takes="all")
        jobs, origins = graph_of(made, client, {})
        if origins:
            client.store.jobs.record_origins(origins, client.clock.now())
            client.recorded(origin.task for origin in origins)
        return [*jobs, made.end]

    async def adelay(self) -> Flow:
        """``delay`` that does not block the event loop while another writer has the file."""
        from asyncio import to_thread

        return await to_thread(self.delay)

    def to_json(self) -> str:
        """As text, which ``app.signature`` reads back: to be kept in a file, a table or a setting. Raises PayloadError for an argument
        that cannot be stored."""
        return written.to_json(self)


class Signature(Shape):
    """A call of a task: ``add.s(2)`` takes the result of what comes before it as the first argument, ``add.si(2, 3)`` none."""

    __slots__ = ("_client", "_code", "args", "immutable", "kwargs", "on_parent_failure", "options", "task")
    how = CALL

    def __init__(
        self, client: Client, code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], *, immutable: bool = False,
        options: Mapping[str, Any] | None = None, on_parent_failure: str = "cancel",
    ) -> None:  # fmt: skip
        self._client = client
        self._code = code
        self.task = code.name
        self.args, self.kwargs = call(args, kwargs)
        self.immutable = immutable
        self.options = dict(options or {})
        self.on_parent_failure = on_parent_failure

    def set(self, *, on_parent_failure: str | None = None, **options: Any) -> Signature:
        """The same call with other options: those of ``apply_async``, and ``on_parent_failure``: ``"cancel"`` it with the step that
        it needed, or ``"run"`` it all the same, with None for what there is no result of."""
        if options.get("after") is not None:
            raise InvalidArgument("after belongs to the whole: .apply_async(after=...), or put what comes before it into a chain")
        refuse_unknown(EnqueueOptions, options, "a signature", "on_parent_failure, ")
        checked(EnqueueOptions, options, "a signature")
        wanted = self.on_parent_failure if on_parent_failure is None else on_parent_failure
        if wanted not in RUNS_WHEN:
            raise InvalidArgument(f'on_parent_failure must be "cancel" or "run", not {wanted!r:.100}')
        return self._changed(options={**self.options, **options}, on_parent_failure=wanted)

    def delay(self, *args: Any, **kwargs: Any) -> Flow:
        return self.clone(args, kwargs).apply_async()

    def clone(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any) -> Signature:
        """The same call with more arguments, before its own, and with other options."""
        more, named = call(args, kwargs)
        return self._changed(args=(*more, *self.args), kwargs={**self.kwargs, **named}).set(**options)

    def _changed(self, **changes: Any) -> Signature:
        said = {name: getattr(self, name) for name in ("args", "kwargs", "immutable", "options", "on_parent_failure")}
        said.update(changes)
        return type(self)(self._client, self._code, said.pop("args"), said.pop("kwargs"), **said)

    def __litequeue_callback__(self) -> tuple[str, TaskCode]:
        """As what is called once a job has ended."""
        texts = self._code.codec.encode_ahead(self.task, self.args, self.kwargs)
        check_step(self, takes=not self.immutable, given="what the job that it is called for came to")
        return written_call(self._code, *texts, self.options, takes=not self.immutable), self._code

    def _said(self) -> tuple[Any, ...]:
        return self.task, self.args, self.kwargs, self.immutable, self.options, self.on_parent_failure

    def __eq__(self, other: object) -> bool:
        return self._said() == other._said() if isinstance(other, Signature) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it may hold lists and dicts

    def __reduce__(self) -> Any:
        raise InvalidType(f"{self!r:.100} has its task's code, which is not pickled: keep it as text (to_json()), and read that with app.signature(text)")

    def __deepcopy__(self, memo: object) -> Signature:
        return self  # nothing of it changes

    def __copy__(self) -> Signature:
        return self

    def __repr__(self) -> str:
        said = [repr(arg) for arg in self.args] + [f"{name}={value!r}" for name, value in self.kwargs.items() if name != EACH]
        how = self.kwargs.get(EACH) or ("si" if self.immutable else "s")
        more = {**self.options, **({"on_parent_failure": "run"} if self.on_parent_failure == "run" else {})}
        options = f".set({', '.join(f'{name}={value!r}' for name, value in more.items())})" if more else ""
        return f"{self.task}.{how}({', '.join(said)}){options}"


class _Parts(Shape):
    """A shape of shapes."""

    __slots__ = ("parts",)

    def __init__(self, *parts: Shape | Iterable[Shape]) -> None:
        """The parts one by one, or one iterable of them."""
        if len(parts) == 1 and not isinstance(parts[0], Shape):
            if not isinstance(parts[0], Iterable) or isinstance(parts[0], str):
                raise InvalidType(_not_a_shape(parts[0]))
            parts = tuple(parts[0])
        for part in parts:
            if not isinstance(part, Shape):
                raise InvalidType(_not_a_shape(part))
        self.parts = parts  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self.parts == other.parts if type(other) is type(self) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"


class chain(_Parts):
    """One after the other, each with what the one before it came to; ``a | b | c`` is the same."""

    __slots__ = ()
    how = CHAIN

    def __init__(self, *parts: Shape | Iterable[Shape]) -> None:
        super().__init__(*parts)
        flat: list[Shape] = []
        for part in self.parts:
            flat += part.parts if isinstance(part, chain) else (part,)
        if not flat:
            raise InvalidArgument("a chain needs at least one step")
        self.parts = tuple(flat)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.parts))


class group(_Parts):
    """All at once; it comes to the list of their results, in the order in which they were given."""

    __slots__ = ()
    how = GROUP


class chord(Shape):
    """A group, and a callback that gets the list of its results, always a list: ``group(...) | callback`` is the same."""

    __slots__ = ()

    def __new__(cls, header: group | Iterable[Shape], body: Shape) -> chain:  # type: ignore[misc]
        """Raises InvalidType for a body that is no shape."""
        return chain(header if isinstance(header, group) else group(header), body)


def from_json(text: str, client: Client, tasks: Mapping[str, TaskCode]) -> Shape:
    """What ``to_json`` made a text of. Raises InvalidArgument for another text, UnknownTask for a task that is not among ``tasks``."""

    def call(
        task: str, args: Sequence[Any], kwargs: Mapping[str, Any], immutable: bool, options: Mapping[str, Any], on_parent_failure: str
    ) -> Signature:
        if task not in tasks:
            raise UnknownTask(f"there is no task {task!r:.100} in this app; it has {', '.join(sorted(tasks)) or 'none'}")
        plain = Signature(client, tasks[task], args, kwargs, immutable=bool(immutable))
        return plain.set(on_parent_failure=on_parent_failure, **options)

    shape: Shape = written.from_json(text, client.codec, call, {CHAIN: chain, GROUP: group})
    return shape


def _not_a_shape(part: object) -> str:
    hint = "; write task.s(...)" if hasattr(part, "delay") or callable(part) else "; write group(...)" if isinstance(part, (list, tuple)) else ""
    if hasattr(part, "wait"):  # a job, a workflow
        hint = "; it is enqueued already: .apply_async(after=[...]) waits for it"
    return f"a part must be a signature, a chain or a group, not {type(part).__name__}: {part!r:.100}{hint}"
