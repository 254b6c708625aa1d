"""The limits of a file as programs and people see them: read and changed at run time.

Owns the checks of a limit, and this face. Who gets a slot is decided in ``store/turn/fill``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .base import checks
from .base.errors import InvalidArgument, InvalidType
from .base.exact import Limit
from .client import Client
from .options import TaskOptions, checked

if TYPE_CHECKING:
    from .base.records import LimitInfo

ALLOWED = ("max_running", "rate")


class Limits:
    """The limits of a file, as they are now."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __iter__(self) -> Iterator[LimitInfo]:
        return iter(self.list())

    def list(self) -> list[LimitInfo]:
        """All of them, by name, each with its keys that have jobs, or had some lately; at most a thousand, those where most wait first."""
        from .base.records import limit_info

        counts = self._client.store.limits.counts(self._client.clock.now())
        return [limit_info(limit, [count for count in counts if count.key.partition(":")[0] == limit.name]) for limit in self._client.store.limits.all()]

    def get(self, name: str) -> LimitInfo:
        """One of them. Raises InvalidArgument where there is none of that name."""
        from .base.records import limit_info

        return limit_info(self._found(name), self._client.store.limits.counts(self._client.clock.now(), name))

    def set(self, name: str, **changes: Any) -> None:
        """Change ``max_running`` or ``rate``, from now on and for all workers; None takes it away. Makes the limit where there is none. What
        runs already runs on. Raises InvalidArgument and InvalidType."""
        for given in changes:
            if given not in ALLOWED:
                raise InvalidType(f"a limit has no option {given!r}; it has {', '.join(ALLOWED)}")
        if not changes:
            raise InvalidArgument(f"say what is to change of the limit {name}: max_running or rate")
        new = limit_of(name, changes)
        known = self._client.store.limits.find(name)
        if known is not None:
            new = Limit(name, *(new[1:2] if "max_running" in changes else known[1:2]), *(new[2:] if "rate" in changes else known[2:]))
        self._client.ring(self._client.store.limits.set(new, self._client.clock.now()))

    def remove(self, name: str) -> None:
        """Let its jobs run without, until the code that declares it says something else than it did. Raises InvalidArgument."""
        found, addresses = self._client.store.limits.remove(checks.name(name, "the limit's name"))
        if not found:
            raise self._unknown(name)
        self._client.ring(addresses)

    def _found(self, name: str) -> Limit:
        found = self._client.store.limits.find(checks.name(name, "the limit's name"))
        if found is None:
            raise self._unknown(name)
        return found

    def _unknown(self, name: str) -> InvalidArgument:
        there = ", ".join(limit.name for limit in self._client.store.limits.all()) or "none"
        return InvalidArgument(f"there is no limit {name} in {self._client.path}; there are: {there}")


def limit_of(name: str, allowed: dict[str, Any]) -> Limit:
    """Checked."""
    checks.name(name, "the limit's name")
    if ":" in name:
        raise InvalidArgument(f"a limit's name has no colon, which is followed by a value in its keys: {name!r:.60}")
    clean = checked(TaskOptions, allowed, "a limit")
    return Limit(name, clean.get("max_running"), *clean.get("rate", (None, None)))


def declared(name: str, allowed: dict[str, Any]) -> Limit:
    """Checked, of code, which says what it limits."""
    limit = limit_of(name, allowed)
    if limit[1:] == (None, None, None):
        raise InvalidArgument(f"the limit {name} allows any number of anything: say max_running or rate")
    return limit
