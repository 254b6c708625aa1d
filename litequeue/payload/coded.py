"""Codecs beside JSON, and the codec of a task that asks for one.

Owns how is stored what they write, ``{"$codec": [codec, base64, task, part, signature]}``, and that it is read only where the code says
so. The text tells who wrote it, and that picks nothing: a task reads by the codecs that it names itself, of its own arguments and
steps what was written as such, and of what other jobs came to what was written as a result. Of a codec that could run code, as pickle
can, all of this is signed (``signing``), and nothing is decoded before that was looked at.

A program that asks what a job came to reads it by the codec of the task that wrote it, whose code has to be here.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..base import checks
from ..base.errors import (
    InvalidArgument,
    InvalidType,
    PayloadCorrupt,
    PayloadError,
)
from ..base.stored import CODEC, MAX_BYTES, MAX_INFLATED, ZLIB, compressed
from .codec import Codec
from .refusal import not_here, too_large
from .signing import Keys

JSON: Final = "json"
PICKLE: Final = "pickle"
_RUN: Final = frozenset({"pickle", "_pickle", "cloudpickle", "dill", "marshal", "joblib"})
# Characters from which on JSON is compressed. Measured with rows of a table, on disk: of 4 KB the file gets no smaller, since a row takes a
# page; of 8 KB, 16 KB and 32 KB it takes 0.68, 0.63 and 0.53 as much, an enqueue costs 70, 170 and 210 us of CPU more, and a job runs 0.4 to 0.6 ms
# sooner, since claim and settle write its row anew.
LEAST: Final = 8192


class Named(NamedTuple):
    """A codec: what it is called in the file, and what it does."""

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[bytes], Any]
    signed: bool


class Others:
    """The codecs of an app beside JSON, its keys, and the tasks that use them."""

    def __init__(self, app: Codec) -> None:
        self._app = app
        self._named: dict[str, Named] = {}
        self.tasks: dict[str, Coded] = {}
        self.keys = Keys()

    def register(self, name: Any, encode: Any, decode: Any, *, signed: Any) -> None:
        """Raises InvalidArgument or InvalidType."""
        checks.line(name, "the codec's name")
        if name in (JSON, ZLIB, PICKLE):
            raise InvalidArgument(f"the codec {name} is built in: give this one another name")
        for function, what in ((encode, "encode"), (decode, "decode")):
            if not callable(function):
                raise InvalidType(f"register_codec: {what} must be a function, of a value or of bytes, not {type(function).__name__}: {function!r:.100}")
        if str(getattr(decode, "__module__", "")).partition(".")[0] in _RUN and not signed:
            raise InvalidArgument(f"the codec {name} runs what it reads: say signed=True, and app.sign_with(KEY)")
        self._named[name] = Named(name, encode, decode, checks.flag(signed, "signed"))

    def find(self, name: str) -> Named:
        """Raises InvalidArgument."""
        if name == PICKLE:
            from .pickled import dumps, loads

            return Named(PICKLE, dumps, loads, signed=True)
        found = self._named.get(name)
        if found is None:
            known = ", ".join((JSON, ZLIB, PICKLE, *self._named))
            raise InvalidArgument(f"there is no codec {name!r:.100}; there are {known}, and app.register_codec(name, encode, decode) adds one")
        return found

    def of_task(self, task: str, names: Sequence[str]) -> Coded:
        """Raises InvalidArgument for a codec that there is not, and where there is no key for one that signs."""
        for name in names:
            if name not in (JSON, ZLIB) and self.find(name).signed and not self.keys.paths:
                raise InvalidArgument(
                    f"the codec {name} of {task} runs what it reads, so it is signed: first say with which key, as in "
                    'app.sign_with("~/.config/queue.key"), a file that python -m litequeue signing-key FILE makes'
                )
        found = self.tasks[task] = Coded(self._app, self, task, names)
        return found

    def open_result(self, body: Any) -> Any:
        """For a program, of one of its tasks."""
        reader = self.tasks.get(body[2])
        if reader is None or body[0] not in reader.reads:
            return not_here(body)
        return reader.open(body, "result")


def others_of(app: Codec) -> Others:
    if app.others is None:
        app.others = Others(app)
    found: Others = app.others
    return found


def of_task(app: Codec, task: str, names: Sequence[str]) -> Codec:
    """The codec of a task that says by which its calls and results are written, the first, and by which they may have been. Raises
    InvalidArgument."""
    return app if tuple(names) == (JSON,) else others_of(app).of_task(task, names)


class Coded(Codec):
    """Of a task that says by which codecs."""

    def __init__(self, app: Codec, others: Others, task: str, names: Sequence[str]) -> None:
        super().__init__()
        self._by_class, self._by_name = app._by_class, app._by_name
        self.others = others
        self._task = task
        self.names = tuple(names)
        self._first = names[0]
        self.reads = frozenset(names) - {JSON, ZLIB}
        self.writes = self._first if self._first in self.reads else None
        self._signs = any(others.find(name).signed for name in self.reads)

    def check_ready(self) -> None:
        if self._signs:
            self.others.keys.read()

    # -- writing -----------------------------------------------------------------------------------

    def encode_call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        encoded = self._write(list(args), "args", f"{name}: args") if args else "[]"
        named = self._write(dict(kwargs), "kwargs", f"{name}: kwargs") if kwargs else "{}"
        if len(encoded) + len(named) > MAX_BYTES:
            raise too_large(len(encoded) + len(named), f"{name}: the arguments take")
        return encoded, named

    def encode_ahead(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
        try:
            return super().encode_call(name, args, kwargs)
        except PayloadError as error:
            raise PayloadError(f"{error}; what is stored before there is a job, by a schedule or as a callback, is JSON whatever the task's codec is") from None

    def encode_result(self, value: Any, what: str = "the result", limit: int = MAX_BYTES) -> str:
        return self._write(value, "result", what)

    def encode_step(self, value: Any, key: str) -> str:
        return self._write(value, f"step {key}", f"the result of step {key!r}")

    def _write(self, value: Any, part: str, what: str) -> str:
        if self._first == JSON or value is None:
            return self.encode(value, what)
        if self._first == ZLIB:
            text = self.encode(value, what, MAX_INFLATED)
            text = min(text, compressed(text), key=len) if len(text) >= LEAST else text
        else:
            named = self.others.find(self._first)
            try:
                data = binascii.b2a_base64(named.encode(value), newline=False).decode("ascii")
            except Exception as error:
                raise PayloadError(f"{what} cannot be stored: the codec {named.name} says {type(error).__name__}: {error!s:.200}") from error
            body = [named.name, data, self._task, part]
            text = _text({CODEC: [*body, self.others.keys.sign(_text(body))] if named.signed else body})
        if len(text) > MAX_BYTES:
            raise too_large(len(text), f"{what} takes")
        return text

    # -- reading -----------------------------------------------------------------------------------

    def decode_call(self, args: str, kwargs: str, inputs: str | None = None) -> tuple[list[Any], dict[str, Any]]:
        self.check_ready()  # also where there is nothing to be read: what it comes to is to be signed
        positional, named = self.decode(args, self._opener("args")), self.decode(kwargs, self._opener("kwargs"))
        if inputs is not None and type(positional) is list:
            positional = [self.decode(inputs, self._opener("result")), *positional]
        if type(positional) is not list or type(named) is not dict:
            raise PayloadCorrupt("the stored arguments are no list and dict")
        return positional, named

    def decode_step(self, text: str, key: str) -> Any:
        return self.decode(text, self._opener(f"step {key}"))

    def decode_result(self, text: str) -> Any:
        return self.decode(text, lambda body: self.open(body, "result") if body[0] in self.reads else self.others.open_result(body))

    def _opener(self, part: str) -> Callable[[Any], Any]:
        return lambda body: self.open(body, part)

    def open(self, body: Any, part: str) -> Any:
        """What stands behind the tag, if it is that part of what is this task's to read."""
        name, data, task, wrote = body[:4]
        what = f"what is stored as {part} of {self._task}"
        if name not in self.reads:
            raise PayloadCorrupt(f"{what} was written by the codec {name!r:.100}, which the task does not read; it says {', '.join(sorted(self.reads)) or JSON}")
        if wrote != part or part != "result" and task != self._task:
            raise PayloadCorrupt(f"{what} was written as {wrote!r:.100} of {task!r:.220}")
        named = self.others.find(name)
        if named.signed:
            self.others.keys.check(_text(body[:4]), body[4:], what)
        raw = binascii.a2b_base64(data, strict_mode=True)
        try:
            return named.decode(raw)
        except MemoryError:  # of a task that may have only so much
            raise
        except Exception as error:
            raise PayloadCorrupt(f"{what} cannot be decoded: the codec {name} says {type(error).__name__}: {error!s:.200}") from error


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
