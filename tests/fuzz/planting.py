"""Puts rows and statements into a queue's file, past our own checks, which any connection can switch off."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from litequeue.store import Store


def made(folder: Path) -> Path:
    """A new queue."""
    db = folder / "db.sqlite"
    Store(str(db)).open_and_close()
    return db


@contextlib.contextmanager
def connected(db: Path, *pragmas: str) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as connection:
        for pragma in ("synchronous = OFF", *pragmas):
            connection.execute(f"PRAGMA {pragma}")
        yield connection


def rows(db: Path, planted: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
    """Bytes in a tuple are stored as text of those very bytes."""
    with connected(db, "ignore_check_constraints = ON") as connection:
        for table, row in planted:
            marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, tuple) else "?" for value in row.values())
            values = [value[0] if isinstance(value, tuple) else value for value in row.values()]
            with contextlib.suppress(sqlite3.IntegrityError, OverflowError):  # the column has another type
                connection.execute(f"INSERT OR REPLACE INTO litequeue_{table} ({', '.join(row)}) VALUES ({marks})", values)


def statements(db: Path, texts: Mapping[int, str]) -> None:
    """Replace what stands in the schema, by rowid."""
    with connected(db, "writable_schema = ON") as connection:
        for rowid, text in texts.items():
            connection.execute("UPDATE sqlite_master SET sql = ? WHERE rowid = ?", (text, rowid))


def mistyped(db: Path, table: str, values: Mapping[str, Any]) -> None:
    """Put values into columns of other types, in all rows, as damage may: while the table is not declared STRICT."""
    with connected(db, "writable_schema = ON") as connection:
        ((rowid, sql),) = connection.execute("SELECT rowid, sql FROM sqlite_master WHERE name = ?", (f"litequeue_{table}",))
        (version,) = connection.execute("PRAGMA schema_version").fetchone()
    lax = re.sub(r"(TEXT|INTEGER) NOT NULL", r"\1", sql).replace(") STRICT", ")").replace("), WITHOUT", ") WITHOUT")
    for text, planted in ((lax, values), (sql, {})):
        version += 1
        statements(db, {rowid: text})
        with connected(db, f"schema_version = {version}", "ignore_check_constraints = ON") as connection:
            for column, value in planted.items():
                connection.execute(f"UPDATE litequeue_{table} SET {column} = ?", (value,))
