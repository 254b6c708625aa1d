"""The verdict on the workflows of a chaos run.

Who should have run, and been given what, is judged by what was drawn, and by what became of each call.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from litequeue import JobCancelled, JobFailed, LiteQueue

from .flow_evidence import FlowJob, Flows, Source, all_calls, root_of, waits
from .flows import NOTHING, calls_in, in_place_of, value

FINAL: Final = ("succeeded", "discarded", "cancelled")
SUSPECT: Final = "likely cause"  # as in the judgement of plain jobs


def summary(folder: Path) -> str:
    flows = Flows(folder)
    states = collections.Counter(job.state for job in flows.jobs.values())
    tasks = collections.Counter(job.task for job in flows.jobs.values())
    return (
        f"workflows: {len(flows.drawn)} and {len(flows.begun)} batches, {len(flows.put_back)} put back, {len(flows.cancelled)} cancelled; "
        f"{', '.join(f'{count} {what}' for what, count in sorted(states.items()))}; "
        f"{tasks['called']} callbacks, {tasks['replacing']} replaced, {len(flows.effects)} steps done; "
        f"{sum(outcomes.count('interrupted') for job, outcomes in flows.attempts.items() if job in flows.jobs)} interruptions"
    )


# -- the checks ---------------------------------------------------------------------------------------------------


def violations(folder: Path) -> Iterator[str]:
    flows = Flows(folder)
    if not flows.drawn or not any(job.state == "succeeded" for job in flows.jobs.values()):
        yield "there was no workflow: the run proves nothing"
    yield from flows.broken
    if flows.inbox:
        yield f"{flows.inbox} jobs have ended, and nobody was told"
    yield from (f"job {job.id} ({job.key}) is still {job.state}" for job in flows.jobs.values() if job.state not in FINAL)
    for check in (_whole, _ran, _steps, _callbacks, _batches, _handles):
        yield from check(flows)


def _whole(flows: Flows) -> Iterator[str]:
    """All of a workflow is there, or nothing."""
    for key, drawn in flows.drawn.items():
        there = {call[1]: len(flows.by_key.get(call[1], ())) for call in calls_in(drawn["spec"])}
        if set(there.values()) not in ({1}, {0}) or key in flows.acked and 0 in there.values():
            yield f"workflow {key} has so many jobs of each call: {there}"
    known = {call[1] for _, call, _ in all_calls(flows)}
    for key, jobs in flows.by_key.items():
        if key not in known and ".m" not in key:
            yield f"job {jobs[0].id} ({key}) is of no workflow"
        if len(jobs) > 1 and key in known:
            yield f"{key} is there {len(jobs)} times: {[job.id for job in jobs]}"


def _ran(flows: Flows) -> Iterator[str]:
    for key, (_, own, kind, flags), source in all_calls(flows):
        job = flows.job(own)
        if job is None:
            continue
        good, again = source is None or flows.is_good(source), flows.was_put_back(key) or flows.was_touched(key)
        if kind != "durable" and not again and job.executions > (1 if kind == "once" else 1 + len(flows.attempts[job.id])):
            yield f"job {job.id} ({own}) ran {job.executions} times, and ended before as {flows.attempts[job.id]}"
        ran = job.state in ("succeeded", "discarded")
        if ran and not good and "run" not in flags:
            yield f"job {job.id} ({own}) ran, though {source} did not succeed"
        if not ran and (good or "run" in flags) and not flows.was_touched(key) and not _gave_its_place(flows, job, kind):
            yield f"job {job.id} ({own}) is {job.state}, though it should have run: {job.error}"
        if job.state == "discarded" and not _may_be_discarded(job):
            yield f"job {job.id} ({own}, {kind}) was discarded: {job.error}"
        if job.state == "succeeded":
            yield from _result(flows, key, job, kind, source, lenient="run" in flags)


def _gave_its_place(flows: Flows, job: FlowJob, kind: str) -> bool:
    """To others, which did not succeed."""
    return kind == "replacing" and flows.job(f"{job.key}.re") is not None and not flows.is_good(waits(in_place_of(job.key), None, []))


def _may_be_discarded(job: FlowJob) -> bool:
    expected = {"bad": "ValueError", "once bad": "ValueError", "process": "ProcessDied", "once": "Lost: "}
    return SUSPECT in job.error or job.kind in expected and job.error.startswith(expected[job.kind])


def _result(flows: Flows, key: str, job: FlowJob, kind: str, source: Source | None, *, lenient: bool) -> Iterator[str]:
    if kind == "replacing":
        if job.result != flows.value(waits(in_place_of(job.key), None, [])):
            yield f"job {job.id} ({job.key}) came to {job.result!r}, and what took its place to something else"
        return
    if source is None or source.how == "after":
        right = {value(job.key, NOTHING)}
    elif not lenient:
        right = {value(job.key, flows.value(source))}
    else:  # it may have run before what it waits for was put back
        several = source.parts if source.how == "list" else (source,)
        choices = itertools.product(*[(flows.value(part), None) for part in several])
        right = {value(job.key, list(given) if source.how == "list" else given[0]) for given in choices}
    if job.result not in right:
        yield f"job {job.id} ({job.key}) of {key} came to {job.result!r}, which is none of {right}: it was given {job.inputs!r}"


def _steps(flows: Flows) -> Iterator[str]:
    """What was stored is done by no later attempt, and by none twice."""
    for (job, attempt, name), count in collections.Counter(flows.effects).items():
        if count > 1:
            yield f"job {job}: step {name} was done {count} times in attempt {attempt}"
        if attempt > flows.stored.get((job, name), attempt):
            yield f"job {job}: step {name} was stored in attempt {flows.stored[job, name]}, and done again in {attempt}"
    done = {(job, attempt, name) for job, attempt, name in flows.effects}
    for (job, name), attempt in flows.stored.items():
        if job in flows.jobs and name in ("first", "second", "third") and (job, attempt, name) not in done:
            yield f"job {job}: step {name} is stored of attempt {attempt}, which has not done it"
    for found in flows.jobs.values():
        if found.kind == "durable" and found.state == "succeeded":
            missing = {"first", "second", "third"} - {name for at, name in flows.stored if at == found.id}
            if missing:
                yield f"job {found.id} succeeded without {missing}"


def _callbacks(flows: Flows) -> Iterator[str]:
    """One for each end."""
    for key, (_, own, _, flags), _ in all_calls(flows):
        if "called" not in flags or (job := flows.job(own)) is None:
            continue
        good, bad = flows.callbacks.pop((own, "success"), []), flows.callbacks.pop((own, "failure"), [])
        if len(good) != (job.state == "succeeded"):
            yield f"job {job.id} ({own}) is {job.state}, and has {len(good)} callbacks of success"
        ends = _failures(flows, job)
        unsure = flows.was_touched(key) or job.kind == "durable"  # its steps acquit it
        if not (int(job.state == "discarded") <= len(bad) <= ends) or len(bad) != ends and not unsure:
            yield f"job {job.id} ({own}) is {job.state}, ended badly {ends} times, and has {len(bad)} callbacks of failure"
        for callback in (*good, *bad):
            if flows.edges[callback.id] != [job.id]:
                yield f"callback {callback.id} of job {job.id} belongs to {flows.edges[callback.id]}"
            right = callback.inputs == job.result if callback in good else isinstance(callback.inputs, dict) and callback.inputs["id"] == job.id
            if not right:
                yield f"callback {callback.id} of job {job.id} was given {callback.inputs!r}"
            if callback.state != "succeeded" and SUSPECT not in callback.error:
                yield f"callback {callback.id} of job {job.id} is {callback.state}: {callback.error}"
    for (key, when), jobs in flows.callbacks.items():
        if key not in flows.batches:
            yield f"job {jobs[0].id} is called at the {when} of {key}, which is not there"


def _failures(flows: Flows, job: FlowJob) -> int:
    """How often it was discarded, by the record of its attempts: every failure but those that are retried, and each third worker that died."""
    ends, interruptions, failures = 0, 0, 0
    for outcome in flows.attempts[job.id]:
        failures += outcome == "failed"
        interruptions += outcome == "interrupted"
        if outcome == "discarded" or outcome == "failed" and (job.kind != "flaky" or failures > 4) or interruptions == (1 if job.kind == "once" else 3):
            ends, interruptions, failures = ends + 1, 0, 0
    return ends


# A worker looks at the clock before its turn, and may be held up, or frozen, before that comes.
SLACK: Final = 30 * 1_000_000


def _batches(flows: Flows) -> Iterator[str]:
    for key, flow in flows.begun.items():
        members = flows.edges[flows.ends[flow]]
        whole = {*members, *(parent for job in members for parent in flows.edges[job])}  # a group is one by its end
        missing = [job.id for job in _to_be_members(flows, key) if job.id not in whole]
        if missing:
            yield f"batch {key} lacks {missing}"
        good, touched = all(flows.jobs[job].state == "succeeded" for job in members), flows.was_touched(key)
        if (flows.jobs[flows.ends[flow]].state == "succeeded") != good and not touched:
            yield f"batch {key} is {flows.jobs[flows.ends[flow]].state}, of members that are {[flows.jobs[job].state for job in members]}"
        end, last = flows.jobs[flows.ends[flow]].finished_at, max((flows.jobs[job].finished_at or 0 for job in members), default=0)
        if good and not touched and not any(flows.was_put_back(flows.jobs[job].key) for job in members) and (end or 0) < last - SLACK:
            yield f"batch {key} ended at {end}, and its last member at {last}"
        for when in flows.batches[key]:
            rows = flows.callbacks.get((key, when), [])
            if len(rows) != 1 or flows.edges[rows[0].id] != members:
                yield f"batch {key} has {len(rows)} jobs for its {when}, or one that does not wait for all {len(members)} members"
                continue
            (job,) = rows
            ran = job.state != "cancelled"
            wanted = {"success": good, "failure": not good, "end": True}[when]
            was_bad = when == "failure" and flows.was_put_back(key)
            if ran != wanted and not (wanted and touched) and not was_bad:
                yield f"batch {key}: its {when} is {job.state}, and its members are {[flows.jobs[job].state for job in members]}"
            if job.state == "discarded" and SUSPECT not in job.error:
                yield f"batch {key}: its {when} is discarded: {job.error}"
            calls = sum(made[0] == job.id for made in flows.calls_made)
            if calls > job.executions or job.state == "succeeded" and not calls:
                yield f"batch {key}: its {when} was called {calls} times, in {job.executions} executions"


def _to_be_members(flows: Flows, batch: str) -> Iterator[FlowJob]:
    """Of what was enqueued in its block, the ends; and all that its members added."""
    for key, jobs in flows.by_key.items():
        if key.startswith(f"{batch}.m") and key.count(".") == batch.count(".") + 2 and key.rpartition(".")[0] in flows.members:
            yield from jobs
    for key in flows.members:
        if key.startswith(f"{batch}.m"):
            yield from flows.by_key[key]
    for key, drawn in flows.drawn.items():
        if key.startswith(f"{batch}.m"):
            yield from (job for call in calls_in(drawn["spec"]) for job in flows.by_key.get(call[1], ()))


def _handles(flows: Flows) -> Iterator[str]:
    """What people see by the workflow's id."""
    with LiteQueue(flows.folder / "chaos.sqlite") as app:
        for key, number in flows.acked.items():
            flow, root = app.flow(number), root_of(flows, key)
            if not flow.done():
                yield f"workflow {key} is not done: {flow.progress()}"
                continue
            try:
                found: Any = flow.get(timeout=0)
                bad = not flows.is_good(root) or found != flows.value(root)
            except (JobFailed, JobCancelled) as error:
                found, bad = error, flows.is_good(root) and not flows.was_touched(key)
            if bad:
                yield f"workflow {key} comes to {found!r}, and its last calls to {flows.value(root)!r}"
