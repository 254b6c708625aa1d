"""Map-reduce over a CSV file of 100,000 rows: a chord of jobs that each read a part of it, and one that adds up.

    python examples/map_reduce.py
"""

import csv
import itertools
import random
import tempfile
from collections import Counter
from pathlib import Path

from litequeue import LiteQueue, chord

FOLDER = Path(tempfile.mkdtemp())
app = LiteQueue(FOLDER / "sales.sqlite")
ROWS, PARTS = 100_000, 40
CITIES = "Bern", "Geneva", "Lugano", "Zug"


def write(path):
    rng = random.Random(7)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows((rng.choice(CITIES), rng.randint(1, 100)) for _ in range(ROWS))


@app.task
def total_of(path, begin, end):
    """The sales by city of the rows that begin within these bytes: a job is given where to look, and not the rows."""
    found = Counter()
    with open(path, "rb") as file:
        file.seek(max(begin - 1, 0))
        if begin:
            file.readline()  # the rest of a row of the part before
        while file.tell() < end and (line := file.readline()):
            city, amount = line.decode().strip().split(",")
            found[city] += int(amount)
    return dict(found)


@app.task
def add_up(parts):
    return dict(sorted(sum(map(Counter, parts), Counter()).items()))


if __name__ == "__main__":
    sales = FOLDER / "sales.csv"
    write(sales)
    edges = [sales.stat().st_size * n // PARTS for n in range(PARTS + 1)]
    with app.worker(threads=2):
        parts = [total_of.s(str(sales), begin, end) for begin, end in itertools.pairwise(edges)]
        flow = chord(parts, add_up.s()).delay()
        while not flow.wait(timeout=0.2):
            print(f"{flow.progress().done} of {flow.progress().total} jobs done")
        print(f"{flow.progress().done} of {flow.progress().total} jobs done")
    totals = flow.get()
    with sales.open(newline="") as file:
        assert sum(totals.values()) == sum(int(amount) for _, amount in csv.reader(file))
    print(f"{sum(totals.values()):,} in all: {totals}")
    print("map_reduce: done")
