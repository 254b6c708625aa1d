"""Making jobs and edges of a shape.

Owns who waits for whom, who gets whose results, and where jobs stand that only bring others together. With a stack of its own: a shape
may be nested deeper than Python recurses. Stores nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from ..base.errors import InvalidArgument, SignatureMismatch
from ..base.models import EACH, JobColumns, NewJob, TaskOrigin
from ..client import Client
from ..options import WHEN, EnqueueOptions, checked
from ..store.links.graph import Edge, Graph, Wait
from ..store.links.telling import JOIN
from ..tasks import TaskCode
from ..tasks.callbacks import check_reads
from ..tasks.each import check_items
from ..unique import without_key

MOST_CHILDREN: Final = 1_000  # of one job: they are told in one transaction
_OF_THE_FIRST: Final = ("countdown", "eta")


# What becomes of a step one of whose parents does not succeed.
RUNS_WHEN: Final = {"cancel": "success", "run": "ended"}
CALL, CHAIN, GROUP = "call", "chain", "group"


class Part(Protocol):
    """A shape, as far as it is looked at here: a call, or ``parts`` one after the other, or all at once."""

    @property
    def how(self) -> str: ...

    @property
    def parts(self) -> tuple[Any, ...]: ...


class Call(Protocol):
    """A call of a task."""

    _client: Client
    _code: TaskCode
    task: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    immutable: bool
    on_parent_failure: str


class Node(NamedTuple):
    """A job to be."""

    call: Call | None  # None: it brings others together
    parents: tuple[int, ...]  # below zero: the id of a job that there is, negated
    takes: str | None
    nothing: bool = False  # it takes the results of an empty group, or stands for one

    @property
    def is_first(self) -> bool:
        """Whether it waits for nothing of the shape's own."""
        return self.call is not None and (not self.parents or self.parents[0] < 0)


class Inputs(NamedTuple):
    """What comes before a shape: whom it waits for, and what it gets of them."""

    nodes: tuple[int, ...] = ()
    many: bool = False  # a list of their results, and not the one's
    nothing: bool = False  # an empty list, of an empty group


class Plan(NamedTuple):
    """What a shape comes to."""

    nodes: list[Node]
    end: int | None  # the node whose end is that of the whole; None: there is none
    gathers: bool  # the whole comes to the results of all that the end waits for


def plan(shape: Part) -> Plan:
    """Raises InvalidArgument for an empty group where a result is needed."""
    nodes: list[Node] = []

    def add(*fields: Any) -> int:
        nodes.append(Node(*fields))
        return len(nodes) - 1

    def as_one(inputs: Inputs) -> Inputs:
        """The same as of one job."""
        return Inputs((add(None, inputs.nodes, "all"),)) if inputs.many else inputs

    stack: list[tuple[Any, ...]] = [("visit", shape, Inputs())]
    out: list[Inputs] = []
    while stack:
        what, *rest = stack.pop()
        if what == "visit":
            part, inputs = rest
            if part.how == CALL:
                takes = None if part.immutable or not inputs.nodes or inputs.nothing else "all" if inputs.many else "one"
                out.append(Inputs((add(part, inputs.nodes, takes, inputs.nothing and not part.immutable),)))
            elif part.how == CHAIN:
                out.append(inputs)
                stack.append(("chain", part.parts, 0))
            else:
                _visit_group(part, inputs, stack, out, add, as_one)
        elif what == "chain":
            parts, at = rest
            if at < len(parts):
                stack += [("chain", parts, at + 1), ("visit", parts[at], out.pop())]
        else:
            (count,) = rest
            tails = out[len(out) - count :]
            del out[len(out) - count :]
            if any(tail.nothing for tail in tails):
                raise InvalidArgument("a group that is empty cannot be a member of another; leave it out")
            out.append(Inputs(tuple(as_one(tail).nodes[0] for tail in tails), many=True))
    (last,) = out
    if last.nothing:
        return Plan(nodes, add(None, last.nodes, None, True) if last.nodes else None, not last.nodes)
    if last.many:
        return Plan(nodes, add(None, last.nodes, None), True)
    return Plan(nodes, last.nodes[0], False)


def behind(made: Plan, parents: Sequence[int]) -> Plan:
    """The same, and its first steps wait for these jobs, and get nothing of them."""
    nodes = list(made.nodes)
    firsts = [place for place, node in enumerate(nodes) if node.is_first]
    outside = tuple(-parent for parent in parents)
    if len(firsts) == 1 or len(firsts) <= MOST_CHILDREN and len(outside) == 1:
        return made._replace(nodes=[node._replace(parents=outside) if node.is_first else node for node in nodes])
    for start in range(0, len(firsts), MOST_CHILDREN):  # n and m edges, and not n times m
        for place in firsts[start : start + MOST_CHILDREN]:
            nodes[place] = nodes[place]._replace(parents=(len(nodes),))
        nodes.append(Node(None, outside, None))
    return made._replace(nodes=nodes)


def _visit_group(part: Part, inputs: Inputs, stack: list[Any], out: list[Inputs], add: Any, as_one: Any) -> None:
    members = part.parts
    if not members:
        out.append(Inputs(inputs.nodes, many=True, nothing=True))
        return
    stack.append(("collect", len(members)))
    if len(members) > 1 and not inputs.nothing:
        inputs = as_one(inputs)
    shared = [inputs]
    if inputs.nodes and len(members) > MOST_CHILDREN:
        # Each of some that pass it on has as many children as may be told at once.
        shared = [Inputs((add(None, inputs.nodes, "one"),)) for _ in range(0, len(members), MOST_CHILDREN)]
    for at in reversed(range(len(members))):
        stack.append(("visit", members[at], shared[at // MOST_CHILDREN if len(shared) > 1 else 0]))


def check_step(call: Call, args: Sequence[Any] | None = None, *, takes: bool, given: str = "the result of what comes before it") -> None:
    """Raises SignatureMismatch for what the task could not be called with: these arguments, or its own, behind what it ``takes``."""
    args = call.args if args is None else args
    try:
        call._code.check_call((None, *args) if takes else args, call.kwargs)
    except SignatureMismatch as error:
        if not takes:
            raise
        raise SignatureMismatch(f"{error}; its first argument is {given}: write .si(...) for a call that takes none") from None


def check_codecs(nodes: Sequence[Node]) -> None:
    """Raises InvalidArgument for a step that takes what it does not read. JSON all read."""
    if not any(node.call is not None and node.call._code.codec.writes for node in nodes):
        return
    writes: list[dict[str, None]] = []  # of each, by which codecs that is what it comes to, or hands on
    for node in nodes:
        given = {name: None for parent in node.parents if node.takes and parent >= 0 for name in writes[parent]}
        if node.call is None:
            writes.append(given)
            continue
        for name in given:
            check_reads(node.call._code, name, "a workflow")
        own = node.call._code.codec.writes
        writes.append({} if own is None else {own: None})


def client_of(made: Plan) -> Client:
    """Of the app whose tasks it calls. Raises InvalidArgument for tasks of two files, or none."""
    found = {node.call._client.path: node.call._client for node in made.nodes if node.call is not None}
    if len(found) != 1:
        raise InvalidArgument(
            f"the tasks of a workflow belong to one file, and these to {' and '.join(sorted(found))}" if found
            else "there is no task in it: an empty group needs something that comes before or after it"
        )  # fmt: skip
    return next(iter(found.values()))


def graph_of(made: Plan, client: Client, options: Mapping[str, Any]) -> tuple[Graph, list[TaskOrigin]]:
    """The jobs of a plan, encoded, with where their code is. Raises what a task's ``apply_async`` raises, naming the step."""
    checked(EnqueueOptions, options, "a workflow")
    options = dict(options)
    if any(options.pop(option, None) is not None for option in WHEN):
        raise InvalidArgument(
            "on_success and on_failure belong to a step: .set(on_failure=...) on that, one more step for the whole, or app.batch(...)"
        )
    check_codecs(made.nodes)
    after = client.ends_of(options.pop("after")) if options.get("after") is not None else ()
    firsts = {place for place, node in enumerate(made.nodes) if node.is_first}
    if after:
        made = behind(made, after)
    later = {name: value for name, value in options.items() if name not in _OF_THE_FIRST}
    jobs: list[NewJob] = []
    edges: list[Edge] = []
    waits: list[Wait] = []
    callbacks: list[tuple[int, str, str]] = []
    origins: dict[str, TaskOrigin] = {}
    usuals: dict[TaskCode, NewJob] = {}  # where nothing is said
    now = client.clock.now()
    for place, node in enumerate(made.nodes):
        parents = node.parents if len(node.parents) < 2 else tuple(dict.fromkeys(node.parents))
        edges += [Edge(parent, place, position) for position, parent in enumerate(parents)]
        call, delay, runs_when = node.call, None, "success"
        if call is None:
            jobs.append(NewJob(JOIN, "[]", "{}", "available", now, now, None, JobColumns(max_attempts=1)))
        else:
            said = {**(options if place in firsts else later), **call.options}
            if call._code.template.unique is not None or "unique" in said:
                said = without_key(call._code.template, said, "a step of a workflow")
            if parents and said.get("countdown") is not None:
                delay = int(checked(EnqueueOptions, {"countdown": said.pop("countdown")}, "a signature")["countdown"])
            args = ([], *call.args) if node.nothing else call.args
            if EACH in call.kwargs:
                check_items(call._code, args, call.kwargs, takes=node.takes is not None)
            else:
                check_step(call, args, takes=node.takes is not None)
            texts = call._code.codec.encode_call(call.task, args, call.kwargs)
            if said or call._code.template.limited is not None:
                callbacks += [(place, when, job) for when, job in client.callbacks_of(said, call._code.template.writes)]
                whole = (args, call.kwargs) if node.takes is None and EACH not in call.kwargs else None
                jobs.append(client.new_job(call._code.template, texts, said, whole))
            else:
                usual = usuals.get(call._code)
                if usual is None:
                    usual = usuals[call._code] = client.new_job(call._code.template, texts, None)
                jobs.append(NewJob._make((usual.task, *texts, *usual[3:])))
            runs_when = RUNS_WHEN[call.on_parent_failure]
            if call.task not in origins:
                origin = client.origin_of(call._code)
                if origin is not None:
                    origins[call.task] = origin
        if parents:
            waits.append(Wait(place, runs_when, node.takes, delay, "[]" if call is None and node.nothing else None))
    return Graph(jobs, edges, waits, callbacks), list(origins.values())
