"""What can be typed next: asked by a shell at each Tab, as a process of its own.

Owns that, as pure functions of the tree (``tree``) and of the words so far; and the forms in which bash, zsh and fish take an answer. Run by its path with no more than Python
itself (``-I -S``), and imports nothing of ours but the one module that reads names, by its path too: 25 ms in all, where importing the package takes 70.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

USUAL: Final = (".sqlite", ".sqlite3", ".db")  # what most databases are called; as the grammar has it
_BARE: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:=@,%^")

Names = Callable[[str, str], Sequence[str]]  # of a file and of a kind


class Answer(NamedTuple):
    """Words with what they are about, in their order; and whether files, of databases alone or all, or folders may stand there."""

    words: list[tuple[str, str]]
    also: str = ""  # database, files, folders


class _Place(NamedTuple):
    """Where the cursor stands."""

    node: Mapping[str, Any]
    option: Sequence[Any] | None  # whose value it is
    places: list[Sequence[Any]]  # what may stand here, and behind
    database: str
    used: frozenset[str]  # options
    has_options: bool  # they may stand here


def answer(tree: Mapping[str, Any], words: Sequence[str], current: str, names: Names, environment: Mapping[str, str]) -> Answer:
    """``words``: those before, without the program; ``current``: what is typed of this one."""
    place = _placed(tree["top"], words, environment.get("LITEQUEUE_DB", ""))
    if place is None:
        return Answer([], "files")
    if place.option is not None:
        return _of_kind(tree, place, place.option[1], place.option[2], current, names)
    name, equals, value = current.partition("=")
    if place.has_options and equals and current.startswith("--") and name in place.node["o"]:
        option = place.node["o"][name]
        found = _of_kind(tree, place, option[1], option[2], value, names)
        return Answer([(f"{name}={word}", about) for word, about in found.words], found.also)
    if place.has_options and current.startswith("-") and not (current[:2] != "--" and len(current) > 1 and _is_search(place)):
        return Answer(_options(place, current))
    if "s" in place.node:
        return Answer([(word, sub["a"]) for word, sub in place.node["s"].items() if word.startswith(current)])
    if place.places:
        return _of_kind(tree, place, place.places[0][0], place.places[0][1], current, names)
    return Answer(_options(place, current) if place.has_options and not current else [])


def _is_search(place: _Place) -> bool:
    return bool(place.places) and place.places[0][0] == "search"


def _options(place: _Place, current: str) -> list[tuple[str, str]]:
    return [(name, option[3]) for name, option in place.node["o"].items() if name.startswith(current) and (option[4] or name not in place.used)]


def _placed(node: Mapping[str, Any], words: Sequence[str], set_by: str) -> _Place | None:
    """None behind a --, where a program or anything else stands."""
    places, database, option = list(node.get("p", ())), "", None
    used: set[str] = set()
    has_options, is_first = True, True
    for word in words:
        if option is not None:
            option = None
            continue
        if word == "--" and has_options:
            if node.get("r"):
                return None
            has_options = False
            continue
        if has_options and word[:1] == "-" and len(word) > 1:
            name, equals, _ = word.partition("=")
            used.add(name)
            found = node["o"].get(name)
            option = found if found is not None and found[0] and not equals else None
            continue
        if "s" in node:
            below = node["s"].get(word)
            if below is None:
                return _Place({"o": {}}, None, [], "", frozenset(), has_options=False)
            node, places, used, is_first = below, list(below.get("p", ())), set(), True
            continue
        if is_first and node.get("d"):
            is_first = False
            if set_by and not _is_file(word):
                database, places = set_by, places[1:]
            else:
                database, places = word, places[1:]
                continue
        if places and not places[0][2]:
            places = places[1:]
    if is_first and node.get("d") and set_by:
        database, places = set_by, places[1:]
    return _Place(node, option, places, database, frozenset(used), has_options)


def _is_file(word: str) -> bool:
    return os.sep in word or word.endswith(USUAL) or os.path.isfile(word)


def _of_kind(tree: Mapping[str, Any], place: _Place, kind: str, choices: Sequence[str], current: str, names: Names) -> Answer:
    if choices:
        return Answer([(word, "") for word in choices if word.startswith(current)])
    if kind in ("database", "files", "folders"):
        return Answer([], kind)
    if kind == "search":
        return Answer([(word, "") for word in _search(tree, place.database, current, names)])
    return Answer([(word, "") for word in _named(tree, place.database, kind, current, names)])


def _named(tree: Mapping[str, Any], database: str, kind: str, current: str, names: Names) -> list[str]:
    """The last one of several with commas between, where names are meant."""
    if kind in tree["words"]:
        return [word for word in tree["words"][kind] if word.startswith(current)]
    if not kind or not database:
        return []
    before, comma, last = current.rpartition(",") if kind == "queues" else ("", "", current)
    taken = before.split(",")
    return [f"{before}{comma}{name}" for name in names(_path(database), kind) if name.startswith(last) and name not in taken]


def _search(tree: Mapping[str, Any], database: str, current: str, names: Names) -> list[str]:
    """A key, or the value of one: ``state:discarded,ex`` goes on with ``expired``; a hyphen before it means the opposite."""
    negated, text = (current[:1], current[1:]) if current[:1] == "-" else ("", current)
    key, colon, values = text.partition(":")
    if not colon:
        return [f"{negated}{each}:" for each in tree["keys"] if each.startswith(text)]
    before, comma, last = values.rpartition(",")
    taken = set(before.split(","))
    kind = {"state": "states", "queue": "queues", "task": "tasks", "schedule": "schedules", "worker": "workers"}.get(key, "")
    found = _named(tree, database, kind, last, names)
    plain = [name for name in found if name not in taken and not any(char.isspace() or char in '",*' for char in name) and name[:1] != "-"]
    return [f"{negated}{key}:{before}{comma}{name}" for name in plain]


def _path(database: str) -> str:
    return os.path.expandvars(os.path.expanduser(database))


# -- shells ----------------------------------------------------------------------------------------------


class Typed(NamedTuple):
    """A line as bash has it."""

    words: list[str]  # before the last one
    current: str
    raw: str  # the same as it stands there
    quote: str  # that is open at its end


def lexed(line: str) -> Typed:
    """As a shell splits it, but for what only a shell can know; the last word may have begun only."""
    words: list[str] = []
    text, raw, quote, is_in = "", "", "", False
    rest = iter(line)
    for char in rest:
        if quote:
            raw += char
            if char == quote:
                quote = ""
            elif char == "\\" and quote == '"':
                following = next(rest, "")
                raw += following
                text += following if following in '"\\$`' else char + following
            else:
                text += char
        elif char in " \t\n":
            if is_in:
                words.append(text)
            text, raw, is_in = "", "", False
        else:
            is_in, raw = True, raw + char
            if char in "\"'":
                quote = char
            elif char == "\\":
                following = next(rest, "")
                raw, text = raw + following, text + following
            else:
                text += char
    return Typed(words, text, raw, quote)


def for_bash(found: Answer, typed: Typed, breaks: str) -> list[str]:
    """What stands in the place of the part that readline will replace: behind the last of its word breaks, or behind the quote."""
    kept = ""
    if not typed.quote:
        end = max((typed.current.rfind(char) for char in ":=" if char in breaks), default=-1)
        kept = typed.current[: end + 1]
    lines = []
    for word, _ in found.words:
        if not word.startswith(kept):
            continue
        rest = word[len(kept) :]
        if typed.quote == "'" and "'" in rest:
            continue
        lines.append(_escaped(rest, typed.quote))
    return lines


def _escaped(word: str, quote: str) -> str:
    if quote:
        return "".join(f"\\{char}" if quote == '"' and char in '"\\$`' else char for char in word)
    return "".join(char if char in _BARE or not char.isascii() else f"\\{char}" for char in word)


def without_program(words: Sequence[str]) -> list[str]:
    """Behind ``litequeue``, or ``python -m litequeue``."""
    return list(words[3:] if list(words[1:3]) == ["-m", "litequeue"] else words[1:])


def main(given: Sequence[str]) -> None:
    """``given``: the shell, the tree, and of bash its line and word breaks, of others the words, with the one that has begun as the last. An answer is its lines, the first of
    which says whether files or folders may stand there."""
    import json

    shell, tree, *rest = given
    typed = lexed(rest[0]) if shell == "bash" else Typed(list(rest[:-1]), rest[-1], rest[-1], "")
    found = answer(json.loads(tree), without_program(typed.words), typed.current, _names, os.environ)
    lines = for_bash(found, typed, rest[1]) if shell == "bash" else [f"{word}\t{about}" if about else word for word, about in found.words]
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    sys.stdout.write("\n".join([found.also or "-", *lines]) + "\n")


def _names(path: str, kind: str) -> Sequence[str]:
    """By the one module that reads them, which is found beside this one's package and imports nothing of it."""
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    file = os.path.join(os.path.dirname(__file__), "..", "..", "store", "suggested.py")
    loader = SourceFileLoader("suggested", os.path.normpath(file))
    spec = spec_from_loader("suggested", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    found: Sequence[str] = module.names(path, kind)
    return found
