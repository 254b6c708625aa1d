"""What people are promised of workflows, in one program as they would write it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue, chord, current_job, group

from ..support import wait_until

pytestmark = pytest.mark.beside

app = LiteQueue("unbound.sqlite")
seen: list[Any] = []


@app.task
def fetch(url: str) -> str:
    return f"page of {url}"


@app.task
def parse(page: str) -> int:
    return len(page)


@app.task
def store(shelf: int) -> str:
    return f"on {shelf}"


@app.task
def resize(path: str, width: int) -> str:
    return f"{path}@{width}"


@app.task
def contact_sheet(pictures: list[str]) -> str:
    return "+".join(pictures)


@app.task
def build() -> list[Any]:
    return current_job().parent_results()


@app.task
def import_row(row: int) -> int:
    return row


@app.task
def publish(batch: int) -> None:
    seen.append(("published", app.flow(batch).progress().done))


@app.task
def alarm(batch: int) -> None:
    seen.append(("alarm", batch))


@app.task
def tell_support(job: dict[str, Any]) -> None:
    seen.append(("support", job["last_error"]))


def charge(n: int) -> dict[str, int]:
    seen.append(("charge", n))
    return {"paid": n}


def mail(n: int, answer: Any) -> None:
    seen.append(("mail", n, answer))


@app.task(retries=5, backoff=0, on_failure=tell_support)
def order(n: int) -> Any:
    job = current_job()
    payment = job.step("charge", charge, n)
    if job.attempt == 1:
        raise ConnectionError("once")
    if n < 0:
        raise ValueError("no such order")
    job.sleep("50ms")
    answer = job.wait_for(f"delivered:{n}", timeout="14d")
    job.step("mail", mail, n, answer)
    return payment


@pytest.fixture
def working(db: Path) -> Iterator[LiteQueue]:
    app._client.bind(str(db))
    seen.clear()
    with app.worker(threads=4):
        yield app
    app.close()


def test_shapes_and_graphs(working: LiteQueue) -> None:
    flow = (fetch.s("url") | parse.s() | store.si(7)).delay()
    assert flow.get(timeout=60) == "on 7"
    sizes = group(resize.s("a", w) for w in (160, 480, 1280))
    page = chord(sizes, contact_sheet.s()).delay()
    assert page.get(timeout=60) == "a@160+a@480+a@1280"
    assert page.progress() == (4, 4, 0, 4) and page.progress().done == 4
    other_job = parse.delay("page")
    report = build.apply_async(after=[page, other_job])
    assert report.get(timeout=60) == ["a@160+a@480+a@1280", 4]


def test_a_batch(working: LiteQueue) -> None:
    with app.batch(on_success=publish.s(), on_failure=alarm.s()) as batch:
        for row in range(10):
            import_row.delay(row)
    assert batch.get(timeout=60) == list(range(10))
    wait_until(lambda: seen == [("published", 10)])


def test_an_order(working: LiteQueue) -> None:
    job = order.delay(17)
    wait_until(lambda: job.why_waiting() == "it waits for the event 'delivered:17'")
    app.emit("delivered:17", {"to": "Ann"})
    assert job.get(timeout=60) == {"paid": 17}
    assert seen == [("charge", 17), ("mail", 17, {"to": "Ann"})]
    bad = order.apply_async((-1,), retries=1)
    wait_until(lambda: seen[-1] == ("support", "ValueError: no such order"))
    assert bad.state == "discarded" and seen.count(("charge", -1)) == 1
