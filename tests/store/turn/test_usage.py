"""What attempts have used, in the file."""

from __future__ import annotations

import pytest

from litequeue.base.models import Settled, Unsettled, Used
from litequeue.base.records import as_dict
from litequeue.store import Store
from litequeue.store.turn import Demand

from ...support import FakeClock, new_job

pytestmark = pytest.mark.beside


def test_each_attempt_has_what_it_used_and_the_job_what_its_last_did(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    now = clock.now()
    everything = Demand({"thread": 5})
    (job,) = store.jobs.turn(1, now, now + 1, demand=everything).claimed
    failed = Unsettled(job.id, 1, "retrying", now, None, now, None, 1, "E", "m", "", now, 0)
    (job,) = store.jobs.turn(1, now, now + 1, others=[failed], used=[Used(job.id, 1, 4_500_000, 123_000_000)], demand=everything).claimed
    info = store.reports.job(job.id)
    assert info is not None and (info.attempt, info.cpu_seconds, info.max_rss_bytes) == (2, None, None), "of the one that runs nothing is known"
    store.jobs.turn(1, now, now + 1, succeeded=[Settled(job.id, 2, now, now, "1", now + 5, None)], used=[Used(job.id, 2, 1_500_000, None), Used(77, 1, 5, 5)])
    info = store.reports.job(job.id)
    assert info is not None and (info.cpu_seconds, info.max_rss_bytes) == (1.5, None)
    assert [(attempt.cpu_seconds, attempt.max_rss_bytes) for attempt in info.attempts] == [(4.5, 123_000_000)]
    assert as_dict(info)["attempts"][0]["max_rss_bytes"] == 123_000_000
    (listed,) = store.searching.infos([job.id])
    assert (listed.cpu_seconds, listed.max_rss_bytes) == (1.5, None)
    count = "SELECT count(*) FROM litequeue_usage"
    assert store.database.one(count) == (2,), "none of a job that is not there"
    assert store.operations.prune(now + 10, 1.0) == 1
    assert store.database.one(count) == (0,)


def test_what_was_given_back_unstarted_takes_nothing_from_the_last_that_ran(store: Store, clock: FakeClock) -> None:
    store.jobs.enqueue(new_job())
    now = clock.now()
    everything = Demand({"thread": 5})
    (job,) = store.jobs.turn(1, now, now + 1, demand=everything).claimed
    failed = Unsettled(job.id, 1, "retrying", now, None, now, None, 1, "E", "m", "", now, 0)
    store.jobs.turn(1, now, now + 1, others=[failed], used=[Used(job.id, 1, 7_000_000, 1)], demand=everything)
    unstarted = Unsettled(job.id, 2, "available", None, None, None, None, 0, None, None, None, now, 1)
    store.jobs.turn(1, now, now + 1, others=[unstarted])
    info = store.reports.job(job.id)
    assert info is not None and (info.attempt, info.cpu_seconds) == (1, 7.0)
