"""What a worker writes on standard error, beside whatever the tasks' own code makes of logging."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from litequeue import JobContext, LiteQueue
from litequeue.base.models import ClaimedJob
from litequeue.cron import zones
from litequeue.pools import job_fields
from litequeue.pools.json_lines import JsonFormatter
from litequeue.pools.logs import OfTasks
from litequeue.tasks.context import _current

from ..support import ROOT, environment, wait_until

pytestmark = [pytest.mark.beside, pytest.mark.slow]

TASKS = """
import logging
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")
CONFIGURE

@app.task
def in_a_thread():
    logging.getLogger("shop").warning("stock is low")
    logging.getLogger("shop").info("counted")

@app.task(pool="process")
def in_a_process():
    logging.getLogger("shop").warning("stock is low")
    logging.getLogger("shop").info("counted")

@app.task
async def in_a_coroutine():
    logging.getLogger("shop").warning("stock is low")
    logging.getLogger("shop").info("counted")
"""


class Ran(NamedTuple):
    ours: list[str]
    theirs: list[str]


def run(folder: Path, configure: str, task: str, *options: str, tasks: str = TASKS) -> Ran:
    (folder / "tasks.py").write_text(tasks.replace("CONFIGURE", configure))
    (folder / "enqueue.py").write_text(f"import tasks; tasks.{task}.delay()")
    subprocess.run([sys.executable, "enqueue.py"], cwd=folder, env=environment(), check=True, capture_output=True)
    worker = subprocess.run(
        [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst", "--import", "tasks", *options],
        cwd=folder, env=environment(), check=True, capture_output=True, text=True,
    )  # fmt: skip
    lines = worker.stderr.splitlines()
    theirs = [line for line in lines if "stock is low" in line or "counted" in line]
    return Ran([line for line in lines if line not in theirs], theirs)


TASKS_OF_ALL_POOLS = pytest.mark.parametrize("task", ["in_a_thread", "in_a_process", "in_a_coroutine"])


@TASKS_OF_ALL_POOLS
def test_code_that_configures_nothing_has_its_warnings_shown_with_their_job(tmp_path: Path, task: str) -> None:
    ran = run(tmp_path, "", task)
    (line,) = ran.theirs
    assert re.fullmatch(rf"[-\d]+ [\d:,]+ WARNING shop: stock is low \(job 1 tasks\.{task}\)", line)
    assert sum("succeeded" in line for line in ran.ours) == 1


def test_what_a_scheduled_task_logs_names_its_schedule() -> None:
    job = ClaimedJob(7, 1, 0, "t", "[]", "{}", "q", "thread", 0, 0, 0, 1, None, None, 0, 0, 0, None, 0, "nightly")
    job_fields.put_on_records()
    token = _current.set(JobContext(job, 1, None, 0))
    try:
        record = logging.getLogger("shop").makeRecord("shop", logging.WARNING, "", 0, "stock is low", (), None)
        assert OfTasks("%(message)s").format(record) == "stock is low (job 7 t (nightly))"
        found = json.loads(JsonFormatter().format(record))
    finally:
        _current.reset(token)
    assert (found["task"], found["schedule"]) == ("t", "nightly")


@TASKS_OF_ALL_POOLS
def test_basic_config_works_as_it_does_everywhere(tmp_path: Path, task: str) -> None:
    ran = run(tmp_path, "logging.basicConfig(level=logging.INFO, format='%(process)d %(thread)d %(processName)s | %(message)s')", task)
    assert [re.sub(r"\d+", "N", line).partition("|")[2] for line in ran.theirs] == [" stock is low", " counted"]
    assert all(re.match(r"\d+ \d+ \S+ \|", line) for line in ran.theirs)
    assert sum("succeeded" in line for line in ran.ours) == 1, "not again through the root"


LEVEL_ALONE = "logging.getLogger('shop').setLevel('INFO')"
OWN_FORMAT = "logging.basicConfig(level='INFO', format='%(job_id)s %(task)s %(attempt)s %(queue)s | %(message)s')\n"


@TASKS_OF_ALL_POOLS
def test_a_format_of_ones_own_may_name_the_job_and_works_outside_of_one_too(tmp_path: Path, task: str) -> None:
    ran = run(tmp_path, OWN_FORMAT + "if 'worker' in __import__('sys').orig_argv: logging.info('stock is low at import')", task)
    (imported, *lines) = ran.theirs
    assert imported == "None None None None | stock is low at import"
    assert [line for line in lines if "import" not in line] == [
        f"1 tasks.{task} 1 default | stock is low", f"1 tasks.{task} 1 default | counted",
    ]  # fmt: skip
    assert not any("Logging error" in line for line in ran.ours)


@TASKS_OF_ALL_POOLS
def test_so_may_one_in_a_program_with_an_embedded_worker(tmp_path: Path, task: str) -> None:
    main = f"if __name__ == '__main__':\n    {task}.delay()\n    with app.worker(burst=True) as worker: worker.join(20)\n"
    (tmp_path / "tasks.py").write_text(TASKS.replace("CONFIGURE", OWN_FORMAT) + main)
    done = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.endswith(("stock is low", "counted"))] == [
        f"1 tasks.{task} 1 default | stock is low", f"1 tasks.{task} 1 default | counted",
    ]  # fmt: skip
    assert sum(line.startswith(f"1 tasks.{task} 1 default | job 1 tasks.{task}: succeeded") for line in lines) == 1
    assert all(" | " in line for line in lines), "no logging error"


TO_STDERR_AND_A_FILE = (
    "import logging.config; logging.config.dictConfig({'version': 1, 'root': {'handlers': ['h', 'f'], 'level': 'INFO'}, 'handlers': {"
    "'h': {'class': 'logging.StreamHandler'}, 'f': {'class': 'logging.FileHandler', 'filename': 'own.log'}}})"
)
IN_THE_TASK = "getLogger = logging.getLogger\nlogging.getLogger = lambda n=None: (logging.basicConfig(level='INFO'), getLogger(n))[1]"


@TASKS_OF_ALL_POOLS
@pytest.mark.parametrize("configure", [LEVEL_ALONE, OWN_FORMAT, TO_STDERR_AND_A_FILE, IN_THE_TASK], ids=["level", "basic", "dict", "late"])
def test_as_json_each_line_is_an_object_whatever_the_code_configures(tmp_path: Path, task: str, configure: str) -> None:
    ran = run(tmp_path, configure, task, "--log-json")
    for line, message in zip(ran.theirs, ["stock is low", "counted"], strict=True):
        found = json.loads(line)
        assert (found["message"], found["logger"], found["job_id"], found["task"], found["attempt"], found["queue"]) == (
            message, "shop", 1, f"tasks.{task}", 1, "default"
        )  # fmt: skip
    assert all(json.loads(line)["logger"].startswith("litequeue.") for line in ran.ours)
    if configure is TO_STDERR_AND_A_FILE:
        assert (tmp_path / "own.log").read_text() == "stock is low\ncounted\n"


@pytest.mark.parametrize("options", [(), ("--log-json",)], ids=["plain", "json"])
def test_a_line_whose_arguments_do_not_fit_is_not_lost(tmp_path: Path, options: tuple[str, ...]) -> None:
    wrong = TASKS.replace('"stock is low"', '"stock is low: %d", "very"')
    (line,) = run(tmp_path, "", "in_a_thread", *options, tasks=wrong).theirs
    assert "stock is low: %d ('very',) (logged in tasks.py:10 with a TypeError: " in line
    assert "tasks.in_a_thread" in line


def test_a_program_that_runs_no_worker_has_its_logging_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS.replace("CONFIGURE", ""))
    code = (
        "import logging, sys; before = logging.Logger.makeRecord, logging.StreamHandler.format, logging.getLogRecordFactory()\n"
        "import tasks; tasks.in_a_thread.delay()\n"
        "assert before == (logging.Logger.makeRecord, logging.StreamHandler.format, logging.getLogRecordFactory())\n"
        "print([name for name in sys.modules if name.startswith('litequeue.pools')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_guides_rules_hold_as_its_example_shows_them(tmp_path: Path) -> None:
    text = (ROOT / "litequeue/guide/operating.md").read_text().partition("### Logging in tasks")[2]
    (module,), (shown,) = re.findall(r"```python\n# shop.py\n(.*?)```", text, re.DOTALL), re.findall(r"```\n({.*?})\n```", text, re.DOTALL)
    program, by_the_task = re.findall(r"`(INFO \[.*?)`", text)
    (tmp_path / "shop.py").write_text(module)
    done = subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr == f"{program}\n"
    command = [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert by_the_task in done.stderr.splitlines()
    subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, env=environment(), capture_output=True, check=True)
    done = subprocess.run([*command, "--log-json"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    (line,) = (line for line in map(json.loads, done.stderr.splitlines()) if line["logger"] == "shop")
    expected = json.loads(shown.replace("\n", ""))
    assert list(line) == list(expected)
    assert line == expected | {"time": line["time"], "job_id": 2}


@TASKS_OF_ALL_POOLS
@pytest.mark.parametrize("how", ["dict", "force"])
def test_a_configuration_that_disables_what_it_does_not_name_silences_no_worker(tmp_path: Path, task: str, how: str) -> None:
    configure = {
        "dict": "import logging.config; logging.config.dictConfig({'version': 1, 'handlers': {'h': {'class': "
        "'logging.StreamHandler'}}, 'root': {'handlers': ['h'], 'level': 'INFO'}})",
        "force": "logging.basicConfig(level='INFO', force=True)",
    }[how]
    ran = run(tmp_path, configure, task)
    assert len(ran.theirs) == 2
    assert sum("succeeded" in line for line in ran.ours) == 1
    assert sum("stopped" in line for line in ran.ours) == 1


def test_a_switch_of_the_whole_process_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "switches.py").write_text(
        "import logging\nfrom litequeue import LiteQueue\napp = LiteQueue('db.sqlite')\n@app.task\ndef see():\n"
        "    return [logging.logThreads, logging.logProcesses, logging.logMultiprocessing, logging.raiseExceptions,\n"
        "            logging.getLogger().handlers, logging.getLogger().level]\n"
    )
    code = "import switches; job = switches.see.delay(); print(job.id)"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True, capture_output=True)
    command = [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst", "--import", "switches"]
    subprocess.run(command, cwd=tmp_path, env=environment(), check=True, capture_output=True)
    code = "import switches; print(switches.app.job(1).get(timeout=1))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment(), check=True, capture_output=True, text=True)
    assert done.stdout == "[True, True, True, True, [], 30]\n"


# -- what is buffered ----------------------------------------------------------------------------------------------

BUFFERS = """
import atexit, logging, logging.handlers, os, sys, time
from litequeue import LiteQueue

app = LiteQueue("db.sqlite")
memory = logging.handlers.MemoryHandler(100, target=logging.FileHandler("kept.log"))
logging.getLogger("shop").addHandler(memory)

def work():
    atexit.register(lambda: open("at-exit", "a").write("done"))
    print("printed", os.getpid())
    logging.getLogger("shop").warning("buffered")

work_thread = app.task(work, name="in_a_thread")
work_process = app.task(work, name="in_a_process", pool="process")

@app.task(name="never_ends")
def never_ends():
    print("begun")
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""


def buffering(folder: Path, task: str) -> subprocess.Popen[str]:
    (folder / "buffers.py").write_text(BUFFERS)
    code = f"import buffers; buffers.app.enqueue({task!r})"
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment(), check=True, capture_output=True)
    return subprocess.Popen(
        [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--import", "buffers", "--grace", "0.2"],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("task", ["in_a_thread", "in_a_process"])
def test_at_a_stop_nothing_that_a_task_has_buffered_is_lost(tmp_path: Path, task: str) -> None:
    worker = buffering(tmp_path, task)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        app.job(1).get(timeout=20)
    worker.terminate()
    printed, _ = worker.communicate(timeout=20)
    assert re.fullmatch(r"printed \d+\n", printed)
    assert (tmp_path / "at-exit").read_text() == "done"
    assert "buffered" in (tmp_path / "kept.log").read_text()


def test_what_tasks_printed_comes_out_of_a_worker_that_leaves_a_thread_behind(tmp_path: Path) -> None:
    worker = buffering(tmp_path, "never_ends")
    with LiteQueue(tmp_path / "db.sqlite") as app:
        wait_until(lambda: app.job(1).state == "running", 20)
    worker.terminate()
    printed, _ = worker.communicate(timeout=20)
    assert printed == "begun\n"


@pytest.mark.parametrize(
    ("variable", "set_by_a_module", "offset"),
    [(None, "", ""), ("Asia/Tokyo", "", r"\+0900"), (None, "Asia/Tokyo", r"\+0900"), ("UTC", "", "")],
)
def test_a_time_that_is_not_the_hosts_says_its_offset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, set_by_a_module: str, offset: str
) -> None:
    """Django sets TZ, and from then on the log's times were hours away from those before."""
    if zones.host_name() not in ("UTC", "Etc/UTC"):
        pytest.skip("needs a host whose clock shows UTC")
    if variable is None:
        monkeypatch.delenv("TZ", raising=False)
    else:
        monkeypatch.setenv("TZ", variable)
    configure = f"import os, time; os.environ['TZ'] = {set_by_a_module!r}; time.tzset()" if set_by_a_module else ""
    ran = run(tmp_path, configure, "in_a_thread")
    line = next(line for line in ran.ours if "succeeded" in line)
    assert re.match(rf"[-\d]+ [\d:]+,\d{{3}}{offset} INFO ", line)
    assert re.match(rf"[-\d]+ [\d:]+,\d{{3}}{offset} WARNING shop", ran.theirs[0])
