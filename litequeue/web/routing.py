"""Which page answers at which address: from a method and a path to a function and what it is given.

Pure: knows the list of routes that it is handed, and nothing of sockets, sessions or pages. A path is taken apart before it is decoded, so
that nothing that is encoded in it can become one more of its parts; ``..``, an empty part, a slash or backslash within one, what cannot be
printed and what is no UTF-8 lead nowhere. No address here ever comes near a file system.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote

from .messages import Response

MOST_ID: Final = 2**63 - 1  # of a row
_HOLE: Final = re.compile(r"\{(\w+)(:int)?\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One address: ``Route("/jobs/{id:int}", "GET", job)``.

    A hole in the pattern is one part of a path, handed on by its name as text; with ``:int`` only a number is one, handed on as such. ``function`` is
    called as ``function(request, place, **parameters)``, and answers with a ``Response``. ``method`` is GET, which stands for HEAD too, or POST.
    """

    pattern: str
    method: str
    function: Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Found:
    """The page that is meant."""

    function: Callable[..., Response]
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missed:
    """No page is meant: 404, 405 with what is allowed, or 303 to where it is."""

    status: int
    allow: tuple[str, ...] = ()
    location: str | None = None


def resolve(routes: Iterable[Route], method: str, path: str, *, may_act: bool) -> Found | Missed:
    """What answers at ``path``, which is as it was sent. Without ``may_act`` there is nothing to be posted anywhere."""
    known = tuple(routes)
    there = _at(known, path)
    if there:
        allowed = methods([route.method for route, _ in there], may_act=may_act)
        if method not in allowed:
            return Missed(405, allowed)
        return next(Found(route.function, parameters) for route, parameters in there if route.method == ("GET" if method == "HEAD" else method))
    if method != "POST" and path.endswith("/") and path[:-1] not in ("", "/") and _at(known, path[:-1]):
        return Missed(303, location=f"../{path[:-1].rpartition('/')[2]}")
    return Missed(404)


def methods(known: Collection[str], *, may_act: bool) -> tuple[str, ...]:
    """Those that can be used where pages of these are."""
    return (*(("GET", "HEAD") if "GET" in known else ()), *(("POST",) if may_act and "POST" in known else ()))


def _at(routes: Iterable[Route], path: str) -> list[tuple[Route, dict[str, Any]]]:
    parts = parts_of(path)
    if parts is None:
        return []
    return [(route, found) for route in routes if (found := _fits(route.pattern, parts)) is not None]


def parts_of(path: str) -> tuple[str, ...] | None:
    """What lies between the slashes of a path, decoded; None where no page can be."""
    if path == "/":
        return ()
    if not path.startswith("/"):
        return None
    try:
        parts = tuple(unquote(part, errors="strict") for part in path[1:].split("/"))
    except UnicodeDecodeError:
        return None
    return parts if all(map(_is_part, parts)) else None


def _is_part(part: str) -> bool:
    return part not in ("", ".", "..") and part.isprintable() and "/" not in part and "\\" not in part


def _fits(pattern: str, parts: tuple[str, ...]) -> dict[str, Any] | None:
    """The parameters, if these are the parts of an address of this pattern."""
    wanted = tuple(part for part in pattern.split("/") if part)
    if len(wanted) != len(parts):
        return None
    found: dict[str, Any] = {}
    for want, part in zip(wanted, parts, strict=True):
        hole = _HOLE.fullmatch(want)
        if hole is None:
            if want != part:
                return None
        elif hole[2]:
            if not re.fullmatch(r"[0-9]{1,19}", part) or int(part) > MOST_ID:
                return None
            found[hole[1]] = int(part)
        else:
            found[hole[1]] = part
    return found
