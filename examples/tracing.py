"""One trace of OpenTelemetry from a request over its enqueues to the runs. Needs `pip install opentelemetry-sdk`.

    python examples/tracing.py
"""

import contextlib
import sys
import tempfile

from litequeue import LiteQueue, current_job, is_failure

try:
    from opentelemetry import propagate, trace
    from opentelemetry.sdk.trace import TracerProvider, export
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
        InMemorySpanExporter,
    )
except ImportError:
    sys.exit(print("skipped: there is no opentelemetry-sdk\ntracing: done"))

provider, memory = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(export.SimpleSpanProcessor(memory))
tracer = provider.get_tracer("shop")
app = LiteQueue(f"{tempfile.mkdtemp()}/shop.sqlite")


class Tracing:
    @contextlib.contextmanager
    def enqueue(self, sent):
        with span("enqueue", "send", sent.queue, trace.SpanKind.PRODUCER) as made:
            propagate.inject(sent.headers)
            yield
            made.set_attribute("messaging.message.id", str(sent.id))

    @contextlib.contextmanager
    def run(self, job):
        sender = propagate.extract(job.headers)
        links = [trace.Link(trace.get_current_span(sender).get_span_context())]
        with span("process", "process", job.queue, trace.SpanKind.CONSUMER, context=sender, links=links) as made:
            made.set_attribute("messaging.message.id", str(job.id))
            try:
                yield
            except BaseException as error:
                if is_failure(error):
                    made.record_exception(error)
                    made.set_status(trace.StatusCode.ERROR)
                    made.set_attribute("error.type", type(error).__name__)
                raise


def span(name, kind, queue, role, **more):
    said = {"system": "litequeue", "operation.name": name, "operation.type": kind, "destination.name": queue}
    about = {f"messaging.{key}": value for key, value in said.items()}
    more |= {"record_exception": False, "set_status_on_exception": False}
    return tracer.start_as_current_span(f"{name} {queue}", kind=role, attributes=about, **more)


app.use(Tracing())


@app.task(retries=1, backoff=0)
def charge(order):
    if current_job().attempt == 1:
        raise ConnectionError("the bank does not answer")


@app.task
def ship(order):
    charge.delay(order)


if __name__ == "__main__":
    with app.worker():
        with tracer.start_as_current_span("request"):
            job = ship.delay(17)
        job.get(timeout=10)
        app.job(job.id + 1).wait(timeout=10)
    made = sorted(memory.get_finished_spans(), key=lambda span: span.start_time)
    depth = {}
    for one in made:
        depth[one.context.span_id] = 0 if one.parent is None else depth[one.parent.span_id] + 1
        wrong = one.attributes.get("error.type", "")
        print("  " * depth[one.context.span_id] + one.name, one.attributes.get("messaging.message.id", ""), wrong)
    print(len({one.context.trace_id for one in made}), "trace")
    print("tracing: done")
