"""Registered Enum classes and dataclasses: carried exactly, or refused with the reason and a way out."""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
from typing import Any, Generic, TypeVar

import pytest

from litequeue.base.errors import InvalidArgument, PayloadCorrupt, PayloadError
from litequeue.payload import Codec

pytestmark = pytest.mark.beside

T = TypeVar("T")


def carried(value: Any) -> Any:
    codec = Codec()
    codec.register(type(value))
    back = codec.decode(codec.encode([value], "args"))[0]
    assert type(back) is type(value)
    return back


# -- dataclasses ---------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Counted:
    x: int

    def __post_init__(self) -> None:
        self.doubled = 2 * self.x


@dataclasses.dataclass
class Plain:
    x: int


class Below(Plain):
    """No dataclass of its own: what it sets is in no field."""

    def __init__(self, x: int) -> None:
        super().__init__(x)
        self.more = x + 1


@dataclasses.dataclass
class Kept:
    x: int
    seed: dataclasses.InitVar[int] = 3

    def __post_init__(self, seed: int) -> None:
        self._seed = seed


class _Base:
    __slots__ = ("cache",)


@dataclasses.dataclass
class Slotted(_Base):
    __slots__ = ("x",)
    x: int


@dataclasses.dataclass(slots=True, frozen=True)
class Tight:
    x: int
    y: tuple[int, ...] = ()


@dataclasses.dataclass
class Computed:
    x: int
    y: int = dataclasses.field(init=False)
    z: list[int] = dataclasses.field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.y = -self.x


@dataclasses.dataclass
class Unset:
    x: int
    y: int = dataclasses.field(init=False)


@dataclasses.dataclass
class Lazy:
    x: int

    @functools.cached_property
    def square(self) -> int:
        return self.x * self.x


@dataclasses.dataclass
class Box(Generic[T]):
    x: T


class Doubling:
    """A field whose value is kept elsewhere in the instance."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = "_" + name

    def __get__(self, value: Any, owner: Any = None) -> Any:
        return 5 if value is None else getattr(value, self.name)

    def __set__(self, value: Any, given: int) -> None:
        setattr(value, self.name, 2 * given)


@dataclasses.dataclass
class Described:
    x: Doubling = Doubling()


@dataclasses.dataclass
class Asking:
    """What is asked for is not what is kept."""

    x: int

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        return found + 1 if name == "x" else found


def test_what_is_in_the_fields_is_carried_exactly() -> None:
    assert carried(Computed(3)) == Computed(3)
    assert carried(Tight(1, (2,))) == Tight(1, (2,))
    slotted = carried(Slotted(4))
    assert slotted.x == 4 and not hasattr(slotted, "cache")
    assert carried(Box[int](1)) == Box(1)
    assert object.__getattribute__(carried(Asking(1)), "x") == 1
    lazy = Lazy(3)
    assert lazy.square == 9
    back = carried(lazy)
    assert back == lazy and back.square == 9 and "square" in vars(back)


def later(value: Any, **attributes: Any) -> Any:
    for name, given in attributes.items():
        setattr(value, name, given)
    return value


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Counted(1), "doubled"), (Below(1), "more"), (Kept(1), "_seed"), (later(Plain(1), note="n"), "note"),
        (later(Slotted(1), cache=2), "cache"), (Unset(1), "field y of this Unset is not set"), (Described(3), "_x"),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_what_an_instance_has_besides_is_refused_where_it_is_stored(value: Any, says: str) -> None:
    codec = Codec()
    codec.register(type(value))
    with pytest.raises(PayloadError, match=r"t: args\[0\]\['k'\]") as caught:
        codec.encode([{"k": value}], "t: args")
    assert says in str(caught.value)
    assert f"app.register_type({type(value).__name__}, encode, decode)" in str(caught.value)


@dataclasses.dataclass
class Table(dict):  # type: ignore[type-arg]
    x: int = 0


@dataclasses.dataclass
class Row(list):  # type: ignore[type-arg]
    x: int = 0


@dataclasses.dataclass
class Count(int):
    x: int = 0


@dataclasses.dataclass
class Text(str):
    x: int = 0


@dataclasses.dataclass
class Broken(ValueError):
    x: int = 0


class _Named(dict):  # type: ignore[type-arg]
    pass


@dataclasses.dataclass
class Indirect(_Named):
    x: int = 0


@dataclasses.dataclass
class Shape(abc.ABC):
    x: int

    @abc.abstractmethod
    def area(self) -> int: ...


@pytest.mark.parametrize(
    ("cls", "base"),
    [(Table, "dict"), (Row, "list"), (Count, "int"), (Text, "str"), (Broken, "ValueError"), (Indirect, "dict")],
)
def test_a_dataclass_with_content_beside_its_fields_is_refused_where_it_is_registered(cls: type, base: str) -> None:
    with pytest.raises(InvalidArgument, match=f"needs encode and decode: it derives from {base},"):
        Codec().register(cls)


def test_with_its_own_encode_and_decode_it_is_carried() -> None:
    codec = Codec()
    codec.register(Table, lambda t: [dict(t), t.x], lambda body: later(Table(), x=body[1]))
    codec.register(Counted, lambda c: c.x, Counted)
    assert codec.decode(codec.encode(Table())) == Table()
    assert codec.decode(codec.encode(Counted(4))).doubled == 8


def test_an_abstract_class_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="abstract"):
        Codec().register(Shape)


@pytest.mark.parametrize("body", ["{}", '{"x": 1, "y": 2}', "[1]", "5"])
def test_fields_of_another_version_of_the_class_are_told_apart(body: str) -> None:
    codec = Codec()
    codec.register(Plain, name="plain")
    with pytest.raises(PayloadCorrupt, match="the class here has x"):
        codec.decode(f'{{"$type": ["plain", {body}]}}')


# -- Enums ---------------------------------------------------------------------------------------------------------


class Odd(enum.Enum):
    """Values that could not be stored."""

    THING = object()
    CODE = len
    ALIAS = THING
    LIST = [1, {2}]  # noqa: RUF012


class Open(enum.Enum):
    A = 1

    @classmethod
    def _missing_(cls, value: object) -> Any:
        made = object.__new__(cls)
        made._name_, made._value_ = f"A{value}", value
        return made


class Renamed(enum.Enum):
    A = 1

    @property
    def name(self) -> str:
        return "another"


class Perm(enum.Flag):
    R = 1
    W = 2
    RW = 3


class Loose(enum.Flag, boundary=enum.KEEP):
    R = 1


class Numbers(enum.IntFlag):
    A = 1
    B = 4


def test_members_are_carried_by_name_whatever_their_values_are() -> None:
    for member in (Odd.THING, Odd.CODE, Odd.ALIAS, Odd.LIST, Renamed.A, Open.A):
        assert carried(member) is member


def test_combinations_of_flags_are_carried() -> None:
    for member in (Perm.R | Perm.W, Perm.RW, Perm(0), ~Perm.R, Loose(9), Numbers.A | Numbers.B, Numbers(0), Numbers(16)):
        assert carried(member) == member


def test_what_is_no_member_of_its_enum_is_refused() -> None:
    codec = Codec()
    codec.register(Open)
    with pytest.raises(PayloadError, match=r"args\[0\].*none of the class's members.*encode, decode"):
        codec.encode([Open(7)], "args")


def test_a_member_that_the_class_has_no_more_is_told() -> None:
    codec = Codec()
    codec.register(Perm, name="p")
    codec.register(Odd, name="o")
    with pytest.raises(PayloadCorrupt, match="Odd.GONE"):
        codec.decode('{"$type": ["o", "GONE"]}')
    with pytest.raises(PayloadCorrupt):
        codec.decode('{"$type": ["p", 64]}')
