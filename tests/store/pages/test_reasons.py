"""Why somebody should look: which reasons there are, and which is worst."""

from __future__ import annotations

import pytest

from litequeue.base.checks import aware
from litequeue.base.records import WorkerInfo
from litequeue.store.alerts import Firing
from litequeue.store.inspection import Condition
from litequeue.store.pages.parts import Reason
from litequeue.store.pages.reasons import LITTLE_DISK, MOST, Facts, judged, without_code

NOW = 1_750_000_000_000_000
WELL = Condition(pid=2, dead=False, leaving=False, stopped=False, beat_at=NOW - 7)


def worker(id_: int = 1, **given: object) -> WorkerInfo:
    fields = {"queues": None, "slots": {"thread": 4}, "stopped_at": None, **given}
    return WorkerInfo(id=id_, name=f"w{id_}", pid=2, host="h", started_at=aware(NOW), heartbeat_at=aware(NOW), **fields)  # type: ignore[arg-type]


FINE = Facts(NOW, 9, 100, 4, 1, [], [worker()], {1: WELL}, [], [], [], [], 0, None, None)


def test_where_all_is_well_there_is_none() -> None:
    assert judged(FINE) == () == judged(FINE._replace(disk_free=LITTLE_DISK)) == judged(FINE._replace(paused=[("q", NOW, 0)]))
    assert judged(FINE._replace(workers=[], conditions={}, waiting=0, coming=0)) == (), "nothing waits for a worker"


@pytest.mark.parametrize(("facts", "reason"), [
    (FINE._replace(paused=[("q", NOW - 5, 3)]), Reason("paused", "q", 3, aware(NOW - 5))),
    (FINE._replace(workers=[], conditions={}), Reason("no-worker", jobs=9)),
    (FINE._replace(workers=[], conditions={}, waiting=0), Reason("no-worker")),
    (FINE._replace(late=[("s", NOW - 90)]), Reason("late", "s", since=aware(NOW - 90))),
    (FINE._replace(missed=[("s", NOW - 90, "beyond its grace")]), Reason("missed", "s", since=aware(NOW - 90), text="beyond its grace")),
    (FINE._replace(disabled=[("s", "no code")]), Reason("disabled", "s", text="no code")),
    (FINE._replace(without_code=[("t", 4, "no module")]), Reason("no-code", "t", 4, None, "no module")),
    (FINE._replace(untold=2, last_untold=77), Reason("untold", jobs=2, id=77)),
    (FINE._replace(conditions={1: WELL._replace(stopped=True, held=3)}), Reason("frozen", "w1", 3, aware(NOW - 7), id=1)),
    (FINE._replace(workers=[worker(stuck={"thread": 4})]), Reason("stuck", "w1", id=1)),
    (FINE._replace(disk_free=5), Reason("disk", jobs=5)),
    (FINE._replace(alerts=[Firing("a", "oldest queue=mail >5m", NOW - 9, "8 min", None)]), Reason("alert", "a", 0, aware(NOW - 9), "mail's oldest job waits over 5 minutes (8 min)")),
])  # fmt: skip
def test_each_reason_by_itself(facts: Facts, reason: Reason) -> None:
    assert judged(facts) == (reason,)


def test_what_an_alert_says_is_not_said_twice() -> None:
    alerts = [Firing("a", "no-worker", NOW - 9, "", None), Firing("b", "disk <1G", NOW - 5, "", None)]
    found = judged(FINE._replace(workers=[], conditions={}, disk_free=5, untold=1, last_untold=3, alerts=alerts))
    assert [(reason.kind, reason.name) for reason in found] == [("alert", "a"), ("alert", "b"), ("untold", "")]


def test_a_dead_worker_leaves_the_file_without_one() -> None:
    dead = FINE._replace(conditions={1: WELL._replace(dead=True, held=2)})
    assert [reason.kind for reason in judged(dead)] == ["no-worker", "dead"]
    assert judged(FINE._replace(workers=[worker(), worker(2)], conditions={1: WELL, 2: WELL._replace(dead=True)})) == (Reason("dead", "w2", 0, aware(NOW - 7), id=2),)
    assert judged(FINE._replace(workers=[worker(), worker(2)], conditions={1: WELL, 2: WELL._replace(dead=True, leaving=True)})) == (), "it has left in good order"


def test_the_worst_come_first_and_of_each_kind_one_before_a_second() -> None:
    many = FINE._replace(
        disabled=[(f"s{n}", "why") for n in range(6)], late=[("l", NOW), ("m", NOW)], paused=[("q", NOW, 1)], untold=1, disk_free=1, conditions={1: WELL._replace(stopped=True)}
    )
    found = [reason.kind for reason in judged(many)]
    assert found[:4] == ["disk", "frozen", "late", "disabled"] and found[4:] == ["late", *["disabled"] * 5, "untold", "paused"]
    assert len(judged(many._replace(disabled=[("s", "why")] * 99))) == MOST


def test_code_is_missing_where_no_worker_that_would_serve_a_job_has_it() -> None:
    lacking = worker(unknown_tasks={"t": "no module"})
    waits = {("q", "thread", "t"): 3, ("r", "thread", "t"): 2, ("q", "thread", "u"): 5, ("q", "process", "t"): 9}
    assert without_code(waits, [lacking]) == [("t", 5, "no module")]
    assert without_code(waits, [lacking, worker(2, queues=("r",))]) == [("t", 3, "no module")]
    assert without_code(waits, [lacking, worker(2)]) == [] == without_code(waits, [])


def test_many_that_were_discarded_are_worth_a_look_and_a_few_of_thousands_are_not() -> None:
    assert [reason.kind for reason in judged(FINE)] == []
    assert judged(FINE._replace(ended=100, discarded=10)) == (Reason("failures", jobs=10),)
    assert judged(FINE._replace(ended=10_000, discarded=400)) == () and judged(FINE._replace(ended=9, discarded=9)) == ()
