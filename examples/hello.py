"""The first thing to try: a task, a worker inside this script, a result.

    python examples/hello.py
"""

import tempfile
from pathlib import Path

from litequeue import LiteQueue

app = LiteQueue(Path(tempfile.mkdtemp()) / "hello.sqlite")


@app.task
def add(x, y):
    return x + y


if __name__ == "__main__":
    job = add.delay(4, 4)  # on disk when this returns
    with app.worker(threads=2):  # or, in another terminal: python -m litequeue worker FILE
        print(f"4 + 4 = {job.get(timeout=10)}")
        totals = [job.get(timeout=10) for job in add.delay_many((n, n) for n in range(5))]
    print(f"five more: {totals}")
    print("hello: done")
