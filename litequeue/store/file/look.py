"""A file that lies there, such as a copy, read without a trace: no log or lock is made beside it, and none is waited for.

For what nobody works on. What its log still holds is a part of it, and is read as well; then SQLite makes the log's index there.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator

from ...base.as_owner import User, acting_as
from .files import log_size, size
from .sqlerrors import translate


@contextlib.contextmanager
def looking(path: str, user: User | None = None) -> Iterator[sqlite3.Connection]:
    """A connection to it. Raises the store's errors, also of what is done inside."""
    from urllib.parse import quote  # 4 ms that hardly anybody needs

    is_whole = not log_size(path) and not size(path + "-journal")
    try:
        with acting_as(user):
            connection = sqlite3.connect(f"file:{quote(path)}?mode=ro{'&immutable=1' if is_whole else ''}", uri=True, isolation_level=None, timeout=0)
        with contextlib.closing(connection):
            connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            with acting_as(user):
                connection.execute("PRAGMA trusted_schema = OFF")
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield connection
    except sqlite3.Error as error:
        raise translate(error, path) from error
