"""SQLAlchemy 2 on the queue's own file: jobs go with the transaction of an engine's connection, and of an ORM session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litequeue import LiteQueue
from tests.support import wait_until

from . import peer

peer("sqlalchemy")
pytestmark = pytest.mark.beside

from sqlalchemy import create_engine, event, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):  # type: ignore[misc, unused-ignore]
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@pytest.fixture
def app(db: Path) -> Any:
    with LiteQueue(db) as app:
        list(app.limits)
        yield app


@pytest.fixture
def engine(db: Path, app: LiteQueue) -> Any:
    engine = create_engine(f"sqlite:///{db}")
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def raw(connection: Any) -> Any:
    return connection.connection.driver_connection


@pytest.mark.parametrize("commits", [True, False])
def test_with_an_engines_connection(app: LiteQueue, engine: Any, commits: bool) -> None:
    ship = app.task(name="ship")(lambda order: order)
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO orders (name) VALUES ('a')"))
        ship.using(raw(connection)).delay(1)
        ship.using(raw(connection)).delay_many([(2,), (3,)])
        (connection.commit if commits else connection.rollback)()
        assert connection.execute(text("SELECT count(*) FROM orders")).scalar_one() == commits
    assert len(app.jobs()) == 3 * commits


def test_with_a_block_that_begins_and_one_that_fails(app: LiteQueue, engine: Any) -> None:
    ship = app.task(name="ship")(lambda order: order)
    with engine.begin() as connection:
        ship.using(raw(connection)).delay(1)  # the first statement of the transaction
        connection.execute(text("INSERT INTO orders (name) VALUES ('a')"))
    with pytest.raises(ZeroDivisionError), engine.begin() as connection:
        ship.using(raw(connection)).delay(2)
        raise ZeroDivisionError
    assert [info.args for info in app.jobs()] == ["[1]"]


@pytest.mark.parametrize("commits", [True, False])
def test_with_a_session_its_savepoints_and_what_it_does_after_the_commit(app: LiteQueue, engine: Any, commits: bool) -> None:
    ship = app.task(name="ship")(lambda order: order)
    rung: list[bool] = []
    with Session(engine) as session:
        event.listen(session, "after_commit", lambda _: (rung.append(True), app.ring()))
        order = Order(name="a")
        session.add(order)
        session.flush()
        ship.using(raw(session.connection())).delay(order.id)
        with pytest.raises(ZeroDivisionError), session.begin_nested():
            session.add(Order(name="b"))
            session.flush()
            ship.using(raw(session.connection())).delay(99)
            raise ZeroDivisionError
        (session.commit if commits else session.rollback)()
    assert [info.args for info in app.jobs()] == ["[1]"] * commits and rung == [True] * commits


def test_a_worker_beside_it_runs_what_was_committed(app: LiteQueue, engine: Any) -> None:
    seen: list[str] = []

    @app.task(name="ship")
    def ship(order: int) -> None:
        with Session(engine) as session:
            found = session.get(Order, order)
            seen.append(found.name if found else "nothing")

    with app.worker():
        for n in range(1, 21):
            with Session(engine) as session:
                session.add(Order(id=n, name=f"order {n}"))
                session.flush()
                ship.using(raw(session.connection())).delay(n)
                session.commit()
        wait_until(lambda: len(seen) == 20)
    assert sorted(seen) == sorted(f"order {n}" for n in range(1, 21))
