"""``app.alerts``: what is watched in the file, from any process.

Owns turning what users write into a row, and the checks that no single option can make. Who looks is ``watching``'s callers.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, NoReturn, Unpack

from ..base import checks
from ..base.errors import AlertNotFound, InvalidArgument
from ..client import Client
from ..commands.command import check_command
from ..options import complete, refuse_unknown
from ..options.alerts import AlertOptions
from ..store.alerts import Alert
from ..store.watched import Watched
from ..task import code_of
from ..tasks import TaskCode
from . import records, telling
from .records import AlertEvent, AlertInfo
from .watching import Watching

NEWEST = 2**63 - 1


class Alerts:
    """The alerts of an app's file. Every change is on disk when the call returns."""

    def __init__(self, client: Client, tasks: dict[str, TaskCode]) -> None:
        self._client = client
        self._tasks = tasks

    def add(self, name: str, *, replace: bool = False, **options: Unpack[AlertOptions]) -> AlertInfo:
        """Watch something: ``app.alerts.add("mail-late", when="oldest queue=mail >5m", for_="2m", mail_to="ops@example.org")``.

        The options are those of ``litequeue.options.alerts.AlertOptions``. Durations are text such as "1h30m", seconds, or timedeltas. At least one
        of ``run``, ``task`` and ``mail_to`` says who is told. ``replace``: in the place of one of this name, which goes on as it stands if it watches the same.
        Raises InvalidArgument for what cannot be, and if the name is taken; InvalidType for an option that there is not.
        """
        checks.name(name, "the alert's name")
        checks.flag(replace, "replace")
        said, origin = self._said(options), None
        if options.get("task") is not None:
            code = code_of(options["task"], self._tasks, self._client)
            template = self._client.template(code)
            said |= {"task": template.task, "job": telling.job_of(template)}
            origin = code.origin if isinstance(code, TaskCode) else None
        if not self._client.store.alerts.put(name, said, origin, self._client.clock.now(), replace=replace):
            raise InvalidArgument(f"there is already an alert named {name}: give another name, or replace=True")
        return self.get(name)

    @staticmethod
    def _said(options: Mapping[str, Any]) -> dict[str, Any]:
        refuse_unknown(AlertOptions, options, "an alert")
        given = complete(AlertOptions, options, "an alert")
        if given["when"] is None:
            raise InvalidArgument("say what is watched, with when=: such as when='oldest queue=mail >5m'")
        if not any(given[whom] for whom in ("run", "task", "mail_to")):
            raise InvalidArgument("say who is told: at least one of run=, task= and mail_to=")
        if given["run"] is not None:
            check_command(command=given["run"])
        return {
            "condition": given["when"], "hold": given["for_"], "keep": given["keep"], "remind": given["remind"], "run": given["run"],
            "mail_to": given["mail_to"], "task": None, "job": None,
        }  # fmt: skip

    def remove(self, name: str) -> None:
        """Watch it no more; nobody is told. Raises AlertNotFound."""
        if not self._client.store.alerts.remove(checks.name(name, "the alert's name")):
            self._unknown(name)

    def pause(self, name: str) -> None:
        """Let nobody look, or be told, until ``resume``. Raises AlertNotFound."""
        self._row(name)
        self._client.store.alerts.pause(name, self._client.clock.now())

    def resume(self, name: str) -> None:
        """Undo ``pause``: it stands as one that is new. Raises AlertNotFound."""
        self._row(name)
        self._client.store.alerts.pause(name, None)

    def test(self, name: str) -> str:
        """Tell as if it fired, called a test, so that somebody sees that it arrives; what is said. It stands as it did. Raises AlertNotFound."""
        row, client = self._row(name), self._client
        now, seen = client.clock.now(), "nothing was looked at"
        jobs = telling.jobs(row, None, seen, Watched(client.store.database).awake(), client.store.reports.paused(), socket.gethostname(), now, client.path)
        text = telling.line(row, None, seen)
        client.ring(client.store.alerts.tell(name, "test", text, jobs, now))
        return text

    def check(self) -> list[str]:
        """Look now at those that are due (each 30 seconds they are), by the same rules as a worker does, and have people told; what they are, a line each. The
        telling itself is done by a worker's jobs: ``litequeue alert check`` also runs those where no worker does."""
        done = Watching(self._client.store, self._client.clock).look()
        self._client.ring(done.addresses)
        return done.told

    # -- looking -------------------------------------------------------------------------------------

    def get(self, name: str) -> AlertInfo:
        """One alert. Raises AlertNotFound."""
        return records.info(self._row(name))

    def history(self, name: str | None = None, *, before: int | None = None, limit: int = 50) -> list[AlertEvent]:
        """What was told, of one or of all, the newest first; the next page is the one ``before`` the last one's id. Kept for 90 days."""
        if name is not None:
            checks.name(name, "the alert's name")
        limit = checks.integer(limit, "limit", 1, 10_000)
        last = NEWEST if before is None else checks.integer(before, "before", 1, NEWEST)
        return [records.event(row) for row in self._client.store.alerts.events(name, last, limit)]

    def list(self) -> list[AlertInfo]:
        """All alerts, by name."""
        return [records.info(row) for row in self._client.store.alerts.all()]

    def _row(self, name: str) -> Alert:
        row = self._client.store.alerts.get(checks.name(name, "the alert's name"))
        return self._unknown(name) if row is None else row

    def _unknown(self, name: str) -> NoReturn:
        import difflib  # where somebody may have mistyped

        near = difflib.get_close_matches(name, [row.name for row in self._client.store.alerts.all()], 2, 0.6)
        raise AlertNotFound(f"there is no alert named {name}{f'; did you mean {near[0]}?' if near else ''}")
