"""HTML as values of a type of its own, so that what was not escaped cannot come into a page.

Owns ``esc`` and ``el``, the one way to make an element. A plain ``str`` is text, wherever it came from, and is escaped when it is put into something; only what this module
made, and the constants of ``icons``, is ``Markup``. What people and programs wrote stands in a ``<bdi>`` (``value``), with control and bidi characters spelled out
(``\\u202e``). Refuses ``style`` and ``on...`` attributes, which the page's own policy (CSP) would ignore.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from ..base.checks import clean_lines


class Markup(str):
    """Text that is HTML already. With a plain text added to it, or in an f-string, it is plain text again, and will be escaped."""

    __slots__ = ()


Child: TypeAlias = str | int | None | Iterable["Child"]
Attribute: TypeAlias = str | float | bool | None

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_EMPTY: Final = frozenset({"input", "br", "link", "meta"})  # elements that have no end tag
_CLOSED: Final = frozenset({"path", "rect", "line", "circle", "polygon", "polyline"})  # shapes, mostly without anything in them


def esc(text: str) -> Markup:
    """Plain text as HTML, in an element or in a quoted attribute."""
    return text if isinstance(text, Markup) else Markup(clean_lines(text).translate(_ESCAPES))


def join(*children: Child) -> Markup:
    """One after the other: plain text is escaped, None is nothing."""
    parts: list[str] = []
    _put(children, parts)
    return Markup("".join(parts))


def el(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element. Names of attributes as in Python: ``class_``, ``aria_label``; None and False leave one out, True stands alone."""
    parts = ["<", name]
    for key, given in attributes.items():
        if given is None or given is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        if label == "style" or label.startswith("on"):
            raise ValueError(f"{label}: the page's policy lets no element have one")
        parts.append(f" {label}" if given is True else f' {label}="{_written(given)}"')
    if name in _CLOSED and not children:
        return Markup("".join((*parts, "/>")))
    parts.append(">")
    if name not in _EMPTY:
        _put(children, parts)
        parts += ("</", name, ">")
    return Markup("".join(parts))


def value(text: str, most: int | None = None) -> Markup:
    """What somebody wrote, in a direction of its own; after ``most`` characters cut."""
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return Markup(f"<bdi>{esc(text)}</bdi>")


def _put(children: Iterable[Child], parts: list[str]) -> None:
    for child in children:
        if isinstance(child, str):
            parts.append(esc(child))
        elif isinstance(child, int):
            parts.append(str(child))
        elif child is not None:
            _put(child, parts)


def _written(given: str | float) -> str:
    """A number as short as one needs it to draw."""
    return clean_lines(given).translate(_ESCAPES) if isinstance(given, str) else f"{given:.1f}".removesuffix(".0")
