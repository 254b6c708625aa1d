"""The panels of one job's page: its errors, what it printed, its call, how far it is, its facts, who it waits for.

Owns each of them; which stands where is ``job``'s. Each is None where there is nothing to be shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ...base.records import AttemptInfo, JobInfo, StepInfo
from ...base.stored import shown
from ...store.pages.parts import Related
from ...store.pages.records import Frame, JobPage
from ...store.rules import waits_for_ever
from .. import code, words
from ..addresses import named, to
from ..charts import life, small, spread
from ..html import Child, Markup, el, join, value
from ..messages import Request
from ..values import (
    command,
    facts,
    head,
    link,
    moment,
    panel,
    search_link,
    strip,
    table,
)
from . import rows

MOST_ERRORS: Final = 20  # attempts whose errors are shown, the last
MOST_STEPS: Final = 200


class Parts:
    """Of one page; ``job`` is the masked one."""

    def __init__(self, view: JobPage, job: JobInfo, frame: Frame, request: Request) -> None:
        self._view, self._job, self._frame, self._request = view, job, frame, request

    # -- what happened ----------------------------------------------------------------------------------

    def errors(self) -> Markup | None:
        """The last one, and those before it below, each to be opened."""
        found = self._job.attempts[-MOST_ERRORS:]
        if not found:
            return None
        last = found[-1]
        earlier = [el("details", el("summary", f"Attempt {each.attempt}, {each.outcome}", _when(each, self._frame)), _error(each)) for each in reversed(found[:-1])]
        return panel("Error", _error(last), earlier, note=(f"attempt {last.attempt}", _when(last, self._frame)), live="error")

    def output(self) -> Markup | None:
        view = self._view
        if not view.output:
            return None
        text, count, is_cut = code.output(view.output)
        most = "the last " if is_cut or view.output_before else ""
        note = f"attempt {view.output_attempt}, {most}{min(count, code.MOST_LINES):,} line{'' if count == 1 else 's'}"
        whole = link("whole text", to(self._request, "jobs", self._job.id, "log.txt"), class_="link small")
        return panel("Log", el("pre", text, class_="log wrap", tabindex=0, aria_label="What it printed"), note=note, right=whole, live="log")

    def run_times(self) -> Markup | None:
        found = self._view.run_times
        if found is None or not found.total:
            return None
        last = self._view.lanes[-1] if self._view.lanes else None
        took = None if last is None else life.ran(last, self._frame.now)
        drawn = spread.histogram(found, took, "Run times", is_bad=self._job.state == "discarded")
        middle = None
        if found.spread is not None:
            middle = el("span", "median ", el("b", words.took(found.spread.median)), ", 95 % within ", el("b", words.took(found.spread.p95)), class_="small muted")
        return panel(f"How long {self._job.task} runs", drawn, note=f"{words.attempts(found.total)} in {words.age(found.seconds)}", right=middle, shown=("How long ", value(self._job.task, 60), " runs"), live="times")

    def steps(self) -> Markup | None:
        found = self._view.steps[-MOST_STEPS:]
        if not found:
            return None
        lines = (
            el(
                "tr",
                el("th", el("span", value(step.name, 80), class_="clip"), el("span", self._step(step), class_="sub"), scope="row", class_="grow"),
                el("td", step.attempt, class_="num muted opt"),
                el("td", moment(step.at, self._frame.now), class_="num muted"),
                class_="two",
            )
            for step in found
        )
        return panel("Steps", table(head(("Step", "grow"), ("Attempt", "num opt"), ("When", "num")), lines), note="done once, and not again by a retry", live="steps")

    def _step(self, step: StepInfo) -> Markup:
        if step.value is not None:
            return join(el("span", value(shown(step.value), 120), class_="mono"), (" of the event ", value(step.event, 60)) if step.event else None)
        until = None if step.until is None or waits_for_ever(step.until) else (" until ", moment(step.until, self._frame.now, form="clock"))
        verb = "waits" if self._job.finished_at is None else "waited"
        return join(verb, (" for the event ", value(step.event, 60)) if step.event else None, until)

    # -- what it is -------------------------------------------------------------------------------------

    def arguments(self) -> Markup:
        job = self._job
        texts = [text for text, none in ((job.args, "[]"), (job.kwargs, "{}")) if text != none]
        if not texts:
            return panel("Arguments", el("p", "It was called without any.", class_="empty"))
        whole = link("whole text", to(self._request, "jobs", job.id, "args.txt"), class_="link small")
        return panel("Arguments", (_json(text) for text in texts), right=whole)

    def result(self) -> Markup | None:
        if self._job.result is None:
            return None
        whole = link("whole text", to(self._request, "jobs", self._job.id, "result.txt"), class_="link small")
        return panel("Result", _json(self._job.result), right=whole, live="result")

    def progress(self) -> Markup | None:
        progress, meta = self._view.progress, self._view.meta
        if progress is None and meta is None:
            return None
        bar: Child = None
        if progress is not None:
            of = f"{progress.done:,.10g}" if progress.total is None else f"{progress.done:,.10g} of {progress.total:,.10g}"
            left = "" if progress.left is None or self._job.finished_at is not None else f", {words.age(progress.left)} left"
            meter = None if progress.share is None else small.meter(progress.share, 1, f"{words.percent(progress.share)} done", "wide")
            bar = el("div", meter, el("p", f"{of}{left}", (": ", value(progress.note, 200)) if progress.note else None), class_="prog")
        return panel("Progress", bar, None if meta is None else _json(meta), live="progress")

    def facts(self) -> Markup:
        job, now = self._job, self._frame.now
        body = facts(
            ("Queue", (link(value(job.queue), to(self._request, "queues", job.queue)), f", priority {job.priority}")),
            ("Task", link(value(job.task), to(self._request, "tasks", job.task))),
            ("Pool", value(job.pool)),
            ("Created", (moment(job.created_at, now, form="clock"), " · ", moment(job.created_at, now))),
            ("Waited", self._each(life.waited)),
            ("Ran", self._each(life.ran)),
            ("Attempts", _attempts(job)),
            ("Timeout", None if job.timeout is None else f"{words.age(job.timeout)} an attempt"),
            ("Used", _used(job)),
            ("Runs", "at most once" if job.at_most_once else None),
            ("Cancel asked", moment(job.cancel_requested_at, now, form="clock")),
            ("Expires", moment(job.expires_at, now, form="clock")),
            ("Kept until", moment(self._view.kept_until, now, form="day")),
            ("Schedule", self._schedule()),
            ("Workflow", None if self._view.flow is None else link(f"flow {self._view.flow:,}", to(self._request, "flows", self._view.flow))),
            ("Key", None if job.unique_key is None else value(job.unique_key, 200)),
            ("Limit", None if job.limit_key is None else value(job.limit_key)),
            ("Tags", [part for tag in job.tags for part in (", ", search_link(self._request, value(tag), named("tag", tag)))][1:]),
            ("Headers", None if job.headers is None else el("span", value(shown(job.headers), 400), class_="mono")),
        )
        return panel("Facts", body, self._commands(), live="facts")

    def _each(self, measured: object) -> str | None:
        """Of each attempt, up to three."""
        assert callable(measured)
        found = [measured(lane, self._frame.now) for lane in self._view.lanes]
        known = [seconds for seconds in found if seconds is not None]
        if len(known) > 3:
            return f"{words.took(sum(known))} in {len(known):,} attempts"
        return words.listed([words.took(seconds) for seconds in known]) or None

    def _schedule(self) -> Child:
        job = self._job
        if job.schedule is None:
            return el("span", "none", class_="faint")
        tick = None if job.scheduled_for is None else (", tick of ", moment(job.scheduled_for, self._frame.now, form="clock"))
        return (link(value(job.schedule), to(self._request, "schedules", job.schedule)), tick)

    def _commands(self) -> list[Markup]:
        """What one would type: where one may act there are buttons at the top as well."""
        verb = "retry" if self._job.finished_at is not None else "cancel"
        return [strip(command(self._frame, verb, str(self._job.id)), "run it again" if verb == "retry" else "cancel it")]

    # -- the others -------------------------------------------------------------------------------------

    def links(self) -> Markup | None:
        view = self._view
        if not view.parents and not view.dependants:
            return None
        return panel("Waits for, and is waited for", _few("It waited for", view.parents, view.parent_count, self), _few("For it wait", view.dependants, view.dependant_count, self), live="links")

    def related(self, found: Sequence[Related]) -> Markup:
        return rows.related(found, self._request, self._frame.now, has_task=True)

    def same_task(self) -> Markup | None:
        if not self._view.same_task:
            return None
        every = search_link(self._request, "all of them", named("task", self._job.task), class_="link small")
        return panel("Same task", rows.related(self._view.same_task, self._request, self._frame.now), right=every, live="same")


def _few(title: str, found: Sequence[Related], count: int, parts: Parts) -> Markup | None:
    if not found:
        return None
    more = f", {len(found)} of {count:,}" if count > len(found) else ""
    return join(el("p", f"{title}{more}", class_="under"), parts.related(found))


def _when(attempt: AttemptInfo, frame: Frame) -> Markup:
    return Markup() if attempt.finished_at is None else join(", ", moment(attempt.finished_at, frame.now, form="clock"))


def _error(attempt: AttemptInfo) -> Markup:
    text = attempt.traceback or f"{attempt.error_type}: {attempt.error_message}"
    short, is_short = code.traceback(text)
    whole = el("details", el("summary", "Show every frame"), el("pre", text, class_="code tb", tabindex=0, aria_label="The whole traceback")) if is_short else None
    return join(el("pre", short, class_="code tb", tabindex=0, aria_label=f"Traceback of attempt {attempt.attempt}"), whole)


def _json(text: str) -> Markup:
    shown_, is_cut = code.json_code(text)
    return join(el("pre", shown_, class_="code wrap", tabindex=0), el("p", f"Cut after {code.MOST_JSON:,} characters.", class_="empty") if is_cut else None)


def _attempts(job: JobInfo) -> str:
    most = "" if job.max_attempts is None else f" of at most {job.max_attempts}"
    if not job.attempt:
        return f"none yet{most}"
    all_failed = job.failures == job.attempt
    text = f"{job.attempt} failed{most}" if all_failed else f"{job.attempt}{most}" + (f", {job.failures} failed" if job.failures else "")
    return text + (f", {job.interruptions} interrupted" if job.interruptions else "")


def _used(job: JobInfo) -> str | None:
    said = [f"{words.took(job.cpu_seconds)} of CPU"] if job.cpu_seconds is not None else []
    said += [f"peak {words.size(job.max_rss_bytes)}"] if job.max_rss_bytes else []
    return ", ".join(said) or None
