"""A job that kills its worker is convicted at the third time; whoever ran beside it is acquitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from litequeue import JobFailed, LiteQueue
from litequeue.store.rules import MAX_INTERRUPTIONS

from .. import sample
from ..prepared import litequeue, worker_process
from ..support import ledger_lines, wait_until


@pytest.mark.slow
@pytest.mark.beside
@pytest.mark.parametrize("threads", [1, 4])
def test_innocents_beside_a_worker_killer_all_succeed(
    sample_app: LiteQueue, db: Path, tmp_path: Path, threads: int
) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    gate.touch()
    before = [sample.wait_at_gate.delay(str(ledger), str(gate)) for _ in range(2)]
    poison = sample.misbehave_thread.delay("kill")
    beside = [sample.record.delay(str(ledger), n) for n in range(20)]
    beside.append(sample.wait_async.delay(str(ledger), str(gate)))
    beside.append(sample.wait_in_process.delay(str(ledger), str(gate)))
    deaths = 0
    while not all(job.done() for job in (poison, *before, *beside)):  # as systemd restarts it; one finds nothing while the pool's process of the last still ends
        deaths += litequeue("worker", db, "--burst", "--threads", threads).returncode != 0
        assert deaths <= MAX_INTERRUPTIONS
    assert deaths == MAX_INTERRUPTIONS
    with pytest.raises(JobFailed, match="3 workers died while it ran; it is the likely cause"):
        poison.get(timeout=0)
    assert {job.state for job in before + beside} == {"succeeded"}
    assert {int(line) for line in ledger_lines(ledger) if line.isdigit()} == set(range(20))


@pytest.mark.beside
def test_a_suspect_waits_for_the_worker_to_be_empty_and_nothing_starts_beside_it(
    sample_app: LiteQueue, db: Path, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    gates = [tmp_path / f"gate{n}" for n in range(3)]
    first = sample.wait_at_gate.delay(str(ledger), str(gates[0]))
    with worker_process(db, "--threads", "4"):
        wait_until(lambda: first.state == "running")
        suspect = sample.wait_at_gate.apply_async((str(ledger), str(gates[1])), countdown=3600)
        with sample_app._client.store.database.write(durable=False) as connection:
            connection.execute(
                "UPDATE litequeue_jobs SET interruptions = ?, attempt = ? WHERE id = ?",
                (MAX_INTERRUPTIONS - 1, MAX_INTERRUPTIONS - 1, suspect.id),
            )
        assert suspect.retry()  # now
        # While it waits, nothing that came later may take its place: a busy worker would never be empty.
        wait_until(lambda: sample_app.stats().oldest_available)
        later = sample.wait_at_gate.delay(str(ledger), str(gates[2]))
        gates[0].touch()
        wait_until(lambda: suspect.state == "running")
        assert first.state == "succeeded"
        more = sample.record.delay(str(ledger), "more")
        gates[2].touch()
        gates[1].touch()
        assert suspect.get(timeout=10) == "attempt 3"
        assert later.get(timeout=10) == "attempt 1"
        assert more.get(timeout=10) == "more"
    kinds = [line.split()[:2] for line in ledger_lines(ledger) if " " in line]
    start, end = kinds.index(["start", str(suspect.id)]), kinds.index(["end", str(suspect.id)])
    assert end == start + 1, "something ran beside the suspect"
