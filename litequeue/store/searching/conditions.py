"""What the terms of a search come to in SQL: fragments that are constants, and values that are bound.

Owns no order and no index. Of terms about arguments it is only a sieve, and what is said of secrets is not decided here (``masked``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from ...base.search import WORD, Query, Span, Term, Text
from ...base.stored import CODEC
from ..links.joining import RANGES
from .masked import MAY_HAVE_SECRETS, is_position

# By key, what one value of it asks: as it is, and as a beginning. {0} is the value's parameter.
_IS: Final = "{column} = {{0}}"
_BEGINS: Final = "substr({column}, 1, length({{0}})) = {{0}}"
_HOLDS: Final = "instr(lower(ifnull({column}, '')), lower({{0}})) > 0"
_NAMED: Final = "IN (SELECT id FROM {table} AS n WHERE {how})"


def _named(column: str, table: str) -> tuple[str, str]:
    return tuple(f"ifnull({column} {_NAMED.format(table=table, how=how.format(column='n.name'))}, 0)" for how in (_IS, _BEGINS))  # type: ignore[return-value]


_TAGGED: Final = "EXISTS (SELECT 1 FROM litequeue_tags AS t WHERE t.job_id = litequeue_jobs.id AND {how})"
_FLOW: Final = f"EXISTS (SELECT 1 FROM {RANGES.replace(':flow', '{{0}}')} WHERE litequeue_jobs.id BETWEEN r.first_id AND r.last_id)"
_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "state": (_IS.format(column="state"), ""),  # no beginning of one is a state
    "queue": (_IS.format(column="queue"), _BEGINS.format(column="queue")),
    "task": (_IS.format(column="task"), _BEGINS.format(column="task")),
    "error": (_HOLDS.format(column="last_error"), f"ifnull({_BEGINS.format(column='last_error')}, 0)"),
    "schedule": _named("schedule_id", "litequeue_schedules"),
    "worker": _named("worker_id", "litequeue_workers"),
    "tag": (_TAGGED.format(how=_IS.format(column="t.tag")), _TAGGED.format(how=_BEGINS.format(column="t.tag"))),
    "flow": (_FLOW.format("{0}"), ""),
    WORD: (
        f"({_HOLDS.format(column='task')} OR {_HOLDS.format(column='last_error')})",
        f"({_BEGINS.format(column='task')} OR ifnull({_BEGINS.format(column='last_error')}, 0))",
    ),
}
_SPANS: Final = {
    "age": ":now - created_at",
    "took": "CASE WHEN finished_at IS NOT NULL THEN finished_at WHEN state = 'running' THEN :now END - started_at",
    "ended": ":now - finished_at",
    "id": "litequeue_jobs.id",
    "attempt": "attempt - releases",
}


_PLAIN: Final = re.compile(r"[\w.:/@+-]+", re.ASCII)


class Bound:
    """Parameters, each under a name of its own."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def take(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def conditions(query: Query, bound: Bound, *, without: Iterable[Term] = ()) -> list[str]:
    """All must hold. ``without``: terms that are so anyway, by how jobs are walked."""
    said = [_condition(term, bound) for term in query.terms if term not in without and not term.key.startswith("args.")]
    return said + [sieve for term in query.terms if (sieve := _sieve(term, bound)) is not None]


def _sieve(term: Term, bound: Bound) -> str | None:
    """Only where such a text is in the call at all: to read the JSON of each job takes four times as long. None for what JSON may write in another way."""
    if not term.key.startswith("args.") or term.is_not or not all(isinstance(value, Text) and _PLAIN.fullmatch(value.text) for value in term.values):
        return None
    column = "args" if is_position(term.key.split(".")[1]) else "kwargs"
    any_of = " OR ".join(f"instr({column}, {bound.take(value.text)}) > 0" for value in term.values if isinstance(value, Text))
    # Of a job that may have secrets nothing is decided here: what a search passes over in no time would tell of them.
    return f"CASE WHEN {MAY_HAVE_SECRETS} THEN 1 ELSE ({any_of} OR instr({column}, {bound.take(CODEC)}) > 0) END"


def _condition(term: Term, bound: Bound) -> str:
    ask: Callable[[Any, Bound], str] = _text(term.key) if term.key in _TEXTS else _span(term.key)
    any_of = " OR ".join(ask(value, bound) for value in term.values)
    said = f"NOT ({any_of})" if term.is_not else f"({any_of})"
    return f"CASE WHEN {MAY_HAVE_SECRETS} THEN 1 ELSE {said} END" if term.key in ("error", WORD) else said


def _text(key: str) -> Callable[[Text, Bound], str]:
    def ask(value: Text, bound: Bound) -> str:
        return _TEXTS[key][value.is_prefix].format(bound.take(value.text))

    return ask


def _span(key: str) -> Callable[[Span, Bound], str]:
    def ask(span: Span, bound: Bound) -> str:
        said = [
            f"ifnull({_SPANS[key]} {sign} {bound.take(end)}, 0)"
            for sign, end in ((">=", span.low), ("<=", span.high)) if end is not None
        ]  # fmt: skip
        return f"({' AND '.join(said)})"

    return ask
