"""How people say which jobs they mean: ``state:discarded task:shop.* error:Timeout age:<1d -queue:reports``.

Owns the grammar, for the command line and the page alike. Pure; what a term comes to in SQL is the store's.

Terms stand beside each other, and all must hold; values with commas are any of them; ``-`` before a term is its opposite. ``"..."`` holds what has spaces, commas
or colons. ``*`` at the end of a text stands for any. A word without a key looks in task and error; a number alone is a job's id.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from . import durations
from .checks import is_utf8
from .errors import InvalidArgument
from .states import STATES

MOST_CHARACTERS: Final = 500
MOST_TERMS: Final = 12
MOST_ID: Final = 2**63 - 1
MOST_SPAN: Final = 10_000 * 366 * 86_400 * 10**6  # microseconds; a sum of two of them is no number too large

WORD: Final = "word"  # the key of what has none
TEXTS: Final = ("state", "queue", "task", "error", "schedule", "worker", "tag", "flow")
SPANS: Final = ("age", "took", "ended")
NUMBERS: Final = ("id", "attempt")
KEYS: Final = (*TEXTS, *SPANS, *NUMBERS, "args.NAME")


class Text(NamedTuple):
    """That something is this text, or begins with it."""

    text: str
    is_prefix: bool = False


class Span(NamedTuple):
    """From ``low`` to ``high``, both in it; a number, or microseconds. None: without an end."""

    low: int | None
    high: int | None


class Term(NamedTuple):
    """One of them; any of the values is enough."""

    key: str  # of KEYS, or WORD; ``args.`` has its path behind it
    values: tuple[Text | Span, ...]
    is_not: bool = False


class Query(NamedTuple):
    """What is asked for."""

    terms: tuple[Term, ...] = ()

    @property
    def job(self) -> int | None:
        """The one job that is named and nothing else, if so."""
        if len(self.terms) == 1 and self.terms[0].key == "id" and not self.terms[0].is_not and len(self.terms[0].values) == 1:
            (value,) = self.terms[0].values
            if isinstance(value, Span) and value.low == value.high:
                return value.low
        return None

    def with_term(self, key: str, *texts: str) -> Query:
        """The same, where ``key`` is one of these, whatever it said of that."""
        others = tuple(term for term in self.terms if term.key != key or term.is_not)
        return Query((*others, Term(key, tuple(map(Text, texts)))) if texts else others)


def parse(text: str) -> Query:
    """Raises InvalidArgument, which says what is wrong and what there is."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidArgument(f"a search may have {MOST_CHARACTERS} characters, and this has {len(text):,}")
    if not is_utf8(text):
        raise InvalidArgument("a search is text that UTF-8 can say, and this has half a character")
    terms = tuple(_term(*word) for word in _words(text))
    if len(terms) > MOST_TERMS:
        raise InvalidArgument(f"a search may have {MOST_TERMS} terms, and this has {len(terms)}")
    return Query(terms)


def of(**texts: str | int | None) -> Query:
    """By keys and what each is exactly, without those that are None."""
    return Query(tuple(Term(key, (Text(str(text)),)) for key, text in texts.items() if text is not None))


def written(query: Query) -> str:
    """As text, which ``parse`` reads back."""
    return " ".join(map(_written, query.terms))


# -- words ----------------------------------------------------------------------------------------------

# A value and whether it was quoted, so that no part of it means anything else.
_Value = tuple[str, bool]


def _words(text: str) -> list[tuple[bool, str | None, list[_Value]]]:
    """Each as: whether it is negated, its key, its values."""
    words: list[tuple[bool, str | None, list[_Value]]] = []
    at, end = 0, len(text)
    while at < end:
        if text[at].isspace():
            at += 1
            continue
        is_not = text[at] == "-" and at + 1 < end and not text[at + 1].isspace()
        at += is_not
        start, key = at, None
        while at < end and (text[at].isalnum() or text[at] in "._-"):
            at += 1
        if at < end and text[at] == ":" and at > start:
            key, at = text[start:at], at + 1
        else:
            at = start
        values: list[_Value] = []
        while True:
            value, at = _value(text, at)
            values.append(value)
            if at < end and text[at] == ",":
                at += 1
                continue
            break
        if at < end and not text[at].isspace():
            raise InvalidArgument(f"{text[start:at + 1]!r:.80}: a quote ends a value; a comma or a space comes after it")
        words.append((is_not, key, values))
    return words


def _value(text: str, at: int) -> tuple[_Value, int]:
    end = len(text)
    if at < end and text[at] == '"':
        close = text.find('"', at + 1)
        if close < 0:
            raise InvalidArgument(f"{text[at:]!r:.80}: the quote is not closed")
        return (text[at + 1 : close], True), close + 1
    start = at
    while at < end and not text[at].isspace() and text[at] not in ',"':
        at += 1
    return (text[start:at], False), at


# -- terms ----------------------------------------------------------------------------------------------


def _term(is_not: bool, key: str | None, values: list[_Value]) -> Term:
    if key is None:
        if is_not and not values[0][1] and values[0][0].isascii() and values[0][0].isdigit():
            raise InvalidArgument(f"-{values[0][0]} is all jobs that have no {values[0][0]} in task and error: write it -\"{values[0][0]}\", or -id:{values[0][0]}")
        if not is_not and len(values) == 1 and not values[0][1] and values[0][0].isascii() and values[0][0].isdigit():
            return Term("id", (_span(values[0][0], "id"),))
        return Term(WORD, tuple(_text(value, WORD) for value in values), is_not)
    is_argument = key.startswith("args.") and all(key.split("."))
    if key not in KEYS[:-1] and not is_argument:
        raise InvalidArgument(f"there is no {key!r:.40} to search by: {', '.join(KEYS)}; a word alone looks in task and error, and \"...\" takes a colon as it is")
    if key in SPANS or key in NUMBERS:
        return Term(key, tuple(_span(value, key) for value, _ in values), is_not)
    found = tuple(_text(value, key) for value in values)
    if key == "flow" and not all(text.text.isascii() and text.text.isdigit() and len(text.text) < 19 and not text.is_prefix for text in found):
        raise InvalidArgument(f"flow:{values[0][0]:.40} is no number; such as flow:12")
    if key == "state":
        for text in found:
            if text.is_prefix or text.text not in STATES:
                raise InvalidArgument(
                    f"there is no state {text.text!r:.40}: {', '.join(STATES)}; what has failed for good is discarded, what is tried again retrying"
                )
    return Term(key, found, is_not)


def _text(value: _Value, key: str) -> Text:
    text, is_quoted = value
    if is_quoted:
        return Text(text)
    if key == WORD and text.startswith("-"):
        raise InvalidArgument(f"{text!r:.60} is no term: in quotes it is a text")
    if not text:
        raise InvalidArgument(f"{key}: what? A value comes right behind the colon, such as {key}:{_EXAMPLES.get(key, 'x')}")
    if "*" in text[:-1]:
        raise InvalidArgument(f"{text!r:.60}: * stands at the end alone, for whatever follows")
    return Text(text.removesuffix("*"), text.endswith("*"))


_EXAMPLES: Final = {"state": "discarded", "task": "shop.*", "queue": "mail", "age": "<1d", "took": ">30s", "ended": ">7d", "id": "100..200", "attempt": ">1"}


def _span(text: str, key: str) -> Span:
    low, is_range, high = text.partition("..")
    if is_range:
        found = Span(_number(low, key) if low else None, _number(high, key) if high else None)
        if found.low is None and found.high is None or found.low is not None and found.high is not None and found.low > found.high:
            raise InvalidArgument(f"{key}:{text:.60} is no range; such as {key}:{_EXAMPLES[key]}")
        return found
    sign = text[:2] if text[:2] in ("<=", ">=") else text[:1] if text[:1] in "<>" else ""
    number = _number(text[len(sign) :], key)
    if sign == "<" and number == 0 or sign == ">" and number == MOST_ID:
        raise InvalidArgument(f"{key}:{text:.40} is of no job")
    if sign.startswith("<"):
        return Span(None, number - (sign == "<"))
    if sign.startswith(">"):
        return Span(number + (sign == ">"), None)
    if key in SPANS:
        raise InvalidArgument(f"{key}:{text:.40} is one moment: {key}:<{text:.40} is less, {key}:>{text:.40} more")
    return Span(number, number)


def _number(text: str, key: str) -> int:
    if key in SPANS:
        if text.isdigit() and text.strip("0"):
            raise InvalidArgument(f"{key}:{text:.40} of what? With its unit, such as {key}:<{text:.20}d; s, m, h, d and w are")
        span = durations.parse(text)
        if span > MOST_SPAN:
            raise InvalidArgument(f"{key}:{text:.40} is longer than anything here")
        return span
    if not (text.isascii() and text.isdigit()) or len(text) > 40 or int(text) > MOST_ID:
        raise InvalidArgument(f"{key}:{text:.40} is no whole number; such as {key}:{_EXAMPLES[key]}")
    return int(text)


def _written(term: Term) -> str:
    values = ",".join(_of_span(value, term.key) if isinstance(value, Span) else _of_text(value) for value in term.values)
    return f"{'-' * term.is_not}{'' if term.key == WORD else term.key + ':'}{values}"


def _of_text(value: Text) -> str:
    plain = value.text and not any(letter.isspace() or letter in '",:*-' for letter in value.text) and not value.text.isdigit()
    if value.is_prefix:
        return f"{value.text}*"
    return value.text if plain else f'"{value.text}"'


def _of_span(value: Span, key: str) -> str:
    def said(number: int) -> str:
        return durations.render(number) if key in SPANS else str(number)

    # ``<1d`` is kept as all up to a microsecond less: the shorter of both ways to write a length of time is the one that was meant.
    is_time = key in SPANS
    if value.low is None:
        high = value.high or 0
        return min(f"<={said(high)}", f"<{said(high + 1)}", key=len) if is_time else f"<={high}"
    if value.high is None:
        return min(f">={said(value.low)}", f">{said(value.low - 1)}", key=len) if is_time and value.low else f">={said(value.low)}"
    return said(value.low) if value.low == value.high else f"{said(value.low)}..{said(value.high)}"
