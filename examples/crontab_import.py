"""A crontab that moves in: what each line becomes, a morning of it under a shifted clock, and the crontab back again.

    python examples/crontab_import.py
"""

import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from litequeue import LiteQueue

BERLIN = ZoneInfo("Europe/Berlin")
CRONTAB = """\
MAILTO=ops@example.org
CRON_TZ=Europe/Berlin

# rotate-logs
5 0 * * *     echo rotating
# every quarter of an hour, in office hours
*/15 9-17 * * mon-fri   echo "still there"
@weekly       echo cleaning up
30 2 * * *    cat%what stands behind a percent sign%is the command's input
"""


def litequeue(*words, text=None):
    subprocess.run([sys.executable, "-m", "litequeue", *words], input=text, text=True, check=True)


class ShiftedClock:  # for trying schedules out
    ahead = 0.0
    now = lambda self: int((time.time() + self.ahead) * 1_000_000)
    monotonic = staticmethod(time.monotonic)


if __name__ == "__main__":
    db = str(Path(tempfile.mkdtemp()) / "db.sqlite")
    litequeue("cron", "import", db, "-", "--dry-run", text=CRONTAB)
    litequeue("cron", "import", db, "-", text=CRONTAB)
    clock = ShiftedClock()
    app = LiteQueue(db, clock=clock)
    coming = datetime(2030, 6, 3, 0, 0, tzinfo=BERLIN)  # a Monday
    clock.ahead = coming.timestamp() - time.time()
    for schedule in app.schedules.list():  # as if they had been added then
        app.schedules.pause(schedule.name)
        app.schedules.resume(schedule.name)
    while coming < datetime(2030, 6, 3, 10, 0, tzinfo=BERLIN):
        clock.ahead = coming.timestamp() - time.time()
        with app.worker(threads=1, processes=0, burst=True) as worker:
            worker.join(10)
        coming = min(schedule.next_tick for schedule in app.schedules.list())
    for info in reversed(app.jobs()):
        printed = [piece.text for piece in app.job(info.id).output() if piece.stream == "stdout"]
        print(f"{info.scheduled_for.astimezone(BERLIN):%a %H:%M} {info.schedule}: {info.state}, {''.join(printed)!r}", flush=True)
    litequeue("cron", "export", db)
    print("crontab_import: done")
