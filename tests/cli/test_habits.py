"""People from elsewhere at the shell: what they type is refused in one line, which says what to type here."""

from __future__ import annotations

import pytest

from litequeue.cli import main
from litequeue.cli.grammar import commands
from litequeue.cli.grammar.habits import COMMANDS, OURS_TOO, VALUES


@pytest.mark.parametrize(("typed", "here"), [
    ("-A proj worker", "here it is: litequeue worker DB --import proj"),
    ("--app=proj.celery:app worker -l INFO", "here it is: litequeue worker DB --log-level info --import proj.celery"),
    ("celery -A proj worker --loglevel=info", "here it is: litequeue worker DB --log-level info --import proj"),
    ("worker -A proj", "worker: here it is: litequeue worker DB --import proj"),
    ("worker db.sqlite -c 4", "worker: here it is: litequeue worker db.sqlite --threads 4"),
    ("worker db.sqlite -c4", "worker: here it is: litequeue worker db.sqlite --threads 4"),
    ("worker db.sqlite --concurrency=4 --burst", "worker: here it is: litequeue worker db.sqlite --threads 4 --burst"),
    ("worker db.sqlite -Q mail,default", "worker: here it is: litequeue worker db.sqlite --queues mail,default"),
    ("worker db.sqlite -B", "worker: here it is: litequeue worker db.sqlite; no -B, since every worker fires the schedules"),
    ("worker db.sqlite -l info", "worker: here it is: litequeue worker db.sqlite --log-level info"),
    ("worker db.sqlite -P gevent", "worker: here it is: litequeue worker db.sqlite; no -P, since each task says its pool, @app.task(pool='process')"),
    ("worker db.sqlite -w 4 -k process", "worker: here it is: litequeue worker db.sqlite --threads 4; no -k, since each task"),
    ("worker queue.data -c 4", "worker: here it is: litequeue worker queue.data --threads 4"),
    ("worker high default", "worker: here it is: litequeue worker DB --queues high,default"),
    ("worker db.sqlite high --with-scheduler", "worker: here it is: litequeue worker db.sqlite --queues high; no --with-scheduler, since"),
    ("beat", "beat is not needed here: every worker fires the schedules"),
    ("-A proj beat -l info", "beat is not needed here"),
    ("-A proj purge -f", "purge is litequeue purge DB state:available here"),
    ("purge", "purge: purge is litequeue purge DB state:available here"),
    ("status", "status is litequeue stats DB here"),
    ("inspect active", "inspect is litequeue stats DB here"),
    ("control shutdown", "control is litequeue pause DB QUEUE here"),
    ("-A proj events", "events is litequeue web DB here"),
    ("flower --port=5555", "flower is litequeue web DB --open here"),
    ("info", "info is litequeue stats DB here"),
    ("requeue --all", "requeue is litequeue retry DB ID here"),
])  # fmt: skip
def test_a_line_of_another_queue_is_refused_with_the_line_that_it_is_here(capsys: pytest.CaptureFixture[str], typed: str, here: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(typed.split())
    said = capsys.readouterr().err
    assert caught.value.code == 2 and said.count("\n") == 1
    assert said.startswith(f"litequeue: {here}")


@pytest.mark.parametrize(("typed", "said"), [
    ("worker db.sqlite --thread 4", "did you mean --threads?"), ("wroker db.sqlite", "did you mean worker?"), ("worker", "required: DB"),
    ("purge db.sqlite", "required: ID | QUERY"), ("events db.sqlite --foo", "unrecognized arguments: --foo"),
])  # fmt: skip
def test_any_other_slip_is_told_as_it_was(capsys: pytest.CaptureFixture[str], typed: str, said: str) -> None:
    with pytest.raises(SystemExit):
        main(typed.split())
    assert said in capsys.readouterr().err


def test_what_is_said_to_type_is_there() -> None:
    actions = [action for action in commands.build()._actions if isinstance(action.choices, dict)]
    ours = actions[0].choices
    assert isinstance(ours, dict)
    assert set(COMMANDS) & set(ours) == set(OURS_TOO)
    for said in COMMANDS.values():
        words = said.split("litequeue ")[1:]
        assert all(word.split()[0] in ours for word in words), said
    worker = ours["worker"]
    worker.fill(worker)
    assert set(VALUES.values()) - {""} <= {option for action in worker._actions for option in action.option_strings}
    assert not [option for option in VALUES if option in worker._option_string_actions and VALUES[option] != option]
