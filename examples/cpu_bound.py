"""Number crunching split over the cores: a Mandelbrot picture, one job per band of rows.

    python examples/cpu_bound.py
"""

import tempfile
import time
from pathlib import Path

from litequeue import LiteQueue

WIDTH, HEIGHT, BANDS, DEPTH = 72, 24, 8, 12_000
SHADES = " .:-=+*#%@"
app = LiteQueue(Path(tempfile.mkdtemp()) / "picture.sqlite")


@app.task(pool="process")
def band(first, last):
    """Rows first..last-1 of the picture, in a process with a GIL of its own."""
    rows = []
    for y in range(first, last):
        row = ""
        for x in range(WIDTH):
            c = complex(x / WIDTH * 3 - 2.2, y / HEIGHT * 2.4 - 1.2)
            z, n = 0j, 0
            while abs(z) < 2 and n < DEPTH:
                z, n = z * z + c, n + 1
            row += SHADES[-1] if n == DEPTH else SHADES[min(n // 2, 8)]
        rows.append(row)
    return rows


if __name__ == "__main__":  # pool processes import this file: needed for process tasks
    height = HEIGHT // BANDS
    began = time.perf_counter()
    with app.worker(processes=2) as worker:
        jobs = band.delay_many((n * height, (n + 1) * height) for n in range(BANDS))
        picture = [row for job in jobs for row in job.get(timeout=60)]
    print("\n".join(picture))
    busy = sum((j.info().finished_at - j.info().started_at).total_seconds() for j in jobs)
    print(f"{busy:.2f} s of work in {time.perf_counter() - began:.2f} s, on {worker.name}")
    print("cpu_bound: done")
