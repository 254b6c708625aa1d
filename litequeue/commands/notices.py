"""Telling people: the jobs that carry the news of a failure.

Owns what is said, to a command on its standard input, in a mail, or to a handler in code. Pure: makes jobs,
which the caller stores in the transaction in which the failure is ticked off, so that it is told once.

What a command is given is one JSON object, on one line: ``{"event": "discarded", "job": ...}`` with the job as ``job ID --json``
shows it, with what its last attempt printed, or ``{"event": "missed", "schedule": NAME, "ticks": [{"tick": TIME, "reason": TEXT}, ...]}``, where many in a row are one with ``"through": TIME``, or ``{"event": "stuck", "schedule": NAME, "job": ID, "since": TIME}``, or
``{"event": "alert", "alert": NAME, "what": "firing", ...}`` (``of_alert``). Of a job that is
too long to hand on, its parts are left out, the longest-winded first; ``"left_out"`` names them. A mail holds the same
below one line in words and the end of the output; a handler gets the job.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..base.abridged import LONG, PRINTED, abridged
from ..base.checks import address as check_address
from ..base.checks import aware, clean, clean_lines, counted
from ..base.errors import InvalidArgument
from ..base.log import Log
from ..base.models import JobColumns, NewJob, Past
from ..payload import Codec
from ..tasks import TaskCode
from .command import NAME as COMMAND
from .command import check_command

log = Log("litequeue.worker")

RETRIES: Final = 8  # over some minutes: a mail server may be restarted
SECONDS: Final = 300  # for one attempt
SENDMAIL: Final = "/usr/sbin/sendmail"
NO_MAIL: Final = "litequeue: this host has no sendmail, so no mail will be sent; --on-failure runs a command instead"
_HEADER: Final = re.compile(r"[ -~]+(\n [ -~]+)*")  # a line break is one of folding


def sendmail() -> str | None:
    """The host's program for mail, if it has one."""
    import shutil  # and every kind of compression

    found = shutil.which("sendmail")
    return found or (SENDMAIL if os.path.exists(SENDMAIL) else None)


class Listeners(NamedTuple):
    """Who is told."""

    commands: tuple[str, ...] = ()  # for the shell
    mail_to: tuple[str, ...] = ()
    handlers: tuple[TaskCode, ...] = ()

    @classmethod
    def of(
        cls, commands: Iterable[str | None], mail_to: Iterable[str | None], handlers: tuple[TaskCode, ...] = ()
    ) -> Listeners:
        """Of those of a worker and of a schedule: each once, without what is not given."""
        addresses = (address.strip() for several in filter(None, mail_to) for address in several.split(","))
        return cls(tuple(dict.fromkeys(filter(None, commands))), tuple(dict.fromkeys(addresses)), handlers)

    def __bool__(self) -> bool:
        return bool(self.commands or self.mail_to or self.handlers)


def of_job(job: Mapping[str, Any], listeners: Listeners, host: str, now: int) -> list[NewJob]:
    """For a discarded job; ``job`` is as ``job ID --json`` shows it."""
    name, error = job["schedule"] or job["task"], job["last_error"] or ""
    what = f"job {job['id']} ({name[:LONG]}) was discarded: {error[:LONG]}"
    short = abridged(job)
    printed = _printed(short)
    told = _commands_and_mails({"event": "discarded", "job": short}, what, listeners, host, job["queue"], now, printed)
    for code in listeners.handlers:
        _try(told, code.name, lambda code=code: _handler_job(code, short, now))
    return told


def of_missed(
    schedule: str, missed: Sequence[Past], listeners: Listeners, host: str, queue: str, now: int
) -> list[NewJob]:
    """For ticks that were missed beyond their grace."""
    ticks = [
        {"tick": _time(past.tick), **({} if past.through is None else {"through": _time(past.through)}), "reason": past.reason}
        for past in missed
    ]
    more = "more than " if any("through" in tick for tick in ticks) else ""
    last = ticks[-1].get("through", ticks[-1]["tick"])
    what = f"schedule {schedule} missed {more}{counted(len(ticks), 'tick')}, the last at {last}"
    event = {"event": "missed", "schedule": schedule, "ticks": ticks}
    return _commands_and_mails(event, what, listeners, host, queue, now)


def _time(stamp: int) -> str:
    return aware(stamp).isoformat()


def of_stuck(schedule: str, job: int, since: str, listeners: Listeners, host: str, queue: str, now: int) -> list[NewJob]:
    """For a job that does not end and keeps its schedule from going on; ``since``: the time of its tick."""
    what = f"schedule {schedule} does not go on: its job {job}, of the tick at {since}, has not ended"
    return _commands_and_mails({"event": "stuck", "schedule": schedule, "job": job, "since": since}, what, listeners, host, queue, now)


def of_alert(event: Mapping[str, Any], what: str, listeners: Listeners, task: NewJob | None, host: str, queue: str, now: int) -> list[NewJob]:
    """For what an alert has come to, ``what`` in one line; ``task``: that is to have the event as its argument."""
    told = _commands_and_mails(event, what, listeners, host, queue, now)
    if task is not None:
        told.append(task._replace(args=Codec().encode([event], "a notice")))
    return told


def _commands_and_mails(
    event: Mapping[str, Any], what: str, listeners: Listeners, host: str, queue: str, now: int, printed: str = ""
) -> list[NewJob]:
    what, line = clean(what), json.dumps(event) + "\n"
    body = f"{what}\n\n" + (f"It printed:\n\n{printed}\n\n" if printed else "") + json.dumps(event, indent=2) + "\n"
    told: list[NewJob] = []
    for command in listeners.commands:
        _try(told, command, lambda c=command: _command_job(check_command(command=c, stdin=line), queue, now))
    words = [sendmail() or SENDMAIL, "-i", "-t"]
    for address in listeners.mail_to:
        _try(
            told, address,
            lambda a=address: _command_job(check_command(words, stdin=_mail(a, what, body, host)), queue, now),
        )  # fmt: skip
    return told


def _try(told: list[NewJob], whom: str, make: Callable[..., NewJob]) -> None:
    """Add a job; whoever cannot be told (a planted address, say) must not keep the others from it."""
    try:
        told.append(make())
    except Exception as error:  # noqa: BLE001 - of whatever kind: ``email`` raises nearly all there are
        log.error("%s cannot be told of a failure: %s", whom[:LONG], str(error)[:LONG])


def _printed(job: Mapping[str, Any]) -> str:
    """The end of a command's output, for people."""
    pieces = [piece["text"] for piece in job.get("output", ()) if piece["stream"] != "usage"]
    return clean_lines("".join(pieces))[-PRINTED:].strip("\n")


def _mail(address: str, what: str, body: str, host: str) -> str:
    # Half of the standard library, for the few who mail.
    from email.header import Header
    from email.message import EmailMessage

    content = EmailMessage()
    content.set_content(body)
    subject = f"litequeue on {clean(host)}: {what}"[:200]
    # ``email`` decodes what looks encoded in a header that it is given, and before 3.11.10 and 3.12.5 wrote the line breaks in it
    # as they are (CVE-2024-6923). So it is given none: it encodes text, and the lines are ours.
    plain = subject.isascii() and "=?" not in subject
    headers = {
        "To": check_address(address, "mail_to"),
        "Subject": subject if plain else Header(subject, "utf-8", header_name="Subject").encode(),
        "Auto-Submitted": "auto-generated",  # RFC 3834: no vacation notice answers it
    }
    for name, value in headers.items():
        if not _HEADER.fullmatch(value):
            raise InvalidArgument(f"{value!r:.100} cannot stand in a mail's header {name}")
    return "".join(f"{name}: {value}\n" for name, value in headers.items()) + content.as_string()


def _command_job(kwargs: dict[str, Any], queue: str, now: int) -> NewJob:
    columns = JobColumns(queue=queue, pool="async", max_attempts=RETRIES + 1, timeout=SECONDS * 1_000_000)
    return NewJob(COMMAND, "[]", Codec().encode(kwargs, "a notice"), "available", now, now, None, columns)


def _handler_job(code: TaskCode, job: Mapping[str, Any], now: int) -> NewJob:
    # Encoded as any argument: what looks like a tag of the job's own arguments comes back as it is shown.
    text, expires = Codec().encode([job], "a notice"), code.template.expires
    return NewJob(code.name, text, "{}", "available", now, now, None if expires is None else now + expires, code.columns)
