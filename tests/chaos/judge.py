"""The verdict on a chaos run: promises 1 to 4 as checks over its evidence, and how fast the dead were replaced.

Each check is a generator of sentences, one for each violation. Overlapping and repeated runs are allowed only
where the driver's own log shows that the earlier one's process was dead or frozen.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterator
from typing import Final

from . import flow_judge
from .evidence import ORPHAN_SECONDS, Evidence, Execution, JobRow
from .tasks import AT_ONCE, PER, SCHEDULES, STARTS

FINAL: Final = ("succeeded", "discarded")
# A worker that is younger may not have registered.
STARTUP_SECONDS: Final = 1.0
MOMENT: Final = 0.5  # seconds from a claim to the first line of its task
SUSPECT: Final = "likely cause"  # discarded as the killer of three workers; here they are innocent


def violations(e: Evidence) -> list[str]:
    return [text for check in CHECKS for text in check(e)]


# -- promise 1: never lost ---------------------------------------------------------------------------


def the_run_itself(e: Evidence) -> Iterator[str]:
    yield from e.problems
    if not e.acks or not any(job.state == "succeeded" for job in e.jobs.values()):
        yield "nothing was enqueued, or nothing succeeded: the run proves nothing"
    yield from (f"said twice: {line}" for line in e.twice)
    if e.integrity != "ok":
        yield f"integrity_check: {e.integrity}"


def acked_jobs_exist_and_all_are_final(e: Evidence) -> Iterator[str]:
    for key, (first, count) in e.acks.items():
        for n in range(count):
            job = e.jobs.get(first + n)
            if job is None:
                yield f"job {first + n} ({key}) was acked and is lost"
            elif job.key != f"{key}.{n}":
                yield f"job {job.id} is {job.key}, but was acked as {key}.{n}"
    yield from (f"job {job.id} is still {job.state}" for job in e.jobs.values() if job.state not in FINAL)


def every_job_was_intended_and_batches_are_whole(e: Evidence) -> Iterator[str]:
    found: dict[str, list[int]] = collections.defaultdict(list)
    for job in e.jobs.values():
        if job.schedule is not None:
            continue
        key, _, number = job.key.rpartition(".")
        found[key].append(int(number))
    for key, numbers in found.items():
        if sorted(numbers) != list(range(e.intents.get(key, 0))):
            yield f"{key}: intended were {e.intents.get(key, 0)} jobs, stored are {len(numbers)}: {sorted(numbers)}"


# -- promise 2: at least once, at most once, settled once ------------------------------------------------


def what_succeeded_ran_to_its_end(e: Evidence) -> Iterator[str]:
    for job in e.jobs.values():
        if job.state == "succeeded":
            run = next((x for x in e.executions[job.id] if x.number == job.result), None)
            if run is None or run.ended is None:
                yield f"job {job.id} succeeded in execution {job.result}, which has no end in the ledger"


def at_most_once_is_at_most_once(e: Evidence) -> Iterator[str]:
    for job in e.jobs.values():
        if job.at_most_once and len(e.executions[job.id]) > 1:
            yield f"job {job.id} runs at most once and ran {len(e.executions[job.id])} times"


def nothing_is_final_twice(e: Evidence) -> Iterator[str]:
    """The execution that counts is the last, and no other end of it is on record."""
    for job in e.jobs.values():
        rows = e.attempts[job.id]
        if job.state == "succeeded" and job.result != job.executions:
            yield f"job {job.id} has the result of execution {job.result}, but its last was {job.executions}"
        if job.state == "succeeded" and any(row.number == job.result for row in rows):
            yield f"job {job.id} succeeded in execution {job.result}, which had already ended otherwise"
        if any(x.number > job.executions for x in e.executions[job.id]):
            yield f"job {job.id} ran on after its last execution, {job.executions}"
        if sum(row.outcome == "interrupted" for row in rows) != job.interruptions:
            yield f"job {job.id}: {job.interruptions} interruptions are counted, on record are {rows}"


def only_what_we_did_goes_wrong(e: Evidence) -> Iterator[str]:
    """A death of a pool's process is the fault of one job; nothing else but our own faults may end one."""
    deaths = 0
    for row in itertools.chain(*e.attempts.values()):
        deaths += row.error == "ProcessDied"
    for job in e.jobs.values():
        if job.state == "discarded" and not _may_be_discarded(job):
            yield f"job {job.id} ({job.task}) was discarded: {job.last_error}"
        expected = {"Interrupted", "Lost", "ProcessDied"} | ({"ValueError"} if job.task in ("flaky", "rated") else set())
        for row in e.attempts[job.id]:
            if row.error not in expected:
                yield f"job {job.id} ({job.task}), execution {row.number}: {row.outcome} with {row.error}"
    if deaths > e.child_kills:
        yield f"{deaths} executions are said to have died in their process; we killed {e.child_kills}"


def _may_be_discarded(job: JobRow) -> bool:
    if SUSPECT in job.last_error:
        return True
    if job.at_most_once and job.last_error.startswith("Lost: "):
        return True
    return job.task in ("in_process", "once_in_process", "forking_in_process", "narrow_in_process") and job.last_error.startswith("ProcessDied")


# -- promise 3: a dead worker's jobs run again, a live one's never ---------------------------------------------


def only_the_dead_and_the_frozen_are_interrupted(e: Evidence) -> Iterator[str]:
    for row in itertools.chain(*e.attempts.values()):
        at = e.clock(row.at)
        if row.outcome == "interrupted" and e.killed.get(row.worker, at) >= at and not e.froze(row.worker, at) and not e.was_held_up(row.worker, at):
            yield f"job {row.job} was taken from worker {row.worker}, which was neither dead nor frozen"


def nothing_runs_twice_without_a_cause(e: Evidence) -> Iterator[str]:
    for job in e.jobs.values():
        runs = e.executions[job.id]
        if len(runs) > 1 + job.failures + job.interruptions:
            yield (
                f"job {job.id} ({job.task}) ran {len(runs)} times, with {job.failures} failures"
                f" and {job.interruptions} interruptions"
            )
        for run in runs:
            if run.ended is None and e.death(run) is None and not e.froze(run.worker, float("inf")):
                yield f"job {job.id}, execution {run.number} was cut off in {run.pid}, which nobody killed"


def no_two_runs_of_a_job_overlap(e: Evidence) -> Iterator[str]:
    for runs in e.executions.values():
        for first, second in itertools.combinations(sorted(runs, key=lambda run: run.number), 2):
            if _overlap(e, first, second):
                yield (
                    f"job {first.job}: execution {second.number} began in {second.pid} at {second.began:.3f} while"
                    f" {first.number} ran in {first.pid} ({first.began:.3f} to {first.ended or 0:.3f})"
                )


def _overlap(e: Evidence, first: Execution, second: Execution) -> bool:
    death = e.death(first)
    if death is not None and death <= second.began:
        # An orphan of the process pool has a moment to notice; longer only if it was frozen itself.
        late = first.ended is not None and first.ended > max(second.began, death + ORPHAN_SECONDS)
    else:
        late = first.ended is None or first.ended > second.began
    if not late or e.froze(first.worker, second.began) or _was_killed_for_a_cancel(e, first, second.began):
        return False
    # Its process was frozen as its worker died: it could not know, and dies when it is thawed.
    return not any(start < second.began < stop for start, stop in e.frozen[first.pid])


def _was_killed_for_a_cancel(e: Evidence, run: Execution, by: float) -> bool:
    """Its process, by its worker, before that was written down; then it was put back."""
    rows = [row for row in e.attempts[run.job] if row.number == run.number and row.outcome == "cancelled"]
    return run.ended is None and run.pid != run.worker and any(e.clock(row.at) <= by for row in rows)


# -- limits ------------------------------------------------------------------------------------------------


def never_more_at_once_than_the_limit(e: Evidence) -> Iterator[str]:
    """By the ledger. A run lasts until its end, or its process's death; a worker that was frozen beyond its lease knows of nothing."""
    runs = [run for job in e.jobs.values() if job.task.startswith("narrow") for run in e.executions[job.id]]
    lasts = {id(run): run.ended if run.ended is not None else e.death(run) for run in runs}
    for run in runs:
        beside = [
            other for other in runs
            if other.began <= run.began < (lasts[id(other)] or float("inf")) and not e.froze(other.worker, run.began)
            and not any(start < run.began < stop for start, stop in e.frozen[other.pid])
        ]  # fmt: skip
        dead = [other for other in beside if (death := e.death(other)) is not None and death <= run.began <= death + ORPHAN_SECONDS]
        if len(beside) - len(dead) > AT_ONCE:
            jobs = ", ".join(f"{other.job} since {other.began:.3f} in {other.pid}" for other in beside)
            yield f"at {run.began:.3f} ran {len(beside)} jobs of a limit of {AT_ONCE}: {jobs}"


def never_more_starts_than_the_rate(e: Evidence) -> Iterator[str]:
    """By the ledger, in which a start may stand a moment after its claim; longer where its worker was frozen."""
    runs = [run for job in e.jobs.values() if job.task == "rated" for run in e.executions[job.id]]
    starts = sorted(run.began for run in runs if not e.any_frozen(run.began - PER, run.began + 0.1))
    for first, last in zip(starts, starts[STARTS:], strict=False):
        if last - first < PER - MOMENT:
            yield f"{STARTS + 1} jobs of a rate of {STARTS} in {PER:g} s began within {last - first:.3f} s, from {first:.3f} on"


# -- promise 4: each tick fires once -----------------------------------------------------------------------


def each_tick_has_one_job(e: Evidence) -> Iterator[str]:
    made = collections.Counter((job.schedule, job.tick) for job in e.jobs.values() if job.schedule is not None)
    for (name, tick), count in made.items():
        if count > 1:
            yield f"schedule {name}, tick {tick}: {count} jobs were made"
    known = {row.job: (name, row.at) for name, rows in e.ticks.items() for row in rows if row.job is not None}
    for job in e.jobs.values():
        if job.schedule is not None and known.pop(job.id, None) != (job.schedule, job.tick):
            yield f"job {job.id} is of {job.schedule}'s tick {job.tick}, which does not know it"
        for run in e.executions[job.id]:
            if run.tick != job.tick:
                yield f"job {job.id} is for tick {job.tick}, but was told {run.tick}"
    yield from (f"schedule {name}, tick {tick}: its job {job} is gone" for job, (name, tick) in known.items())


def no_tick_is_missing(e: Evidence) -> Iterator[str]:
    """From the first to the next one each has a row; and where all are made up for, a job."""
    for name, (period, options) in SCHEDULES.items():
        rows = e.ticks[name]
        if not rows:
            yield f"schedule {name} never fired: the run proves nothing"
            continue
        for row, following in zip(rows, [*(row.at for row in rows[1:]), e.next_ticks[name]], strict=True):
            if following != (row.through or row.at) + period:
                yield f"schedule {name}: after tick {row.at} comes {following}, which is not {period} us later"
            if options.get("catch_up") == "all" and row.job is None:
                yield f"schedule {name}, tick {row.at}: {row.outcome}, though all are to be made up for"


CHECKS: Final[tuple[Callable[[Evidence], Iterator[str]], ...]] = (
    the_run_itself,
    acked_jobs_exist_and_all_are_final,
    every_job_was_intended_and_batches_are_whole,
    what_succeeded_ran_to_its_end,
    at_most_once_is_at_most_once,
    nothing_is_final_twice,
    only_what_we_did_goes_wrong,
    only_the_dead_and_the_frozen_are_interrupted,
    nothing_runs_twice_without_a_cause,
    no_two_runs_of_a_job_overlap,
    never_more_at_once_than_the_limit,
    never_more_starts_than_the_rate,
    each_tick_has_one_job,
    no_tick_is_missing,
    lambda e: flow_judge.violations(e.folder),
)


# -- figures ---------------------------------------------------------------------------------------------


def recoveries(e: Evidence) -> tuple[list[float], list[float]]:
    """Seconds from a worker's kill to the rescue of its jobs, and to their running again elsewhere.

    Only where another worker was up for a second from the kill on, and nothing was frozen: what is
    frozen may hold the write lock.
    """
    rescued: list[float] = []
    again: list[float] = []
    for worker, killed in e.killed.items():
        peers = [p for p in e.up if p != worker]
        if worker not in e.up or e.any_frozen(killed - 1.0, killed + 1.0):
            continue
        if not any(e.was_well(peer, killed - STARTUP_SECONDS, killed + 1.0) for peer in peers):
            continue
        for row in itertools.chain(*e.attempts.values()):
            if row.worker == worker and row.outcome == "interrupted" and e.clock(row.at) >= killed:
                rescued.append(e.clock(row.at) - killed)
        for runs in e.executions.values():
            for run in runs:
                if run.worker == worker and run.ended is None and run.began <= killed and e.death(run) == killed:
                    later = [x.began for x in runs if x.number > run.number and x.worker != worker]
                    again += [min(later) - killed] if later else []
    return sorted(rescued), sorted(again)


def suspects(e: Evidence) -> int:
    """Jobs that were discarded as the likely killers of three workers; all of them innocent."""
    return sum(job.state == "discarded" and SUSPECT in job.last_error for job in e.jobs.values())


def orphan_overruns(e: Evidence) -> int:
    """Executions in a pool's process that wrote their end after their worker had been killed."""
    return sum(
        run.ended is not None and (death := e.death(run)) is not None and run.ended > death
        for run in itertools.chain(*e.executions.values())
    )
