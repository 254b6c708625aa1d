"""Addresses of the page's own pages, relative to the one that is asked for: nothing here leads to another host.

Owns how a name gets into a path and a search into a query. Pure.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

from .messages import Request


def to(request: Request, *parts: str | int, **query: str | int | None) -> str:
    """``to(request, "queues", name)``; a part of the query that is None is left out."""
    given = {key: value for key, value in query.items() if value is not None}
    path = request.root + "/".join(quote(str(part), safe="", errors="replace") for part in parts)
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def here(request: Request, **query: str | int | None) -> str:
    """This very page, with some of its query another; ``part`` is how it was fetched, and never in it."""
    kept = {key: value for key, value in request.query.items() if key not in query and key != "part"}
    return to(request, *request.path.strip("/").split("/"), **{**kept, **query})


def named(term: str, name: str) -> str:
    """A search by one word, such as ``queue:mail``, however odd that is."""
    if name and not any(letter.isspace() or letter in '",:*' for letter in name):
        return f"{term}:{name}"
    return f'{term}:"{name.replace(chr(34), "")}"'
