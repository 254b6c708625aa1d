"""The key of an enqueue: what its task, or it alone, says of it.

Owns what of an enqueue's options goes together with a key. How keys are written is in ``tasks/keys``, whose they are in ``store/keys``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from .base.errors import InvalidArgument
from .base.exact import UniqueKey
from .options import EnqueueOptions, checked
from .payload import Codec
from .tasks import Template


def key_of(
    task: Template, args: Sequence[Any], kwargs: Mapping[str, Any], options: Mapping[str, Any], codec: Codec
) -> tuple[UniqueKey | None, dict[str, Any]]:
    """The key of a call, and the options as of a job that has one. Raises InvalidArgument for what contradicts it."""
    key, said = pattern_of(task, options)
    if key is not None and not key.text:
        assert task.unique is not None and task.unique.maker is not None
        key = key._replace(text=task.unique.maker.key(args, kwargs, codec))
    return key, said


def pattern_of(task: Template, options: Mapping[str, Any]) -> tuple[UniqueKey | None, dict[str, Any]]:
    """The same for many calls, each with a key that is yet to be made, and is empty here."""
    said = dict(options)
    unique = checked(EnqueueOptions, {"unique": said.pop("unique", None)}, "an enqueue").get("unique")
    if unique is False or unique is None and (task.unique is None or task.unique.maker is None):
        return None, said
    key = UniqueKey(unique or "") if task.unique is None else task.unique.key(unique or "")
    if key.on_conflict == "replace" and said.get("after") is not None:
        raise InvalidArgument(
            f"a job of {task.task} may be changed by a later enqueue, and so it cannot wait for others: leave after out, or say unique=False"
        )
    if key.debounce is not None:
        for name in ("countdown", "eta"):
            if said.get(name) is not None:
                raise InvalidArgument(f"{task.task} is debounced, which says when its jobs run: leave {name} out, or say unique=False")
        said["countdown"] = timedelta(microseconds=key.debounce)
    return key, said


def without_key(task: Template, options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The options of a job that cannot have a key, without what says that it is to have none. Raises InvalidArgument where it is to."""
    said = dict(options)
    unique = said.pop("unique", None)
    if unique not in (None, False):
        raise InvalidArgument(f"{what} is always a job of its own, and has no key: leave unique={unique!r:.60} out")
    if unique is None and task.unique is not None and task.unique.maker is not None:
        raise InvalidArgument(
            f"{task.task} is unique, and {what} is always a job of its own: .set(unique=False), or enqueue it by itself with delay()"
        )
    return said
