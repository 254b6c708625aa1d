"""Failures: what is retried, how long it waits, and what is given up at once.

    python examples/retries.py
"""

import logging
import tempfile
from pathlib import Path

from litequeue import Backoff, JobFailed, LiteQueue, Snooze, current_job

logging.basicConfig(format="    %(message)s", level=logging.INFO)
app = LiteQueue(Path(tempfile.mkdtemp()) / "retries.sqlite")


@app.task(retries=4, backoff=Backoff(base=0.1, cap=1), retry_on=ConnectionError)
def fetch_rates():
    job = current_job()
    if job.attempt < 3:
        raise ConnectionError(f"no answer ({job.retries_left} retries left)")
    return {"EUR": 1.0, "CHF": 0.94, "after": [error.message for error in job.errors]}


@app.task(retries=4, give_up_on=ValueError)
def parse(text):
    return int(text)


@app.task
def wait_for_upload():
    if current_job().attempt < 3:
        raise Snooze(0.1)  # not a failure: look again later
    return "the file has come"


if __name__ == "__main__":
    with app.worker(threads=2):
        print(fetch_rates.delay().get(timeout=10))
        print(wait_for_upload.delay().get(timeout=10))
        job = parse.delay("twelve")
        try:
            job.get(timeout=10)
        except JobFailed as error:
            print(f"{error} (after {job.info().attempt} attempt)")
    print("retries: done")
