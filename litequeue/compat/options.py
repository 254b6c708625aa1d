"""Celery's options of tasks and calls, in our words.

Owns the translation. What is not Celery's, or is not carried, goes on as it is: our own options work, and the rest is refused where ours are checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from ..base.backoff import Backoff
from ..base.errors import InvalidArgument, InvalidType, SoftTimeout
from ..options.jobs import MAX_RETRIES
from .results import newest

# Of a task; the class of tasks (base=) may have them as attributes too.
TAKEN: Final = (
    "bind", "base", "max_retries", "default_retry_delay", "autoretry_for", "dont_autoretry_for", "retry_backoff", "retry_backoff_max", "retry_jitter", "retry_kwargs",
    "ignore_result", "soft_time_limit", "time_limit", "acks_late", "reject_on_worker_lost", "throws", "track_started", "name", "queue", "expires", "priority",
)  # fmt: skip
# What they ask for is so anyway (at least once; an error that no retry is for ends the job), or is looked at elsewhere.
KEPT: Final = ("bind", "base", "ignore_result", "track_started", "acks_late", "reject_on_worker_lost", "throws", "max_retries", "default_retry_delay")


def of_task(given: Mapping[str, Any]) -> dict[str, Any]:
    """As ``@app.task`` of ours takes them."""
    said = {name: value for name, value in given.items() if name not in KEPT and value is not None}
    repeated = dict(said.pop("retry_kwargs", {}))
    auto, never = _classes(said.pop("autoretry_for", ())), _classes(said.pop("dont_autoretry_for", ()))
    backoff, cap, jitter = said.pop("retry_backoff", False), said.pop("retry_backoff_max", 600), said.pop("retry_jitter", True)
    most, after = repeated.pop("max_retries", None), repeated.pop("countdown", None)
    if repeated:
        raise InvalidType(f"retry_kwargs takes max_retries and countdown here, not {', '.join(repeated)}")
    if not any(cls is Exception or issubclass(SoftTimeout, cls) for cls in auto):
        never = (*never, SoftTimeout)  # a time limit that has passed is no error that a retry is for
    count = most if auto and most is not None else given.get("max_retries", 3)
    after = given.get("default_retry_delay", 180) if after is None else after
    made = {
        "retries": MAX_RETRIES if count is None else count,
        "retry_on": auto,
        "give_up_on": never,
        "backoff": Backoff(base=max(1, int(backoff)), cap=cap, jitter=jitter) if backoff else after,
        **_times(said),
    }
    return {**made, **said}


def by_hand(given: Mapping[str, Any]) -> int | None:
    """How often ``self.retry()`` runs a job again: as the task says, and no more often than any error does; None: for ever."""
    said = given.get("retries", given.get("max_retries", 3))  # the first is our name for it
    count: int = min(MAX_RETRIES if said is None else said, of_task(given)["retries"])
    return None if count == MAX_RETRIES else count


def of_call(given: Mapping[str, Any]) -> dict[str, Any]:
    """As ``apply_async`` of ours takes them."""
    said = {name: value for name, value in given.items() if value is not None}
    if "link" in said:
        said["on_success"] = _only(said.pop("link"))
    if isinstance(said.get("countdown"), (int, float)):
        said["countdown"] = max(0, said["countdown"])  # as there, what is in the past is now
    for name in ("eta", "expires"):
        if isinstance(said.get(name), datetime):
            said[name] = aware(said[name])
    return {**_times(said), **said}


def aware(moment: datetime) -> datetime:
    """One without a zone is in that of the process's newest Celery app."""
    if moment.tzinfo is not None:
        return moment
    app = newest[0]()
    zone = "UTC" if app is None else app.conf.zone
    return moment.astimezone() if zone is None else moment.replace(tzinfo=ZoneInfo(zone))


def _times(said: dict[str, Any]) -> dict[str, Any]:
    names = {"time_limit": "timeout", "soft_time_limit": "soft_timeout"}
    return {ours: said.pop(theirs) for theirs, ours in names.items() if theirs in said}


def _only(link: Any) -> Any:
    if isinstance(link, (list, tuple)):
        if len(link) != 1:
            raise InvalidArgument(f"link takes one signature here, not {len(link)}: put them into a group")
        return link[0]
    return link


def _classes(given: Any) -> tuple[Any, ...]:
    return tuple(given) if isinstance(given, Iterable) else (given,)
