"""Jobs in the file: how they come in, and the worker's turn.

Owns the transactions of an enqueue and of a turn; what a turn does is in ``turn``, step by step. No user code, encoding or
logging happens inside a transaction. What people do to a job that exists (cancel, revive) is in ``operations``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..base.bell import Address
from ..base.models import (
    Adoption,
    Membership,
    NewJob,
    Printed,
    Replacement,
    Said,
    Settled,
    Suspension,
    TaskOrigin,
    Unsettled,
    Used,
)
from .bells import one_for
from .file import Database
from .inserting import COLUMNS, insert_job, named
from .origins import ALL_TASKS, TASK_ORIGIN, record_options, record_origin
from .rules import KEEP_DISCARDED
from .tags import note

if TYPE_CHECKING:
    from ..base.exact import Enqueued, UniqueKey
    from ..base.history import Counted
    from .turn import Demand, Look, Turn

# delay_many: rows are encoded and staged outside the write transaction, then moved in one statement.
STAGE_CREATE: Final = "CREATE TEMP TABLE IF NOT EXISTS litequeue_stage (args TEXT, kwargs TEXT, key TEXT, limit_key TEXT)"
STAGE_EMPTY: Final = "DELETE FROM temp.litequeue_stage"
STAGE_INSERT: Final = "INSERT INTO temp.litequeue_stage ({columns}) VALUES ({values})"
_STAGED: Final = {"args": "args", "kwargs": "kwargs", "limit_key": "ifnull(limit_key, :limit_key)"}
STAGE_MOVE: Final = f"""INSERT INTO litequeue_jobs ({", ".join(COLUMNS)})
SELECT {", ".join(_STAGED.get(column, f":{column}") for column in COLUMNS)}
FROM temp.litequeue_stage ORDER BY rowid"""
CALLBACKS: Final = """INSERT OR REPLACE INTO litequeue_callbacks (job_id, number, runs_when, job)
SELECT id, :number, :when, :job FROM litequeue_jobs WHERE id BETWEEN :first AND :last"""


class Jobs:
    """The jobs table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- enqueue ---------------------------------------------------------------------------

    def enqueue(self, job: NewJob, origin: TaskOrigin | None = None) -> tuple[int, list[Address]]:
        """Store one job durably; its id, and the addresses of the workers to wake."""
        with self._database.write(durable=True) as connection:
            if origin is not None:
                record_origin(connection, origin, job.created_at)
            job_id = insert_job(connection, job)
            addresses = one_for(connection, job.columns.queue, job.task, job.columns.pool)
        return job_id, addresses

    def enqueue_unique(self, job: NewJob, key: UniqueKey, origin: TaskOrigin | None) -> tuple[Enqueued, list[Address]]:
        """The same of one with a key; or the job that has the key. Raises AlreadyEnqueued."""
        from . import keys

        with self._database.write(durable=True) as connection:
            if origin is not None:
                record_origin(connection, origin, job.created_at)
            found, is_work = keys.insert(connection, job, key)
            return found, one_for(connection, job.columns.queue, job.task, job.columns.pool) if is_work else []

    def enqueue_many(
        self,
        template: NewJob,
        payloads: Iterable[tuple[str, ...]],
        origin: TaskOrigin | None = None,
        callbacks: Sequence[tuple[str, str]] = (),
        batch: Membership | None = None,
        key: UniqueKey | None = None,
        limited: bool = False,
    ) -> tuple[Sequence[int], list[bool] | None, list[Address]]:
        """Store one job per (args, kwargs), all or none, each with the callbacks (when, JSON), in the batch. Their ids, which are consecutive. If
        they are ``limited`` by values of their own, payloads end in the limit_key.

        With a ``key``, which says the rest, payloads are (args, kwargs, key), each as ``enqueue_unique``, and which are new is said too. Raises
        AlreadyEnqueued.

        The payloads are consumed into a TEMP table first: user code runs outside the write
        transaction, and a million jobs need no memory here. Moving them is one statement.
        Measured: 2.5 to 4 us a row in all, against 7 us for executemany into the table itself.
        """
        columns = ["args", "kwargs", *["key"] * (key is not None), *["limit_key"] * limited]
        insert = STAGE_INSERT.format(columns=", ".join(columns), values=", ".join("?" * len(columns)))
        if key is not None:
            from . import keys
        with self._database.side_connection() as connection:
            connection.execute(STAGE_CREATE)
            is_open = connection.in_transaction
            if not is_open:
                connection.execute("BEGIN")
            try:
                connection.execute(STAGE_EMPTY)  # of an earlier call in the same transaction
                connection.executemany(insert, payloads)
                if not is_open:
                    connection.execute("COMMIT")
            except BaseException:
                if not is_open and connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if key is not None:
                keys.pick(connection, key)
            with self._database.write(durable=True, on=connection):
                if origin is not None:
                    record_origin(connection, origin, template.created_at)
                if key is not None:
                    count, last = keys.move(connection, template, key)
                else:
                    count = connection.execute(STAGE_MOVE, named(template)).rowcount
                    (last,) = connection.execute("SELECT last_insert_rowid()").fetchone()
                if template.columns.tags is not None:
                    note(connection, last - count + 1, last)
                first = last - count + 1  # AUTOINCREMENT under the write lock: nobody's ids can lie between ours
                for number, (when, job) in enumerate(callbacks):
                    connection.execute(CALLBACKS, {"first": first, "last": last, "number": number, "when": when, "job": job})
                if batch is not None and count:
                    from .links.joining import join

                    join(connection, batch, first, last)
                addresses = one_for(connection, template.columns.queue, template.task, template.columns.pool)
            if key is not None:
                return *keys.ids(connection), addresses
        return (range(first, last + 1), None, addresses) if count else (range(0), None, [])

    def origin(self, task: str) -> TaskOrigin | None:
        """Where a producer said that this task's code is."""
        row = self._database.one(TASK_ORIGIN, {"task": task})
        return None if row is None else TaskOrigin(*row)

    def origins(self) -> list[tuple[TaskOrigin, int]]:
        """All that producers have said, and when, by the tasks' names."""
        with self._database.read() as connection:
            return [(TaskOrigin(*row), recorded_at) for *row, recorded_at in connection.execute(ALL_TASKS).fetchall()]

    def record_origins(self, origins: Iterable[TaskOrigin], now: int) -> None:
        """Where the code of tasks is that are yet to have jobs."""
        with self._database.write(durable=True) as connection:
            for origin in origins:
                record_origin(connection, origin, now)

    def record_options(self, origins: Iterable[TaskOrigin], now: int, patience: float | None = None) -> None:
        """What a worker's code says of its tasks."""
        with self._database.write(durable=False, patience=patience) as connection:
            for origin in origins:
                record_options(connection, origin, now)

    # -- the worker's turn ---------------------------------------------------------------------

    def look(self, worker: int, demand: Demand | None) -> Look:
        """What there is to do, without a transaction: for a worker that others may have been faster than."""
        from .turn import look

        return look.read(self._database.one(*look.asked(look.LOOK, look.LOOK_NAMED, worker, demand)))

    def due_since(self, pool: str, queues: Collection[str] | None, unknown: str | None) -> int | None:
        """Since when a job waits that could run here: ``overdue``."""
        from .overdue import due_since  # for a worker whose slots move

        with self._database.read() as connection:
            return due_since(connection, pool, queues, unknown)

    def turn(
        self,
        worker: int,
        now: int,
        lease_until: int,
        *,
        succeeded: Sequence[Settled] = (),
        others: Sequence[Unsettled] = (),
        suspended: Sequence[Suspension] = (),
        replaced: Sequence[Replacement] = (),
        adoptions: Sequence[Adoption] = (),
        printed: Sequence[Printed] = (),
        said: Mapping[int, Said] = {},
        used: Sequence[Used] = (),
        counted: Sequence[Counted] = (),
        demand: Demand | None = None,
        running: int | None = None,
        passes_on: bool = True,
        keep_discarded: int = KEEP_DISCARDED,
        patience: float | None = None,
    ) -> Turn:
        """Settle what ended, put due jobs where they can be claimed, claim, and say who sleeps from now on; one transaction. Raises QueueBusy
        once the write lock was not had for ``patience`` seconds, instead of the usual."""
        from .turn import Turn, pipeline  # who only enqueues takes none

        turn = Turn(
            worker, now, lease_until, succeeded=succeeded, others=others, suspended=suspended, replaced=replaced, adoptions=adoptions,
            printed=printed, said=said, used=used, counted=counted, demand=demand, running=running, passes_on=passes_on,
            keep_discarded=keep_discarded,
        )  # fmt: skip
        with self._database.write(durable=False, patience=patience) as connection:
            for step in pipeline.STEPS:
                step(connection, turn)
        return turn
