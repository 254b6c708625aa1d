"""What in a file's schema bears one of litequeue's names, or acts on its tables, and is not of litequeue's making.

Owns that judgement, made before anything else of a file is read: SQL in the schema runs in whoever uses the tables, be it a
trigger, a view in a table's place, a column or an index that computes, and may run for ever; and without our checks a row may hold
anything. (What the columns of ``sqlite_master`` say beside the text is true: SQLite refuses a schema where it is not.)

An app's own tables, views, and triggers and indexes on those are its own affair; so is an index on ours that runs nothing and
forbids nothing: of columns as they are, not unique, and partial only by comparison (as newer versions add them). Columns may have been added to ours,
as newer versions do, that have no parenthesis: nothing that computes or calls. Text that SQLite or a tool has laid out in
another way (``.dump``, a rename) is compared word by word; ours, which is as we wrote it, is found in what we wrote. Measured
here: 0.2 ms, the first time in a process 0.5.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator
from itertools import pairwise, zip_longest
from typing import Final, NamedTuple

from ...base.errors import NotAQueue
from . import ledger

_OF_OURS: Final = """SELECT type, lower(name), lower(tbl_name), sql FROM sqlite_master
WHERE sql IS NOT NULL AND (name LIKE 'litequeue%' OR tbl_name LIKE 'litequeue%')"""

_UNIQUE: Final = 'SELECT "unique" FROM pragma_index_list(?) WHERE lower(name) = ?'
_COMPUTED: Final = """SELECT 1 FROM pragma_index_xinfo(?)
WHERE cid = -2 OR coll NOT IN ('BINARY', 'NOCASE', 'RTRIM')"""

# As SQLite reads: whatever is no ASCII belongs to a word, and of the blanks only these separate.
_TOKEN: Final = (
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|[ \t\n\f\r]+|'(?:[^']|'')*'|"(?:[^"]|"")*"|\[[^\]]*\]|`(?:[^`]|``)*`"""
    r"|[A-Za-z0-9_$\x80-\U0010ffff]+|."
)
_BLANK: Final = ("--", "/*", " ", "\t", "\n", "\f", "\r")
_QUOTES: Final = '"[`'
_COMPARING: Final = re.compile(r"'.*|[\w$]+|[=<>!(),]", re.DOTALL)  # of the words of a condition, those that call nothing ...
_CALLING: Final = frozenset({"like", "glob", "regexp", "match", "collate"})  # ... but for these,
_GROUPING: Final = frozenset({"where", "and", "or", "not", "in", "("})  # and for a parenthesis after any other
_CONSTRAINTS: Final = frozenset({"constraint", "primary", "unique", "check", "foreign"})


class _Parts(NamedTuple):
    """A table's statement."""

    head: list[str]
    columns: list[list[str]]
    constraints: list[list[str]]
    tail: list[str]


def refuse_foreign(found: dict[str, str], path: str) -> None:
    """Raise NotAQueue if there is any, with all that there is."""
    if found:
        raise NotAQueue(
            f"{path} has what litequeue did not put there: {', '.join(found.values())}. Nothing in the file is used: drop that "
            "(DROP TRIGGER or DROP INDEX, with sqlite3) if it is a trigger, or an index that you can do without, else restore a backup"
        )


def foreign(connection: sqlite3.Connection) -> dict[str, str]:
    """By name, in words."""
    made = _all_sql(ledger.MIGRATIONS)
    found = {}
    for kind, name, table, text in connection.execute(_OF_OURS).fetchall():
        if f"\n{text};" in made:  # a whole statement, as we wrote it
            continue
        if kind == "trigger" and name not in _names(made) and table in _names(made):
            found[name] = f"the trigger {name} on {table}"
        elif name in _names(made):
            differences = [_difference(_words(text), _words(ours)) for ours in _statements(made, name)]
            if None not in differences:
                difference = differences[-1] or ""
                found[name] = f"the {kind} {name}, which is not as litequeue makes it ({difference:.60})"
        elif kind == "index" and table in _names(made) and (why := _meddling(connection, name, table, text)) is not None:
            found[name] = f"the index {name} on {table}, which {why}"
    return found


def _meddling(connection: sqlite3.Connection, name: str, table: str, text: str) -> str | None:
    """What an index that is not ours does to those who write; None if that is nothing."""
    if connection.execute(_UNIQUE, (table, name)).fetchall() != [(0,)]:
        return "is unique"
    if connection.execute(_COMPUTED, (name,)).fetchall():
        return "computes"
    condition = _parts(_words(text)).tail
    for before, word in pairwise(["", *condition]):
        if not _COMPARING.fullmatch(word) or word in _CALLING or word == "(" and before not in _GROUPING:
            return "computes where it applies"
    return None


def _words(text: str) -> list[str]:
    """Without blanks and comments."""
    return [_word(token) for token in re.findall(_TOKEN, text, re.DOTALL) if not token.startswith(_BLANK)]


def _word(token: str) -> str:
    """A name as it is without quotes. What would be a value without them is none: SQLite reads "0" and "null" as text."""
    if token[0] == "'":
        return token
    inner = token[1:-1].lower()
    return inner if token[0] in _QUOTES and inner != "null" and not inner[:1].isdigit() else token.lower()


def _difference(found: list[str], ours: list[str]) -> str | None:
    """What stands there instead of ours, or is missing; None if they are alike."""
    if found == ours:
        return None
    this, that = _parts(found), _parts(ours)
    known = len(that.columns)
    if found[:2] == ["create", "table"]:
        computing = next((column for column in this.columns[known:] if "(" in column), None)
        if computing is not None:
            return " ".join(computing)
        this = this._replace(columns=this.columns[:known])
    pairs: Iterator[tuple[list[str], list[str]]] = zip_longest(_flat(this), _flat(that), fillvalue=[])
    return next((" ".join(one or other) for one, other in pairs if one != other), None)


def _flat(parts: _Parts) -> list[list[str]]:
    return [parts.head, *parts.columns, *parts.constraints, parts.tail]


def _parts(words: list[str]) -> _Parts:
    begin = words.index("(") if "(" in words else len(words)
    items: list[list[str]] = [[]]
    depth, end = 0, len(words)
    for at in range(begin, len(words)):
        word = words[at]
        depth += (word == "(") - (word == ")")
        if depth == 0:
            end = at + 1
            break
        if depth == 1 and word == ",":
            items.append([])
        elif at > begin:
            items[-1].append(word)
    columns = next((at for at, item in enumerate(items) if item and item[0] in _CONSTRAINTS), len(items))
    return _Parts(words[:begin], items[:columns], items[columns:], words[end:])


# -- what litequeue makes ----------------------------------------------------------------------------------------------


@functools.cache
def _all_sql(migrations: tuple[ledger.Migration, ...]) -> str:
    own = (sql.replace(" IF NOT EXISTS", "") for sql in ledger.OWN_TABLES)
    made = "".join(f"\n{sql.strip()};" for sql in (*own, *(migration.sql for migration in migrations)))
    # Tables with the columns that were added later, as SQLite writes them: to compare them by words would take 0.5 ms.
    added: dict[str, list[str]] = {}
    for line in made.splitlines():
        if line.startswith("ALTER TABLE "):
            _, _, table, _, _, *column = line.partition(";")[0].split()
            added.setdefault(table, []).append(" ".join(column))
    for table, more in added.items():
        columns, sign, constraints = _statement(made, table).partition(",\n    CHECK (")
        made += f"\n{columns}, {', '.join(more)}{sign}{constraints};"
    return made


def _statements(made: str, name: str) -> Iterator[str]:
    """All that make this: a trigger is another one in a later version."""
    found = _statement(made, name)
    yield found
    rest = made[made.index(found) + len(found) :]
    if f" TRIGGER {name} " in rest and f"\nCREATE TRIGGER {name} " in rest:
        yield from _statements(rest, name)


@functools.cache
def _names(made: str) -> frozenset[str]:
    return frozenset(line.split()[2] for line in made.splitlines() if line.startswith("CREATE "))


def _statement(made: str, name: str) -> str:
    """The one that makes this; a semicolon may also stand in a comment."""
    begin = max(made.find(f"\nCREATE {kind} {name} ") for kind in ("TABLE", "INDEX", "VIEW", "TRIGGER")) + 1
    end = made.index(";", begin)
    while not sqlite3.complete_statement(made[begin : end + 1]):
        end = made.index(";", end + 1)
    return made[begin:end]
