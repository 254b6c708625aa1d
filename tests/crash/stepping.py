"""A flow of 200 jobs with steps, each of which leaves a line in a file right before it is stored; importable by workers."""

from __future__ import annotations

import asyncio
import time

from litequeue import LiteQueue, chain, chord, current_job
from litequeue.workflow.shapes import Shape

from ..sample import note

app = LiteQueue("unbound.sqlite")

PAUSE = 0.002  # seconds before the line, and between it and the store: where a kill is to fall
STEPS = ("a", "b", "c")
CHAINS, WIDE, LONG = 40, 50, 28
JOBS = 3 * CHAINS + 1 + WIDE + 1 + LONG


def effect(ledger: str, step: str, value: int) -> int:
    time.sleep(PAUSE)
    note(ledger, f"{current_job().id} {step}")
    time.sleep(PAUSE)
    return value + 1


async def effect_in_a_coroutine(ledger: str, step: str, value: int) -> int:
    await asyncio.sleep(PAUSE)
    note(ledger, f"{current_job().id} {step}")
    await asyncio.sleep(PAUSE)
    return value + 1


@app.task(retries=1, backoff=0)
def work(value: int, ledger: str) -> int:
    """Three steps; every seventh job sleeps between two of them, and every ninth fails after the first at its first attempt."""
    job = current_job()
    value = job.step("a", effect, ledger, "a", value)
    if job.id % 9 == 0 and job.attempt == 1:
        raise ValueError("the first time")
    value = job.step("b", effect, ledger, "b", value)
    if job.id % 7 == 0:
        job.sleep(0.01)
    return job.step("c", effect, ledger, "c", value)


@app.task
async def work_in_a_coroutine(value: int, ledger: str) -> int:
    job = current_job()
    for step in STEPS:
        value = await job.step(step, effect_in_a_coroutine, ledger, step, value)
    return value


@app.task
def total(values: list[int], ledger: str) -> int:
    job = current_job()
    value = sum(values)
    for step in STEPS:
        value = job.step(step, effect, ledger, step, value)
    return value


def flow_of(ledger: str) -> Shape:
    """Chains that come together, a job for each of many that come together again, and a long chain."""
    chains = [chain(work.s(n, ledger), work_in_a_coroutine.s(ledger), work.s(ledger)) for n in range(CHAINS)]
    wide = [(work, work_in_a_coroutine)[n % 2].s(ledger) for n in range(WIDE)]
    long = [work.s(ledger) for _ in range(LONG)]
    return chain(chord(chains, total.s(ledger)), chord(wide, total.s(ledger)), *long)


def expected() -> int:
    """What the flow comes to: each job adds 3."""
    first = sum(n + 9 for n in range(CHAINS)) + 3
    return WIDE * (first + 3) + 3 + 3 * LONG
