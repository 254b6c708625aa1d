"""Each list of options is written down once: what follows from it, and where else the name of an option may stand."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import pytest

from litequeue import InvalidType, LiteQueue
from litequeue.alerts.face import Alerts
from litequeue.base.models import JobColumns
from litequeue.cli.grammar import build, flag_of
from litequeue.options import (
    EnqueueOptions,
    JobOptions,
    TaskOptions,
    complete,
    options_of,
)
from litequeue.options.alerts import AlertOptions
from litequeue.options.schedules import ScheduleOptions
from litequeue.options.web import WebOptions
from litequeue.options.workers import EmbeddedOptions, WorkerOptions
from litequeue.schedules.face import Schedules
from litequeue.store.schedules import COLUMNS, RULES
from litequeue.task import Task
from litequeue.worker.config import WorkerConfig

from ..support import ROOT
from . import tables

pytestmark = pytest.mark.beside

LISTS = (TaskOptions, EnqueueOptions, ScheduleOptions, WorkerOptions, EmbeddedOptions, WebOptions, AlertOptions)


# -- what follows from a list ----------------------------------------------------------------------------


@pytest.mark.parametrize("fields", LISTS, ids=lambda fields: fields.__name__)
def test_every_option_has_a_type_a_check_and_a_meaning_and_its_default_passes_the_check(fields: type) -> None:
    hints = get_type_hints(fields, include_extras=True, localns={"ZoneInfo": str})
    assert list(hints) == list(options_of(fields))
    for name, option in options_of(fields).items():
        assert callable(option.kind.check), name
        assert option.meaning and not option.meaning.endswith("."), name
        assert option.default is not None or option.said or name in ("cron", "every", "at", "trigger", "name"), name
    assert complete(fields, {}, "x").keys() == options_of(fields).keys()


@pytest.mark.parametrize(
    ("face", "fields"),
    [
        (LiteQueue.send_task, EnqueueOptions), (Task.apply_async, EnqueueOptions), (Task.delay_many, EnqueueOptions),
        (LiteQueue.worker, EmbeddedOptions), (LiteQueue.run_worker, WorkerOptions), (WorkerConfig.__init__, WorkerOptions),
        (Schedules.add, ScheduleOptions), (Schedules.update, ScheduleOptions), (Alerts.add, AlertOptions),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)  # fmt: skip
def test_signatures_are_the_lists(face: Any, fields: type) -> None:
    """What users and type checkers see: mypy reads the names and types from the list."""
    said = [text for text in face.__annotations__.values() if text.startswith("Unpack[")]
    assert said == [f"Unpack[{fields.__name__}]"]


def commands(parser: argparse.ArgumentParser) -> dict[str, Any]:
    (found,) = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found)


def arguments_of(*words: str) -> dict[str, argparse.Action]:
    parser: Any = build()
    for word in words:
        parser = commands(parser)[word]
        fill, parser.fill = parser.fill, None
        fill(parser)
    return {flag: action for action in parser._actions for flag in action.option_strings}


@pytest.mark.parametrize(
    ("words", "fields", "without"),
    [
        (("worker",), WorkerOptions, set()),
        (("web",), WebOptions, set()),
        (("enqueue",), EnqueueOptions, set()),
        (("alert", "add"), AlertOptions, set()),
        (("schedule", "add"), ScheduleOptions, {"trigger", "args", "kwargs"}),
        (("schedule", "update"), ScheduleOptions, {"trigger", "args", "kwargs"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_command_line_takes_every_option_with_its_help(words: tuple[str, ...], fields: type, without: set[str]) -> None:
    arguments = arguments_of(*words)
    for name, option in options_of(fields).items():
        if name not in without:
            about = str(arguments[flag_of(name)].help)
            assert re.sub('`"?|"`', "", option.meaning).replace("%", "%%") in about, name
            assert '"' not in about and "`" not in about and "datetime" not in about, f"{name}: what can be typed in a shell"


def test_the_columns_that_keep_options_are_those_of_the_lists() -> None:
    kept = {option.column for option in options_of(TaskOptions).values() if option.column}
    assert kept | {"links", "limit_key"} == set(JobColumns._fields), "whether there are callbacks is in a column, and these beside it"
    assert {option.column for option in options_of(JobOptions).values()} < kept, "an enqueue says none that no job keeps"
    assert set(JobColumns._fields) <= set(COLUMNS), "a schedule keeps the job of its ticks"
    assert set(RULES) <= options_of(ScheduleOptions).keys() & set(COLUMNS)


def test_none_is_the_same_as_leaving_it_out(app: LiteQueue) -> None:
    task = app.task(queue=None, retries=None, timeout=None, backoff=None, retry_on=None, at_most_once=None, name="t")(print)
    assert task.__litequeue_code__.columns == JobColumns(max_attempts=1)
    job = task.apply_async((), None, countdown=None, priority=None, expires=None, timeout=None)
    assert job.info().priority == 0
    assert WorkerConfig(threads=None, grace=None, name=None).grace == 30.0


@pytest.mark.parametrize("span", ["1h30m", 5_400, 5_400.0, timedelta(minutes=90), "5400"])
def test_every_length_of_time_may_be_text(app: LiteQueue, span: Any) -> None:
    task = app.task(timeout=span, soft_timeout="1m", expires="2h", result_ttl=span, name="t")(print)
    columns, micros = task.__litequeue_code__.columns, 5_400_000_000
    assert (columns.timeout, columns.soft_timeout) == (micros, 60_000_000)
    assert (task.__litequeue_code__.result_ttl, task.__litequeue_code__.template.expires) == (micros, 7_200_000_000)
    info = task.apply_async(countdown=span, timeout="10s", soft_timeout="1500ms", expires=timedelta(hours=3)).info()
    assert (info.run_at - info.created_at, info.timeout) == (timedelta(minutes=90), 10.0)
    assert info.expires_at == info.created_at + timedelta(hours=3)
    assert WorkerConfig(lease=span).lease == 5_400.0


def test_an_expiry_may_be_a_moment_and_an_unknown_option_names_those_there_are(app: LiteQueue) -> None:
    moment = datetime(2099, 1, 1, tzinfo=UTC)
    assert app.send_task("t", expires=moment).info().expires_at == moment
    for face in (lambda: app.send_task("t", retrys=1), lambda: app.worker(slots=1), lambda: app.schedules.add("s", "t", tz=1)):  # type: ignore[call-arg]
        with pytest.raises(InvalidType, match=r"has no option '\w+'; it has \w+, "):
            face()
    assert app.jobs(state="available")[0].id == 1 and len(app.jobs()) == 1


def test_the_guides_tables_are_the_lists() -> None:
    """Otherwise: python -m tests.options.tables"""
    assert tables.chapters() == tables.written(tables.chapters())


# -- where an option's name occurs -------------------------------------------------------------------------

PLACE = {"soft_timeout": "options/jobs.py", "result_ttl": "options/jobs.py", "keep_discarded": "options/workers.py", "give_up_on": "options/jobs.py",
         "max_jobs_per_child": "options/workers.py", "burst": "options/workers.py", "catch_up": "options/schedules.py"}  # fmt: skip
# Beside its place and its column, only the code that acts on it.
ACTS = {
    "soft_timeout": {
        "tasks/template.py",  # shorter than the timeout?
        "base/errors.py", "worker/timeouts.py", "worker/dispatch.py", "pools/base.py", "pools/child.py",
        "pools/coroutines.py", "pools/threads.py", "testing/simulated/jobs.py", "testing/simulated/world.py",
    },
    "result_ttl": {"tasks/code.py", "worker/dispatch.py", "options/workers.py"},
    "keep_discarded": {"worker/config.py", "worker/coordinator.py", "pools/base.py", "worker/settling.py", "worker/worker.py", "worker/services/maintenance.py"},
    "give_up_on": {"tasks/code.py", "pools/call.py"},
    # An executor says what to write instead of other executors' options, and refuses what would end its worker.
    "max_jobs_per_child": {"worker/pooling.py", "futures/executor.py"},
    "burst": {"cli/fleet/command.py", "cli/worker/command.py", "cli/worker/parent.py", "worker/coordinator.py", "worker/worker.py", "worker/embedded.py", "cli/service.py", "cli/alerts.py", "futures/executor.py"},
    "catch_up": {"triggers/firing.py", "cli/crontabs.py", "cli/crontab_export.py", "base/records.py", "testing/simulated/schedules.py", "web/pages/schedules.py"},
}  # fmt: skip
COLUMN = re.compile(r"base/models\.py|store/.*")
SAID = re.compile(r"(options|cli/grammar)/habits\.py|(celery|compat|django)/.*")  # what people from elsewhere call it, and what that is here


@pytest.mark.parametrize("name", PLACE)
def test_an_options_name_stands_in_its_list_in_its_column_and_where_something_acts_on_it(name: str) -> None:
    """So this is what adding an option touches: no signature, no check, no argument of the command line beside it."""
    package = ROOT / "litequeue"
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py")
        if re.search(rf"\b{name}\b", path.read_text())
    }  # fmt: skip
    assert PLACE[name] in found
    elsewhere = {path for path in found - {PLACE[name]} if not COLUMN.fullmatch(path) and not SAID.fullmatch(path)}
    assert elsewhere <= ACTS[name], "an option's name is written down once more"

