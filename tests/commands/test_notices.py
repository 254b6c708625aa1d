"""What people are told of failures: the text on a command's input, the mail, the handler's argument."""

from __future__ import annotations

import email
import email.policy
import json
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from litequeue import LiteQueue
from litequeue.base.abridged import MOST
from litequeue.base.models import NewJob, Past
from litequeue.commands import notices
from litequeue.commands.notices import Listeners, of_job, of_missed
from litequeue.payload import MAX_BYTES, Codec

pytestmark = pytest.mark.beside

NOW = 1_700_000_000_000_000
ATTEMPT = {"attempt": 1, "outcome": "failed", "error_type": "E", "error_message": "m", "traceback": "t"}


def job(**fields: Any) -> dict[str, Any]:
    return {
        "id": 7, "task": "tasks.f", "schedule": None, "queue": "q", "state": "discarded", "args": [1], "kwargs": {},
        "result": None, "last_error": "ValueError: no", "finished_at": datetime(2026, 3, 1, tzinfo=UTC),
        "attempts": (ATTEMPT,), **fields,
    }  # fmt: skip


def stdin(told: NewJob) -> str:
    text: str = Codec().decode(told.kwargs)["stdin"]
    return text


def mail(told: NewJob) -> EmailMessage:
    found: EmailMessage = email.message_from_string(stdin(told), policy=email.policy.default)  # type: ignore[arg-type]
    return found


def mailed(**fields: Any) -> EmailMessage:
    (told,) = of_job(job(**fields), Listeners(mail_to=("ops@example.org",)), "host", NOW)
    return mail(told)


def test_a_command_gets_the_job_as_json_on_its_input() -> None:
    (told,) = of_job(job(), Listeners(commands=("notify --all",)), "host", NOW)
    assert Codec().decode(told.kwargs)["command"] == "notify --all"
    assert stdin(told).count("\n") == 1 and stdin(told).endswith("\n"), "a line, for who reads lines"
    event = json.loads(stdin(told))
    assert event["event"] == "discarded"
    assert event["job"] == {**job(), "finished_at": "2026-03-01T00:00:00+00:00", "attempts": [ATTEMPT]}
    assert (told.columns.queue, told.state, told.columns.max_attempts) == ("q", "available", notices.RETRIES + 1)


def test_missed_ticks_are_told_with_their_times_and_reasons() -> None:
    first, last = NOW - 86_400_000_000, NOW
    missed = [Past(first, None, "missed", "late"), Past(last, None, "missed", "later")]
    command, sent = of_missed("backup", missed, Listeners(("c",), ("a@b",)), "host", "q", NOW)
    assert json.loads(stdin(command)) == {
        "event": "missed", "schedule": "backup",
        "ticks": [
            {"tick": "2023-11-13T22:13:20+00:00", "reason": "late"}, {"tick": "2023-11-14T22:13:20+00:00", "reason": "later"},
        ],
    }  # fmt: skip
    assert mail(sent)["Subject"] == "litequeue on host: schedule backup missed 2 ticks, the last at 2023-11-14T22:13:20+00:00"


def test_of_ticks_that_nobody_counted_no_number_is_told() -> None:
    through = Past(NOW - 86_400_000_000, NOW, "missed", "many")
    command, sent = of_missed("s", [through], Listeners(("c",), ("a@b",)), "host", "q", NOW)
    assert json.loads(stdin(command))["ticks"] == [
        {"tick": "2023-11-13T22:13:20+00:00", "through": "2023-11-14T22:13:20+00:00", "reason": "many"}
    ]
    assert mail(sent)["Subject"] == "litequeue on host: schedule s missed more than 1 tick, the last at 2023-11-14T22:13:20+00:00"


def test_a_mail_says_in_its_subject_what_happened_and_holds_the_same_as_the_json() -> None:
    found = mailed(schedule="nightly")
    assert found["To"] == "ops@example.org"
    assert found["Subject"] == "litequeue on host: job 7 (nightly) was discarded: ValueError: no"
    assert found["Auto-Submitted"] == "auto-generated"
    words, _, rest = found.get_content().partition("\n\n")
    assert words == "job 7 (nightly) was discarded: ValueError: no"
    assert json.loads(rest)["job"]["id"] == 7


@pytest.mark.parametrize("field", ["task", "last_error"])
def test_no_name_or_error_can_add_a_header_or_a_recipient(field: str) -> None:
    found = mailed(**{field: "x\nBcc: evil@example.org\r\n\r\nbody"})
    assert set(found.keys()) <= {
        "To", "Subject", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version",
    }  # fmt: skip
    assert "\\nBcc: evil@example.org" in found["Subject"]


def test_what_is_no_ascii_arrives() -> None:
    found = mailed(schedule="Übersicht-报告", last_error="Fehler: “ä” 🎉" + "ü" * 500)
    assert "Übersicht-报告" in found["Subject"]
    assert "Fehler: “ä” 🎉" in found.get_content()


@pytest.mark.parametrize("address", ["a\nBcc: b@c", "a\rb", "", "<", "a, ,b@", "ü@ü", "=?", '"', "\udcff", "\0"])
def test_an_address_that_no_mail_can_have_keeps_nobody_else_from_being_told(address: str) -> None:
    listeners = Listeners(("c",), (address, "ops@example.org"))
    told = of_job(job(), listeners, "host", NOW)
    assert len(told) in (2, 3)
    assert mail(told[-1])["To"] == "ops@example.org"
    for notice in told[1:]:
        assert "Bcc" not in mail(notice)


@pytest.mark.parametrize("command", ["  ", "a\0b", "\udcff\ud800"])
def test_a_command_that_nothing_can_run_keeps_nobody_else_from_being_told(command: str) -> None:
    told = of_job(job(), Listeners((command, "good")), "host", NOW)
    assert Codec().decode(told[-1].kwargs)["command"] == "good"
    assert of_missed("s", [Past(NOW, None, "missed", "r")], Listeners((command,)), "host", "q", NOW) == []


def deep(levels: int) -> Any:
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("fields", "left_out"),
    [
        ({"args": ['"' * 900_000]}, "args, kwargs and result"),
        ({"result": "\u20ac" * 100_000}, "args, kwargs and result"),
        ({"args": deep(199)}, "args, kwargs and result"),
        ({"args": [float("nan")]}, "args, kwargs and result"),
        ({"attempts": tuple({**ATTEMPT, "traceback": "x" * 65_000} for _ in range(20))}, "the tracebacks of earlier attempts"),
        ({"task": "t" * 1_000_000, "last_error": "\0" * 1_000_000}, "attempts"),
    ],
)  # fmt: skip
def test_of_a_job_that_is_too_long_to_hand_on_the_rest_is_told(
    app: LiteQueue, fields: dict[str, Any], left_out: str
) -> None:
    @app.on_discarded
    def handler(job: dict[str, Any]) -> None: ...

    listeners = Listeners(("c",), ("a@b",), (handler.__litequeue_code__,))
    command, sent, called = of_job(job(**fields), listeners, "host", NOW)
    shown = json.loads(stdin(command))["job"]
    assert shown["id"] == 7 and left_out in shown["left_out"]
    assert mail(sent)["To"] == "a@b"
    assert Codec().decode(called.args) == [shown]
    assert max(len(told.args) + len(told.kwargs) for told in (command, sent, called)) <= MAX_BYTES
    assert len(stdin(command)) < 2 * MOST


def test_arguments_that_only_their_own_app_can_decode_reach_a_handler_as_they_are_shown(app: LiteQueue) -> None:
    @app.on_discarded
    def handler(job: dict[str, Any]) -> None: ...

    args = [{"$tuple": [1]}, {"$type": ["gone.Money", 3]}, {"$no-such-tag": 1}]
    (told,) = of_job(job(args=args), Listeners(handlers=(handler.__litequeue_code__,)), "host", NOW)
    assert Codec().decode(told.args)[0]["args"] == args


def test_an_address_that_is_none_in_a_planted_row_keeps_no_other_from_being_told() -> None:
    told = of_job(job(), Listeners(("one", "two"), ("jörg@example.org\udcff", "ops@example.org")), "host", NOW)
    assert [Codec().decode(one.kwargs).get("command") for one in told][:2] == ["one", "two"]
    assert mail(told[-1])["To"] == "ops@example.org"


def test_several_addresses_are_told_each_by_a_mail_of_its_own_and_each_once() -> None:
    listeners = Listeners.of((None,), ("ann, ops@example.org", "ops@example.org", None))
    assert listeners.mail_to == ("ann", "ops@example.org")
    assert [mail(told)["To"] for told in of_job(job(), listeners, "host", NOW)] == ["ann", "ops@example.org"]
