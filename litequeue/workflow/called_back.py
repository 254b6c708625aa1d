"""A signature as a callback: the call that is stored beside a job, and enqueued once that has ended.

Owns what such a call may say. The form is that of ``store/links/following``, which makes jobs of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..base.errors import InvalidArgument
from ..options import WHEN, EnqueueOptions, checked, stored
from ..tasks import TaskCode, columns_of
from ..unique import without_key


def written(code: TaskCode, args: str, kwargs: str, options: Mapping[str, Any], *, takes: bool) -> str:
    """A call of a task, encoded, as a callback. Raises what an enqueue of it raises."""
    given = checked(EnqueueOptions, options, "a callback")
    if code.template.unique is not None or "unique" in given:
        given = without_key(code.template, given, "a callback")
    for option in ("eta", "after", *WHEN):
        if option in given:
            raise InvalidArgument(f"a callback takes no {option}: it begins when the job that it belongs to has ended")
    if not isinstance(given.get("expires"), (int, type(None))):
        raise InvalidArgument("a callback expires so long after it is enqueued, and at no fixed time")
    says = {"task": code.name, "args": args, "kwargs": kwargs, "takes": int(takes)}
    columns = columns_of(code.template, stored(EnqueueOptions, given))._replace(links=None)  # it has none of its own
    return json.dumps({
        **says, "delay": given.get("countdown", 0), "expires": given.get("expires", code.template.expires), **columns._asdict()
    })  # fmt: skip
