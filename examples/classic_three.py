"""The three jobs of every server's crontab, and a month of them under a shifted clock.

    python examples/classic_three.py
"""

import sqlite3
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

from litequeue import LiteQueue, current_job

BERLIN, folder = ZoneInfo("Europe/Berlin"), Path(mkdtemp())


class ShiftedClock:  # for trying schedules out
    ahead = 0.0
    now = lambda self: int((time.time() + self.ahead) * 1_000_000)
    monotonic = staticmethod(time.monotonic)


app = LiteQueue(folder / "queue.sqlite", clock=(clock := ShiftedClock()))


@app.cron("0 3 * * *", timezone="Europe/Berlin")
@app.task(retries=3, timeout=3600)
def backup_database():
    target = folder / f"{current_job().scheduled_for:%Y-%m-%d}.copy"
    with closing(sqlite3.connect(folder / "shop.sqlite")) as shop, closing(sqlite3.connect(target)) as copy:
        shop.backup(copy)


@app.cron("0 9 1 * *", timezone="Europe/Berlin")
@app.task
def monthly_report():
    (folder / "report.txt").write_text(f"{len(list(folder.glob('*.copy')))} backups are there")


@app.cron("0 23 * * sun", timezone="Europe/Berlin")
@app.task
def weekly_clean_up():
    for old in sorted(folder.glob("*.copy"))[:-7]:
        old.unlink()


if __name__ == "__main__":
    coming = datetime(2026, 3, 15, 12, 0, tzinfo=BERLIN)  # the clocks go forward on the 29th
    while coming < datetime(2026, 4, 15, 12, 0, tzinfo=BERLIN):
        clock.ahead = coming.timestamp() - time.time()
        with app.worker(threads=2, processes=0, burst=True) as worker:
            worker.join(10)
        coming = min(schedule.next_tick for schedule in app.schedules.list())
    for schedule in app.schedules.list():
        print(f"{schedule.name}: {schedule.trigger}, {schedule.ticks} times")
        for tick in app.schedules.ticks(schedule.name, limit=3):
            print(f"    {tick.at.astimezone(BERLIN):%a %d %b %H:%M %Z} {tick.outcome}, job {tick.job_state}")
    print("classic_three: done")
