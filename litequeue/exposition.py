"""Metrics of a file as Prometheus reads them: the text format 0.0.4, or OpenMetrics 1.0.

Owns names, labels and the format (https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification). Counters are those of
the history's span without an end, so that no restart and no pruning lowers them. No label is a worker, a process or a job, of which
there are new ones without end; beyond ``MOST_TASKS`` tasks, those with the fewest ends are one.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .base.checks import MICROS
from .base.history import BOUNDS
from .base.version import VERSION
from .store import Store, waiting
from .store.exposed import Exposed, read
from .store.file.files import size
from .store.inspection import Condition, Inspection

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
OTHER: Final = "(other)"
FINAL: Final = ("succeeded", "discarded", "cancelled", "expired")
ATTEMPTS: Final = ("succeeded", "failed", "discarded", "interrupted", "released", "snoozed")
ALERT_STATES: Final = ("ok", "pending", "firing")
MOST_ALERTS: Final = 200
CONDITIONS: Final = ("well", "late", "frozen", "dead", "leaving")

Labels = tuple[tuple[str, str], ...]


class Family(NamedTuple):
    """One metric with its samples; of a histogram, each with the end of its name."""

    name: str  # of a counter without _total
    kind: str  # gauge, counter or histogram
    help: str
    samples: list[tuple[str, Labels, float]]


def exposition(store: Store, now: int, *, openmetrics: bool = False) -> str:
    """The whole page; ``now`` in microseconds. Raises the store's errors."""
    inspection = Inspection(store.database)
    found = read(store.database)
    families = [
        *_of_file(store, inspection), *_levels(found, now), *_flows(found), *_workers(inspection.conditions(now), found, now), *_schedules(found),
    ]  # fmt: skip
    lines = [line for family in families for line in _written(family, openmetrics=openmetrics)]
    return "\n".join([*lines, *["# EOF"] * openmetrics]) + "\n"


# -- what there is ---------------------------------------------------------------------------------------


def _of_file(store: Store, inspection: Inspection) -> Iterator[Family]:
    info = (("version", VERSION), ("sqlite", sqlite3.sqlite_version))
    yield Family("litequeue_info", "gauge", "Which litequeue and SQLite answer; always 1.", [("", info, 1)])
    yield _gauge("litequeue_file_bytes", "Size of the database file.", {(): size(store.path)})
    yield _gauge("litequeue_log_bytes", "Size of its write-ahead log.", {(): store.database.wal.size()})
    states = store.alerts.states(MOST_ALERTS)
    shown = {_labels(alert=name, state=state): state == now_in for name, now_in in states for state in ALERT_STATES}
    yield _gauge("litequeue_alerts", "1 for the state that an alert is in; of one that is paused, for none.", shown)
    yield _gauge("litequeue_untold_failures", "Failures of which somebody who asked could not be told.", {(): inspection.untold()[0]})


def _levels(found: Exposed, now: int) -> Iterator[Family]:
    jobs = {_labels(queue=queue, state=state): count for (queue, state), count in sorted(found.jobs.items())}
    yield _gauge("litequeue_jobs", "Jobs that have not ended, by state; available ones up to 10,000 a queue (of many queues fewer), others up to 2,000 in all.", jobs)
    queues = sorted({queue for queue, _ in found.jobs} | found.paused)
    # Of more queues and priorities than were looked at there is none, rather than 0.
    waits = {
        _labels(queue=queue): max(now - found.oldest.get(queue, now), 0) / MICROS
        for queue in queues if queue in found.oldest or not found.jobs.get((queue, "available"))
    }  # fmt: skip
    yield _gauge("litequeue_queue_latency_seconds", "For how long the job that has waited longest could have run.", waits)
    yield _gauge("litequeue_queue_paused", "1 while nobody claims from the queue.", {_labels(queue=queue): queue in found.paused for queue in queues})
    yield _counter("litequeue_jobs_enqueued", "Jobs that were ever enqueued.", {(): found.enqueued})


def _flows(found: Exposed) -> Iterator[Family]:
    ever = {(task or OTHER, queue or OTHER): sums for (task, queue), sums in sorted(found.ever.items())}
    ends, attempts = {}, {}
    for (task, queue), sums in ever.items():
        for state in FINAL:
            ends[_labels(queue=queue, task=task, state=state)] = sums.count(state)
        for outcome in ATTEMPTS:
            attempts[_labels(queue=queue, task=task, outcome=outcome)] = sums.count(outcome)
    yield _counter("litequeue_jobs_finished", "Jobs that have ended, by how.", ends)
    yield _counter("litequeue_attempts", "Attempts, by what they came to; failed: and are tried again.", attempts)
    runs = {_labels(queue=queue, task=task): (sums.runs, sums.run_us) for (task, queue), sums in ever.items()}
    yield _histogram("litequeue_run_seconds", "How long attempts ran.", runs)
    waits: dict[Labels, tuple[tuple[int, ...], int]] = {}
    for (_, queue), sums in ever.items():
        buckets, total = waits.get(_labels(queue=queue), ((0,) * len(sums.waits), 0))
        waits[_labels(queue=queue)] = tuple(map(sum, zip(buckets, sums.waits, strict=True))), total + sums.wait_us
    yield _histogram("litequeue_wait_seconds", "From when attempts were due to their start, with what they waited for other jobs or for a slot.", waits)


def _workers(conditions: Mapping[int, Condition], found: Exposed, now: int) -> Iterator[Family]:
    counts = Counter(_condition(condition, now) for condition in conditions.values())
    yield _gauge("litequeue_workers", "Workers that have not signed off, by how they are.", {_labels(condition=name): counts[name] for name in CONDITIONS})
    yield _gauge("litequeue_slots", "Slots of all workers.", {_labels(pool=pool): count for pool, count in sorted(found.slots.items())})
    yield _gauge("litequeue_slots_busy", "Those that run a job.", {_labels(pool=pool): count for pool, count in sorted(found.busy.items())})


def _condition(condition: Condition, now: int) -> str:
    if condition.dead:
        return "dead"
    if condition.stopped:
        return "frozen"
    if waiting.is_late(condition, now):
        return "late"
    return "leaving" if condition.leaving else "well"


def _schedules(found: Exposed) -> Iterator[Family]:
    coming = {_labels(schedule=name): at / MICROS for name, at, _ in found.schedules if at is not None}
    yield _gauge("litequeue_schedule_next_tick_timestamp_seconds", "When its next tick fires.", coming)
    good = {_labels(schedule=name): at / MICROS for name, _, at in found.schedules if at is not None}
    yield _gauge("litequeue_schedule_last_success_timestamp_seconds", "When its last job that succeeded did, of its last hundred.", good)
    ticks = {_labels(schedule=name, outcome=outcome): count for name, outcome, count in found.ticks}
    yield _counter("litequeue_ticks", "Ticks, by what became of them; missed ones of one stretch of time are one.", ticks)


# -- how it is written -----------------------------------------------------------------------------------


def _labels(**named: str) -> Labels:
    return tuple(named.items())


def _gauge(name: str, text: str, samples: Mapping[Labels, float]) -> Family:
    return Family(name, "gauge", text, [("", labels, value) for labels, value in samples.items()])


def _counter(name: str, text: str, samples: Mapping[Labels, float]) -> Family:
    return Family(name, "counter", text, [("_total", labels, value) for labels, value in samples.items()])


def _histogram(name: str, text: str, samples: Mapping[Labels, tuple[tuple[int, ...], int]]) -> Family:
    found: list[tuple[str, Labels, float]] = []
    for labels, (buckets, micros) in samples.items():
        seen = 0
        for bound, count in zip((*(repr(bound / MICROS) for bound in BOUNDS), "+Inf"), buckets, strict=True):
            seen += count
            found.append(("_bucket", (*labels, ("le", bound)), seen))
        found += [("_sum", labels, micros / MICROS), ("_count", labels, seen)]
    return Family(name, "histogram", text, found)


def _written(family: Family, *, openmetrics: bool) -> Iterator[str]:
    """In OpenMetrics a counter is named without the end of its sample's name, in the older format with it."""
    name = family.name + ("_total" if family.kind == "counter" and not openmetrics else "")
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {family.kind}"
    for end, labels, value in family.samples:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
        yield f"{family.name}{end}{f'{{{said}}}' if said else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
