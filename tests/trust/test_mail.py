"""Mail. What a job's error or a stored address says must write no header, and keep nobody else from being told."""

from __future__ import annotations

import email
import email.policy
import json
from email.message import EmailMessage
from pathlib import Path

import pytest

from litequeue import InvalidArgument, LiteQueue
from litequeue.base.models import NewJob, Past
from litequeue.commands.notices import Listeners, of_job, of_missed, of_stuck

pytestmark = pytest.mark.beside

OURS = {"To", "Subject", "Auto-Submitted", "Content-Type", "Content-Transfer-Encoding", "MIME-Version"}
FORGING = ["=?utf-8?q?x=0ABcc:_victim@example.org?=", "=?utf-8?b?eApCY2M6IHZpY3RpbUBleGFtcGxlLm9yZw==?= x", "=?utf-8?q?x=0D=0A=0D=0Abody?="]
NO_ADDRESSES = ["a@[", "<@", '"', "=?utf-8?q?x=0ABcc:_victim@example.org?=", "a@b\x00"]
JOB = {
    "id": 7, "task": "t", "schedule": None, "queue": "default", "last_error": "ValueError: x", "attempts": [], "output": [], "args": "[]",
    "kwargs": "{}", "result": None,
}  # fmt: skip


def headers(text: str) -> EmailMessage:
    found: EmailMessage = email.message_from_string(text, policy=email.policy.default)  # type: ignore[arg-type]
    return found


def mails(told: list[NewJob]) -> list[EmailMessage]:
    return [headers(json.loads(job.kwargs)["stdin"]) for job in told]


@pytest.mark.parametrize("text", FORGING)
def test_an_encoded_word_in_an_error_forges_no_header_and_is_told(text: str) -> None:
    found = mails(of_job({**JOB, "last_error": f"ValueError: {text}"}, Listeners(mail_to=("ops@example.org",)), "host", 0))
    assert [set(mail) for mail in found] == [OURS]
    assert found[0].get_content().startswith("job 7 (t) was discarded")


@pytest.mark.parametrize("field", ["schedule", "task"])
@pytest.mark.parametrize("text", FORGING[:1])
def test_an_encoded_word_in_a_name_forges_no_header(text: str, field: str) -> None:
    found = mails(of_job({**JOB, field: text}, Listeners(mail_to=("ops@example.org",)), "host", 0))
    assert [set(mail) for mail in found] == [OURS]


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_what_is_no_address_is_refused_when_it_is_given(db: Path, address: str) -> None:
    with LiteQueue(db) as app, pytest.raises(InvalidArgument):
        app.schedules.add("s", "t", every=60, mail_to=address)


@pytest.mark.parametrize("address", NO_ADDRESSES)
def test_a_stored_address_that_cannot_be_parsed_silences_no_other_listener(address: str) -> None:
    """Whatever ``email`` raises, AttributeError too."""
    listeners = Listeners(("true",), (address, "ops@example.org"))
    tellings = (
        of_job(JOB, listeners, "host", 0),
        of_missed("s", [Past(0, None, "missed", "why")], listeners, "host", "default", 0),
        of_stuck("s", 1, "now", listeners, "host", "default", 0),
    )
    for told in tellings:
        kinds = [json.loads(job.kwargs) for job in told]
        assert kinds[0]["command"] == "true"
        assert headers(kinds[-1]["stdin"])["To"] == "ops@example.org"
        assert all(set(headers(kind["stdin"])) <= OURS for kind in kinds[1:])


# -- what goes on working ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["root", "ops@example.org", "ann, ops@example.org", "ann+cron@sub.example.org"])
def test_an_address_as_people_and_crontabs_give_it_is_taken(db: Path, address: str) -> None:
    with LiteQueue(db) as app:
        assert app.schedules.add("s", "t", every=60, mail_to=address).mail_to == address


@pytest.mark.parametrize("text", ["Übersicht-报告", "50 % of =20 things", "a ?= b =? c", "🎉" * 300])
def test_a_subject_says_what_happened_in_whatever_language(text: str) -> None:
    (mail,) = mails(of_job({**JOB, "last_error": text}, Listeners(mail_to=("ops@example.org",)), "host", 0))
    assert text[:20] in str(mail["Subject"])


