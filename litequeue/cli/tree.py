"""A workflow as a picture of lines: what follows on what stands below it, and what runs side by side is indented.

Owns the picture, from values to lines: who stands below whom, and what is left out where there is too much. A job of which several
must have ended stands behind the branches that come together in it: below its dominator, the last job through which all ways to
it lead. Knows no file and no terminal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from ..store.flows import Member

MOST: Final = 20  # branches of one job that are drawn each by itself


class Marks(NamedTuple):
    """The characters that lines are made of."""

    branch: str = "├─ "
    last: str = "└─ "
    together: str = "├▶ "
    last_together: str = "└▶ "
    beside: str = "│  "


PLAIN: Final = Marks("|- ", "`- ", "|> ", "`> ", "|  ")
_ROOT: Final = -(2**64)  # no job has this id, not even a planted one


class Line(NamedTuple):
    """One line: what stands before a job, and the job; or a text instead of one."""

    indent: str
    member: Member | None
    text: str = ""


def lines_of(members: Sequence[Member], is_join: Callable[[Member], bool], marks: Marks) -> Iterator[Line]:
    """With a stack of its own: a workflow may be nested deeper than Python recurses."""
    joins = {member.id for member in members if is_join(member)}
    by_id = {member.id: member for member in members}
    drawn = _Drawn(by_id, _below(members, joins), {m.id for m in members if len(m.parents) > 1 or joins.intersection(m.parents)})
    # What stands before a job, what before that which follows on it, and the job, or a text.
    pending = list(reversed(_placed("", drawn, _ROOT, marks)))
    while pending:
        before, behind, what = pending.pop()
        if isinstance(what, str):
            yield Line(before, None, what)
            continue
        yield Line(before, by_id[what])
        pending += reversed(_placed(behind, drawn, what, marks))


class _Drawn(NamedTuple):
    by_id: Mapping[int, Member]
    below: Mapping[int, Sequence[int]]
    gathers: set[int]  # what comes behind branches that come together


def _placed(indent: str, drawn: _Drawn, job: int, marks: Marks) -> list[tuple[str, str, int | str]]:
    children = _shown(drawn, drawn.below[job])
    if len(children) == 1:
        return [(indent, indent, children[0])]
    placed: list[tuple[str, str, int | str]] = []
    for number, child in enumerate(children, 1):
        is_last = number == len(children)
        gathers = child in drawn.gathers
        mark = (marks.last_together if gathers else marks.last) if is_last else marks.together if gathers else marks.branch
        placed.append((indent + mark, indent + (" " * len(marks.beside) if is_last else marks.beside), child))
    return placed


def _shown(drawn: _Drawn, children: Sequence[int]) -> list[int | str]:
    """The children that are drawn: all, or of very many the first, and those on which something hangs, or that did not go well."""
    if len(children) <= MOST:
        return list(children)
    special = [child for child in children if drawn.below[child] or child in drawn.gathers]
    odd = [child for child in children if drawn.by_id[child].state in ("running", "retrying", "discarded", "expired")]
    kept = set(special[-MOST:]) | set(odd[:MOST])
    kept |= set(children[: max(MOST - len(kept), 0)])
    left = Counter(drawn.by_id[child].state for child in children if child not in kept)
    shown: list[int | str] = [child for child in children if child in kept]
    said = ", ".join(f"{count:,} {state}" for state, count in left.most_common())
    at = next((place for place, child in enumerate(shown) if child in drawn.gathers), len(shown))
    shown.insert(at, f"... {sum(left.values()):,} more: {said}")
    return shown


def _below(members: Sequence[Member], joins: set[int]) -> Mapping[int, list[int]]:
    """By each job, and by the root, those that stand below it; where a job only brings others together, those below that."""
    above, depth = {_ROOT: _ROOT}, {_ROOT: 0}
    below: dict[int, list[int]] = defaultdict(list)
    for member in _in_order(members):
        found: int | None = None
        for parent in member.parents:
            if parent not in depth:  # of another workflow
                continue
            found = parent if found is None else _common(found, parent, above, depth)
        place = _ROOT if found is None else found
        above[member.id], depth[member.id] = place, depth[place] + 1
        while place in joins:
            place = above[place]
        if member.id not in joins:
            below[place].append(member.id)
    return below


def _common(one: int, other: int, above: Mapping[int, int], depth: Mapping[int, int]) -> int:
    """The last job through which the ways to both lead."""
    while one != other:
        if depth[one] >= depth[other]:
            one = above[one]
        else:
            other = above[other]
    return one


def _in_order(members: Sequence[Member]) -> Iterator[Member]:
    """Each behind its parents, else as they come; at last those that wait for each other in a circle, which somebody has planted."""
    by_id = {member.id: member for member in members}
    children: dict[int, list[int]] = defaultdict(list)
    left = {}
    for member in members:
        parents = [parent for parent in member.parents if parent in by_id]
        left[member.id] = len(parents)
        for parent in parents:
            children[parent].append(member.id)
    free = [member.id for member in reversed(members) if not left[member.id]]
    while free:
        found = free.pop()
        del left[found]
        yield by_id[found]
        for child in children[found]:
            left[child] -= 1
        free += [child for child in reversed(children[found]) if not left[child]]
    yield from map(by_id.__getitem__, left)
