"""What a Celery worker does with our tasks that is not as simple as a result: kills, timeouts, what waits, what is said."""

from __future__ import annotations

import json

import pytest

from tests.support import wait_until

from .conftest import Site
from .servers import celery_worker, env_of, lines_of, python, run, shop

pytestmark = pytest.mark.slow

START = "import json, time, celeryapp, tasks\nfrom litequeue import *\n"


def printed(site: Site, code: str) -> list[str]:
    return python(site.folder, site.env, START + code).splitlines()


def test_jobs_under_which_workers_die_run_again_and_are_convicted_at_the_third(site: Site) -> None:
    """A process of Celery's pool is killed by its own job, as the kernel does that is out of memory."""
    code = """
jobs = [task.delay() for task in (tasks.kills_once, tasks.killed_once_only, tasks.kills)]
for job in jobs:
    try: print(job.get(timeout=60))
    except JobFailed as error: print(error.type)
"""
    assert printed(site, code) == ["survived", "ProcessDied", "ProcessDied"]
    assert len((site.folder / "killed_once_only").read_text()) == 1, "what may run only once ran again"
    assert len(lines_of(site.folder / "kills")) == 3
    assert "3 workers died while it ran; it is the likely cause" in site.log


def test_who_does_not_heed_a_soft_timeout_is_killed_and_not_tried_again(site: Site) -> None:
    code = """
try: tasks.stubborn.delay().get(timeout=30)
except JobFailed as error: print(error.type, error.message)
"""
    assert printed(site, code) == ["TaskTimeout still running after 0.9 s"]
    assert (site.folder / "stubborn").read_text() == "."


def test_a_job_that_was_not_begun_in_time_is_not_run(site: Site) -> None:
    code = """
celeryapp.celery.control.cancel_consumer("later")
job = tasks.echo.apply_async(("x",), expires=0.2, queue="later")
never = tasks.echo.apply_async(("y",), queue="later")
print(never.state, never.cancel(), never.done())
time.sleep(0.5)
celeryapp.celery.control.add_consumer("later", reply=True)
for handle in (job, never):
    try: handle.get(timeout=20)
    except (JobExpired, JobCancelled) as error: print(type(error).__name__, handle.state, handle.done())
"""
    assert printed(site, code) == ["available True False", "JobExpired expired True", "JobCancelled cancelled True"]


def test_a_second_copy_of_a_moved_job_is_not_run_once_the_first_has_ended_in_whichever_way(site: Site) -> None:
    code = """
for name in ("note", "notes_and_fails"):
    for _ in range(2):
        job_id = celeryapp.exported[f"tasks.{name}"].apply_async((name,), task_id=f"lq-{name}", headers={"litequeue": {"moved": True, "max_attempts": 1}}).id
        try: tasks.app.job(job_id).get(timeout=20)
        except JobFailed as error: print(error)
    print(tasks.app.job(job_id).done())
"""
    assert printed(site, code)[-1] == "True"
    for name in ("note", "notes_and_fails"):
        wait_until(lambda name=name: f"Task tasks.{name}[lq-{name}] ignored" in site.log, 20)
    assert sorted(lines_of(site.folder / "notes")) == ["note", "notes_and_fails"]


def test_what_errors_cannot_say_and_results_that_cannot_go_on(site: Site) -> None:
    code = """
from celery import chain
for task in (tasks.wordless, tasks.leaves):
    try: task.delay().get(timeout=20)
    except JobFailed as error: print(error.type, error.message)
steps = chain(celeryapp.exported["tasks.unstorable"].s(), celeryapp.exported["tasks.echo"].s()).delay()
try: print(steps.get(timeout=5))
except Exception as error: print(type(error).__name__)
"""
    assert printed(site, code) == ["tasks.Wordless <its __str__ raised RuntimeError>", "SystemExit 3", "ResultNotStored"]


def test_hooks_are_called_and_what_they_put_into_the_headers_arrives(site: Site) -> None:
    assert printed(site, "print(tasks.observed.delay().get(timeout=20))") == ["{'trace': '17'}"]
    assert lines_of(site.folder / "hooks") == [
        "run {'trace': '17'} 1", "before", "ended retrying ValueError True", "run {'trace': '17'} 2", "before", "ended succeeded None False",
    ]  # fmt: skip


def test_a_task_that_waits_for_another_needs_a_timeout(site: Site) -> None:
    assert printed(site, "print(tasks.waits_for_another.delay().get(timeout=20))") == ["WouldDeadlock"]


def test_a_chain_of_celerys_own_carries_values_and_promises(site: Site) -> None:
    code = """
from celery import chain, chord, group
add, echo = celeryapp.exported["tasks.add"], celeryapp.exported["tasks.echo"]
print(chain(echo.s((1, {2})), echo.s()).delay().get(timeout=20) == (1, {2}))
print(chord([add.s(n, n) for n in range(3)], echo.s()).delay().get(timeout=20))
print(chain(add.s(1, 2), celeryapp.natively.s()).delay().get(timeout=20))
print(celeryapp.exported["tasks.flaky"].delay().get(timeout=20)[0])
"""
    assert printed(site, code) == ["True", "[0, 2, 4]", "6", "3"]


def test_what_it_cannot_do_says_where_the_jobs_are(site: Site) -> None:
    code = """
import pickle
job = tasks.add.delay(1, 2)
def said(call):
    try: call()
    except Exception as error: print(type(error).__name__, isinstance(error, LitequeueError), str(error)[:48])
for call in (lambda: list(tasks.app.jobs()), tasks.app.stats, lambda: tasks.app.schedules.list(), lambda: chain(tasks.add.s(1, 2), tasks.add.s(3)).delay(),
             job.info, job.retry, lambda: tasks.app.worker(), lambda: tasks.add.delay(1), lambda: tasks.echo.delay(object()), lambda: tasks.app.job(7).get(),
             lambda: tasks.add.delay_many([(1, 2), (3,)]), lambda: tasks.app.job(1.5), lambda: tasks.app.enqueue("litequeue.command", "true"), lambda: pickle.dumps(job)):
    said(call)
for options in ({"unique": "k"}, {"after": job}, {"on_success": tasks.echo}, {"on_failure": tasks.echo}, {"at_most_once": True}, {"countdown": "1h"}, {"timeout": -1}, {"nope": 1}):
    said(lambda: tasks.add.apply_async((1, 2), **options))
print(tasks.app.job(job.id).get(timeout=20), tasks.app.job(job.id) == job)
"""
    told = printed(site, code)
    assert told[-1] == "3 True"
    assert not [line for line in told[:-1] if line.split()[1] != "True"]
    kinds = [line.split()[0] for line in told[:-1]]
    assert kinds == [
        *["CannotOpen"] * 7, "SignatureMismatch", "PayloadError", "JobNotFound", "SignatureMismatch", "InvalidType", "CannotOpen", "InvalidType",
        *["InvalidArgument"] * 7, "InvalidType",
    ]  # fmt: skip
    assert any("unique has no counterpart in Celery" in line for line in told)
    assert any("a job that waits for 3600 s" in line for line in told)


def test_a_worker_whose_pool_knows_no_limits_says_so_as_it_starts(redis: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, env = shop(tmp_path_factory.mktemp("threads")), env_of(redis, 2)
    with celery_worker(folder, env, "-P", "threads", "-c", "2"):
        assert json.loads(python(folder, env, START + "print(json.dumps([tasks.add.delay(1, 2).get(timeout=20), tasks.flaky.delay().get(timeout=20)[0]]))")) == [3, 3]
    log = (folder / "celery.log").read_text()
    assert "timeouts of tasks.slow, tasks.too_slow, tasks.tidy, tasks.stubborn do nothing in this pool: Celery knows limits with -P prefork alone" in log


def test_tasks_of_modules_that_are_imported_later_and_settings_that_are_said_later(redis: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """And without a result backend, in which nobody can look whether a moved job has run."""
    folder, env = shop(tmp_path_factory.mktemp("later")), env_of(redis, 10, BACKEND="")
    (folder / "more.py").write_text("from tasks import app\nimport tasks\n@app.task\ndef later(word):\n    tasks.note.__wrapped__(word)\n")
    text = (folder / "celeryapp.py").read_text().replace('backend=os.environ["BACKEND"]', 'include=["more"]')
    (folder / "celeryapp.py").write_text(f'{text}\ncelery.conf.accept_content = ["json"]\n')
    python(folder, env, "import more; more.later.delay('out of the file')")
    moved = run(folder, env, "-m", "litequeue", "celery-migrate", "db.sqlite", "-A", "celeryapp")
    assert moved.stdout == "moved 1 job to Celery; nothing stays\n", moved.stderr
    with celery_worker(folder, env, "-c", "1"):
        python(folder, env, "import celeryapp, more; more.later.delay('at once')")
        wait_until(lambda: set(lines_of(folder / "notes")) == {"out of the file", "at once"}, 20)


def test_a_wait_that_is_longer_than_redis_allows_is_made_in_pieces_which_count_for_nothing(redis: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, env = shop(tmp_path_factory.mktemp("pieces")), env_of(redis, 12)
    (folder / "celeryapp.py").write_text((folder / "celeryapp.py").read_text() + "\ncelery.conf.broker_transport_options = {'visibility_timeout': 61}\n")
    with celery_worker(folder, env, "-c", "1"):
        code = "begun = time.time()\nprint(tasks.dozes_off.delay(2.6).get(timeout=30), 2.5 < time.time() - begun < 20)"
        assert python(folder, env, START + code) == "(2, 0) True\n"
    assert (folder / "celery.log").read_text().count("retry: Retry in") == 3, "one of a second for each second"


def test_a_higher_priority_goes_first_on_redis(redis: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, env = shop(tmp_path_factory.mktemp("priorities")), env_of(redis, 4)
    code = "for number, priority in enumerate((-1, 0, 1, 5, 0)): tasks.note.apply_async((number,), priority=priority)\nceleryapp.natively.delay(1)\n"
    python(folder, env, START + code)
    with celery_worker(folder, env, "-c", "1"):
        wait_until(lambda: len(lines_of(folder / "notes")) == 5, 20)
    assert lines_of(folder / "notes") == ["3", "2", "1", "4", "0"]
    log = (folder / "celery.log").read_text()
    assert log.index("Task tasks.note") < log.index("Task celeryapp.natively"), "Celery's own tasks came before all of ours"
