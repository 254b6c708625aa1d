"""How long attempts take: fifteen bars, each for a bucket of times.

Owns the histogram. Heights go by the square root, or what happens once in a thousand would not be seen; the bar of the attempt that is looked at stands out.
"""

from __future__ import annotations

import bisect
import math
from typing import Final

from ...store.pages.parts import BUCKETS, Histogram
from .. import words
from ..html import Markup, el

HEIGHT: Final = 84.0
BAR: Final = 10.0  # units of width for each
_GAP: Final = 0.6


def bucket(seconds: float) -> int:
    """Which bar a time belongs to."""
    return bisect.bisect_left(BUCKETS, seconds)


def histogram(found: Histogram, took: float | None, what: str, *, is_bad: bool = False) -> Markup:
    """``took``: of the attempt that is looked at; ``what``: such as "Run times"."""
    most = math.sqrt(max(found.counts, default=0)) or 1.0
    here = None if took is None else bucket(took)
    bars = (_bar(number, count, most, _tone(number == here, is_bad)) for number, count in enumerate(found.counts) if count or number == here)
    drawing = el(
        "svg", bars, viewBox=f"0 0 {BAR * (len(BUCKETS) + 1):g} {HEIGHT:g}", preserveAspectRatio="none", role="img", aria_label=_news(found, took, what)
    )
    # A label stands at the upper end of every other bar.
    labels = (el("span", words.bound(BUCKETS[at]) if not at % 2 else None, class_="opt" if at % 4 else None) for at in range(len(BUCKETS)))
    return el("div", drawing, el("div", labels, class_="x", aria_hidden="true"), class_="hist")


def _bar(number: int, count: int, most: float, tone: str | None) -> Markup:
    height = max(math.sqrt(count) / most * HEIGHT, 2.0)
    title = el("title", f"{_between(number)}: {count:,}")
    return el("rect", title, class_=tone, x=number * BAR + _GAP, y=HEIGHT - height, width=BAR - 2 * _GAP, height=height)


def _tone(is_here: bool, is_bad: bool) -> str | None:
    return None if not is_here else "here bad" if is_bad else "here"


def _between(number: int) -> str:
    if number == 0:
        return f"up to {words.bound(BUCKETS[0])}"
    if number == len(BUCKETS):
        return f"over {words.bound(BUCKETS[-1])}"
    return f"{words.bound(BUCKETS[number - 1])} to {words.bound(BUCKETS[number])}"


def _news(found: Histogram, took: float | None, what: str) -> str:
    if not found.total:
        return f"{what}: none yet"
    top = max(range(len(found.counts)), key=found.counts.__getitem__)
    news = f"{what}: most often {_between(top)}"
    return news if took is None else f"{news}; this one took {words.took(took)}"
