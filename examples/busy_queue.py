"""A lively queue to look at: ten tasks, failures, retries, limits, schedules, workflows, a queue that is paused.

    python examples/busy_queue.py [FILE] [--seconds 20] [--history HOURS]
"""

import argparse
import asyncio
import logging
import math
import random
import tempfile
import time
from collections import Counter

from litequeue import JobCancelled, LiteQueue, current_job, group


class ShiftedClock:  # for the history: its minutes pass in moments
    ahead = 0.0
    now = lambda self: int((time.time() + self.ahead) * 1_000_000)
    monotonic = staticmethod(time.monotonic)


app = LiteQueue(clock=(clock := ShiftedClock()))
app.limit("bank", max_running=2, rate="8/s")
log = logging.getLogger("shop")
logging.basicConfig(level="INFO", handlers=[logging.NullHandler()])  # nothing here; what tasks log is kept with their jobs


def chance(*what):
    """For one attempt at this; the same whenever this script runs."""
    return random.Random(f"{what} {current_job().attempt}")


@app.task(name="images.thumbnail", queue="images", retries=2, timeout=30, secret="api_key", tags=["catalogue"])
def thumbnail(path, cdn, api_key):
    time.sleep(chance(path).lognormvariate(-4, 1))
    if chance(path, cdn).random() < {"cdn-1": 0.02, "cdn-2": 0.6}[cdn]:
        raise TimeoutError(f"{cdn}.example: read timed out")
    return f"/thumbs/{path}"


@app.task(name="films.encode", queue="images", max_running=2)  # others wait, and take no slot
def encode(film, frames):
    print("encoding", film)
    for frame in current_job().track(range(frames), note="frames"):
        if current_job().cancelled:
            raise JobCancelled
        time.sleep(0.1)
        if frame % 5 == 4:
            log.info("%d of %d frames of %s", frame + 1, frames, film)


class CardDeclined(Exception):
    pass


@app.task(name="shop.charge", limit="bank", secret="card", retries=2, backoff="5m", give_up_on=CardDeclined)
def charge(order, card):
    time.sleep(chance(order).lognormvariate(-3.5, 0.5))
    if (luck := chance(order, "bank").random()) < 0.1:
        raise CardDeclined("insufficient_funds" if luck < 0.07 else "expired_card")
    if luck < 0.2:
        raise ConnectionError("the bank does not answer")
    return f"receipt {order}"


@app.task(name="mail.send", queue="mail", priority=5)
def send(text):
    time.sleep(0.01)


@app.task(name="search.reindex", unique=True)  # while one waits or runs, another of the same product is that one
def reindex(product):
    time.sleep(0.2)


@app.task(name="feeds.refresh")
async def refresh(feeds):
    await asyncio.gather(*(asyncio.sleep(0.2 / (n + 1)) for n in range(feeds)))


@app.cron("*/5 * * * *", name="stock-sync")
@app.task(name="stock.sync")
def sync():
    if app.schedules.get(current_job().schedule).ticks % 4 == 2:
        raise ConnectionError("the warehouse does not answer")


@app.cron("30 2 * * *", timezone="Europe/Berlin", name="nightly-backup")
@app.task(name="backup.run", retries=3, timeout="1h")
def backup():
    return f"shop-{current_job().scheduled_for:%Y-%m-%d}.copy"


@app.task(name="report.count", queue="reports")
def count(shop, till="works"):
    if till == "broken":
        raise ValueError(f"the till of {shop} has no figures")
    return len(shop) * 1000


@app.task(name="report.build", queue="reports", pool="process")
def build(figures):
    return f"{sum(figures) + math.isqrt(sum(range(3_000_000)))} in all"


def come_in(rng, many, trouble):
    """What comes in at one moment: often nothing, then a lot at once."""
    for _ in range(int(rng.expovariate(1 / many))):
        n, kind = rng.randrange(1000), rng.choices("tcsrf", (40, 20, 20, 15, 5))[0]
        if kind == "t":
            thumbnail.delay(f"IMG_{n:04}.jpg", "cdn-2" if rng.random() < trouble else "cdn-1", api_key="key-of-the-cdn")
        elif kind == "c":
            vip = {"priority": 10, "tags": ["vip"]} if n % 5 == 0 else {}
            charge.apply_async((n, "4000 0012 3456 7899"), headers={"request": f"r-{n}"}, on_success=send, **vip)
        elif kind == "s":
            send.apply_async((f"news {n}",), expires="1s" if n % 3 == 0 else None, countdown=60 * n if n % 3 == 1 else None)
        elif kind == "r":
            reindex.delay(n % 10)
        else:
            refresh.delay(n % 7 + 2)


def run(seconds, rng):
    app.resume("mail")
    app.schedules.add("refresh-feeds", refresh, every="3s", args=(4,), replace=True)
    app.schedules.add("watch-stock", sync, every="1s", replace=True)
    app.schedules.add("month-report", build, cron="0 9 1 * *", args=([],), paused=True, replace=True)
    began, moments = time.monotonic(), round(seconds * 10)
    with app.worker(threads=8, processes=1, async_=10, name="shop"):
        for moment in range(moments):
            come_in(rng, 1 + math.sin(moment / 12), trouble=0.2)
            if moment % 40 == 0:
                films = [encode.delay(f"film-{moment + n}.mp4", frames=25) for n in range(6)]
            if moment % 40 == 10:
                films[0].cancel()  # which runs,
                films[5].cancel()  # and which waits
            if moment % max(moments // 3, 1) == 0:
                till = "broken" if moments // 4 < moment < moments // 2 else "works"
                steps = group(count.s("Bern"), count.s("Lugano", till), count.s("Zug")) | build.s() | send.s()
                print(f"flow {steps.delay().id}: the till of Lugano {'is ' * (till == 'broken')}{till}")
            if moment == moments // 2:
                app.pause("mail")
                print("mail is paused")
                send.apply_async(("only today",), expires=0.5)
            time.sleep(max(0, began + (moment + 1) / 10 - time.monotonic()))


def remember(hours, rng):
    """The hours before now, minute by minute, under a clock that is set back: made as all else is, only faster."""
    this_minute = time.time() // 60
    for minute in range(-round(hours * 60), 0):
        clock.ahead = (this_minute + minute) * 60 - time.time()
        come_in(rng, 6 - 4 * math.sin(minute / 40), trouble=0.9 if 185 < minute % 240 < 205 else 0.1)
        with app.worker(threads=8, processes=0, burst=True, name="shop") as worker:
            worker.join()
    clock.ahead = 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="default: one in a temporary folder")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--history", type=float, default=0, metavar="HOURS", help="made first, at about ten seconds each")
    given = parser.parse_args()
    app.bind(given.file or f"{tempfile.mkdtemp()}/busy.sqlite")
    rng = random.Random(7)
    print(f"meanwhile, in another terminal: python -m litequeue web {app.path}", flush=True)
    remember(given.history, rng)
    run(given.seconds, rng)
    print(f"jobs by state: {app.stats().states}")
    for error, times in Counter(job.last_error for job in app.jobs(state="discarded", limit=500)).most_common():
        print(f"{times} discarded: {error}")
    print("busy_queue: done")
