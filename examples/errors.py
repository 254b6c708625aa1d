"""Failures told to Sentry, once their retries are used up, with the trace of who enqueued. Needs `pip install sentry-sdk`.

    python examples/errors.py
"""

import contextlib
import sys
import tempfile

from litequeue import LiteQueue, current_job, is_failure

try:
    import sentry_sdk
    from sentry_sdk.transport import Transport
except ImportError:
    sys.exit(print("skipped: there is no sentry-sdk\nerrors: done"))

app = LiteQueue(f"{tempfile.mkdtemp()}/shop.sqlite")


class Errors:
    @contextlib.contextmanager
    def enqueue(self, sent):
        with sentry_sdk.start_span(op="queue.publish", name=sent.task):
            sent.headers.update(sentry_sdk.get_current_scope().iter_trace_propagation_headers())
            yield

    @contextlib.contextmanager
    def run(self, job):
        with sentry_sdk.isolation_scope() as scope:
            scope.set_tags({"job": job.id, "task": job.task, "attempt": job.attempt})
            sender = sentry_sdk.continue_trace(job.headers, op="queue.process", name=job.task)
            with sentry_sdk.start_transaction(sender):
                try:
                    yield
                except BaseException as error:
                    if is_failure(error) and not job.will_retry(error):
                        sentry_sdk.capture_exception(error)
                    raise

    def stopping(self):
        sentry_sdk.flush(timeout=2)


app.use(Errors())


@app.task(retries=1, backoff=0)
def charge(order):
    raise ConnectionError(f"the bank does not answer, at attempt {current_job().attempt}")


class InMemory(Transport):  # in the place of Sentry's server
    told = []  # noqa: RUF012

    def capture_envelope(self, envelope):
        self.told += [item.payload.json for item in envelope.items]


if __name__ == "__main__":
    sentry_sdk.init(dsn="https://key@sentry.invalid/1", transport=InMemory, traces_sample_rate=1.0)
    with sentry_sdk.start_transaction(op="request", name="checkout"), app.worker():
        charge.delay(17).wait(timeout=10)
    sentry_sdk.flush()
    traces = {told["contexts"]["trace"]["trace_id"] for told in InMemory.told}
    for told in InMemory.told:
        for error in told.get("exception", {}).get("values", []):
            print(f"{error['type']}: {error['value']} (job {told['tags']['job']}, {told['tags']['task']})")
    print(sorted(told["transaction"] for told in InMemory.told if told.get("type") == "transaction"), len(traces), "trace")
    print("errors: done")
