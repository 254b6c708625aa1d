"""Values of numpy, pandas, pydantic, attrs, Django and SQLAlchemy as arguments: the error's line, executed as it stands there, mends it."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest

from litequeue import LiteQueue, PayloadError
from tests.payload.test_ways import as_it_says

from . import peer

pytestmark = pytest.mark.beside


def refusal(app: LiteQueue, value: Any) -> str:
    with pytest.raises(PayloadError) as caught:
        app.send_task("t", (value,))
    return str(caught.value)


def test_arrays_of_numpy(app: LiteQueue) -> None:
    numpy = peer("numpy")
    array = numpy.array([[1.5, numpy.nan], [2, 3]], "float32")
    assert "its type numpy.ndarray is not supported; convert it with x.tolist(), or register it once" in refusal(app, array)
    cases = [array, numpy.array([1, 2**62]), numpy.array(["a", "bc"]), numpy.array([True]), numpy.array(["2026-01-02"], "datetime64[D]"), numpy.array(1j), numpy.zeros(0)]
    first, *others = cases
    back = as_it_says(app, first, numpy=numpy)
    codec = app._client.codec
    for sent, came in [(first, back), *((other, codec.decode(codec.encode(other))) for other in others)]:
        numpy.testing.assert_array_equal(came, sent)
        assert came.dtype == sent.dtype


def test_frames_of_pandas(app: LiteQueue) -> None:
    pandas = peer("pandas")
    frame = pandas.DataFrame({"n": [1, 2], "x": [1.5, float("nan")], "s": ["a", "b"], "b": [True, False]}, index=["i", "j"])
    back = as_it_says(app, frame, pandas=pandas)
    pandas.testing.assert_frame_equal(back, frame)


def test_models_of_pydantic(app: LiteQueue) -> None:
    pydantic = peer("pydantic")

    class Line(pydantic.BaseModel):  # type: ignore[misc, name-defined, unused-ignore]
        price: decimal.Decimal
        weight: float = float("inf")

    class Order(pydantic.BaseModel):  # type: ignore[misc, name-defined, unused-ignore]
        number: int = pydantic.Field(alias="no")
        at: datetime.datetime
        lines: tuple[Line, ...]

    class Strict(Order):  # type: ignore[misc, unused-ignore]
        model_config = pydantic.ConfigDict(strict=True)

    at = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)
    for cls in (Order, Strict):
        order = cls(no=7, at=at, lines=(Line(price=decimal.Decimal("1.10")),))
        back = as_it_says(app, order, json=json, **{cls.__name__: cls})
        assert back == order and type(back) is cls and type(back.lines[0]) is Line
        stored = json.loads(app.jobs(limit=1)[0].args)[0]["$type"][1]
        assert stored["no"] == 7 and stored["at"] == "2026-01-02T00:00:00Z", "SQL can read it"


def test_classes_of_attrs(app: LiteQueue) -> None:
    attrs = peer("attrs")

    @attrs.define
    class Point:
        x: int
        _hidden: int = 2
        made: int = attrs.field(init=False)

        def __attrs_post_init__(self) -> None:
            self.made = self.x * 2

    @attrs.frozen(slots=False)
    class Line:
        start: Any
        note: Any = None

    assert as_it_says(app, Point(3), Point=Point) == Point(3)
    back = as_it_says(app, Line(Point(1), (2,)), Line=Line)
    assert back == Line(Point(1), (2,)) and type(back.start) is Point
    loose = Line(1)
    object.__setattr__(loose, "more", 1)
    assert "attributes that are no fields of it and would not come back: more" in refusal(app, loose)


def test_rows_are_passed_by_their_keys(app: LiteQueue) -> None:
    sqlalchemy, orm = peer("sqlalchemy"), peer("sqlalchemy.orm")

    class Base(orm.DeclarativeBase):  # type: ignore[misc, name-defined, unused-ignore]
        pass

    Order = type("Order", (Base,), {"__tablename__": "orders", "id": orm.mapped_column(sqlalchemy.Integer, primary_key=True)})
    assert "Order; it is a row that may be another by then: pass its key, and get it in the task" in refusal(app, Order(id=1))
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        row = connection.execute(sqlalchemy.text("SELECT 1 AS one")).one()
        assert "convert it with tuple(x), or dict(x._mapping)" in refusal(app, row)
        assert (tuple(row), dict(row._mapping)) == ((1,), {"one": 1})
        assert "connect in the task" in refusal(app, connection)
    assert "connect in the task" in refusal(app, engine)
    engine.dispose()
    with orm.Session(engine) as session:
        assert "connect in the task" in refusal(app, session)


def test_rows_of_django_are_passed_by_their_keys(app: LiteQueue) -> None:
    peer("django")
    from django.conf import settings

    if not settings.configured:
        settings.configure(INSTALLED_APPS=[], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    import django

    django.setup()
    from django.db import models

    class Order(models.Model):  # type: ignore[misc, name-defined, unused-ignore]
        class Meta:
            app_label = "shop"

    assert "Order; it is a row that may be another by then: pass its key (x.pk), and get it in the task" in refusal(app, Order(pk=1))
    assert 'QuerySet; it asks the database: pass the keys, list(x.values_list("pk", flat=True))' in refusal(app, Order.objects.all())
