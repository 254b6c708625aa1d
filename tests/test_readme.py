"""The README and the guide: their code runs as it stands, and what they say of options, commands and tests is so."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli.grammar import commands
from litequeue.cli.schedules import NO_WORKER
from litequeue.options import TaskOptions, options_of
from litequeue.options.schedules import RuleOptions

from .prepared import litequeue
from .support import ROOT, environment, worker_process

pytestmark = pytest.mark.beside

README = (ROOT / "README.md").read_text()
GUIDE = {path.stem: path.read_text() for path in sorted((ROOT / "litequeue" / "guide").glob("*.md"))}
PLACES = {ROOT / "README.md": README} | {ROOT / "litequeue" / "guide" / f"{name}.md": text for name, text in GUIDE.items()}


def blocks(text: str) -> list[str]:
    """The Python in a text."""
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def session(text: str) -> list[str]:
    """What a text types at a shell; a line may go on after a backslash, or an &&."""
    return re.findall(r"^\$ ((?:.*(?:\\|&&)\n)*.*)$", text, re.MULTILINE)


BLOCKS = blocks(README)
TASKS = blocks(GUIDE["tasks"])
OF_PEERS = {"celery", "django", "frameworks"}  # chapters whose code is run with the libraries that they are about, in tests/peers
(NIGHTLY,) = (block for block in blocks(GUIDE["schedules"]) if "# nightly.py" in block)


@pytest.mark.slow
def test_the_first_example_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(BLOCKS[0])
    with worker_process(Path("db.sqlite"), cwd=tmp_path, wait=False):
        done = subprocess.run(
            [sys.executable, "-W", "error", "tasks.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip
    assert (done.stdout, done.stderr) == ("8\n", "")


@pytest.mark.slow
def test_the_tests_of_the_guide_pass(tmp_path: Path) -> None:
    program, *tests = blocks(GUIDE["testing"].partition("## Simulating")[0])
    (tmp_path / "shop.py").write_text(program)
    (tmp_path / "test_shop.py").write_text("from shop import app, sent, sign_up, welcome\n\n" + "\n".join(tests))
    words = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert f"{''.join(tests).count('def test_')} passed" in done.stdout, done.stdout
    assert not (tmp_path / "db.sqlite").exists()


@pytest.mark.slow
def test_the_chapter_of_tasks_is_one_file_as_it_says(tmp_path: Path) -> None:
    extra = """
    with app.worker():
        for path in ("missing", "unfinished", "locked"):
            try:
                print(import_file.delay(path).get(timeout=10))
            except Exception as error:
                print(error)
"""
    chapter = "".join(TASKS)
    (tmp_path / "tasks.py").write_text(chapter + extra)
    done = subprocess.run(
        [sys.executable, "tasks.py"], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip
    *printed, missing, unfinished, locked = done.stdout.splitlines()
    assert printed == re.findall(r"^ *print\(.*\)  # (.*)$", chapter, re.MULTILINE), done.stderr
    assert "stay queued" not in done.stderr, "all of it is one app"
    assert missing.endswith(" failed: Discard: there is no such file")
    assert (unfinished, locked) == ("imported unfinished at attempt 2", "imported locked at attempt 3")
    done = litequeue("worker", "db.sqlite", "--import", "tasks", "--burst", cwd=tmp_path)
    assert done.returncode == 0 and "its code" not in done.stderr, done.stderr


@pytest.mark.slow
def test_the_example_of_schedules_is_declared_by_the_worker_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "nightly.py").write_text(NIGHTLY)
    subprocess.run([sys.executable, "nightly.py"], cwd=tmp_path, env=environment(), timeout=30, check=True)
    done = litequeue("worker", "db.sqlite", "--import", "nightly", "--burst", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    listed = litequeue("schedules", "db.sqlite", cwd=tmp_path).stdout
    assert re.search(r"month-report +active .* at 09:00 on the 1st of every month", listed), listed
    assert re.search(r"nightly.backup_database +active .* at 03:00 every day \(Europe/Berlin\)", listed), listed
    assert re.search(r"nightly.refresh_feeds +active .* every 15 minutes", listed), listed
    run = litequeue("schedule", "run", "db.sqlite", "nightly.backup_database", cwd=tmp_path).stdout.strip()
    litequeue("worker", "db.sqlite", "--import", "nightly", "--burst", cwd=tmp_path)
    assert "the backup of 20" in litequeue("job", "db.sqlite", run, cwd=tmp_path).stdout


def test_the_table_of_a_schedules_options_is_complete() -> None:
    table = GUIDE["schedules"].split("| option | what becomes of a tick | default |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert documented == options_of(RuleOptions).keys()


@pytest.mark.slow
def test_the_commands_that_replace_cron_do(tmp_path: Path) -> None:
    """As the chapter types them, with another crontab and without a running systemd."""
    typed = session(GUIDE["cron"])
    crontab = tmp_path / "bin" / "crontab"
    crontab.parent.mkdir()
    removed = tmp_path / "removed"
    crontab.write_text(f"#!/bin/sh\n[ $1 = -r ] && exec touch {removed}\necho '30 2 * * * echo backup'\n")
    for name in ("crontab", "systemctl", "loginctl", "pg_dump", "rsync", "sleep"):
        (crontab.parent / name).write_text(crontab.read_text() if name == "crontab" else "#!/bin/sh\necho $0 $*\n")
        (crontab.parent / name).chmod(0o755)
    env = {**environment(), "HOME": str(tmp_path), "PATH": f"{crontab.parent}:{os.environ['PATH']}", "PGPASSWORD": "battery staple"}
    assert len(typed) == 13
    for line in typed:
        line = line.replace("python -m", f"{sys.executable} -m")
        done = subprocess.run(line, shell=True, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=30, check=False)
        said = f"{NO_WORKER}\n" if line.endswith("schedules db.sqlite") else ""  # systemd would have started one
        assert (done.returncode, done.stderr) == (0, said), line
        if (tmp_path / "db.sqlite").exists():  # never do both run a job, and at no time neither
            with LiteQueue(tmp_path / "db.sqlite") as app:
                (state,) = {info.state for info in app.schedules.list() if info.name == "echo"}
            assert state == ("active" if removed.exists() else "paused"), line
    assert removed.exists() and (tmp_path / "crontab.old").read_text() == "30 2 * * * echo backup\n"
    assert "ExecStart" in (tmp_path / ".config/systemd/user/litequeue-db.service").read_text()
    burst = [sys.executable, "-m", "litequeue", "worker", "db.sqlite", "--burst"]
    subprocess.run(burst, cwd=tmp_path, env=env, timeout=30, check=True, capture_output=True)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        assert [info.name for info in app.schedules.list()] == ["echo", "nightly", "remote"]
        assert '"secret_env":{"PGPASSWORD":"***"}' in app.schedules.get("remote").masked().kwargs
        (job,) = app.jobs()
        assert job.state == "succeeded"
        assert [p.text for p in app.job(job.id).output() if p.stream == "stdout"] == [
            f"{crontab.parent}/rsync -a src/ backup/\n"
        ]


def test_the_table_of_options_is_complete() -> None:
    table = GUIDE["tasks"].split("| option | meaning | default |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    assert documented == options_of(TaskOptions).keys()


def test_the_table_of_commands_is_complete() -> None:
    table = GUIDE["operating"].split("| command | |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`([\w-]+)", "".join(line.split("|")[1] for line in table.splitlines()[2:])))
    actions = [a for a in commands.build()._actions if hasattr(a, "choices") and isinstance(a.choices, dict)]
    assert documented == set(actions[0].choices)
    said = GUIDE["workers"].split("## The command")[1].split("| option | meaning | default |")[1].split("\n\nStart")[0]
    worker = actions[0].choices["worker"]
    worker.fill(worker)
    flags = set(re.findall(r"--[a-z][\w-]*", said))
    assert flags == {o for a in worker._actions for o in a.option_strings} - {"-h", "--help"}


def test_the_states_of_the_readme_are_the_states() -> None:
    from litequeue.base.states import STATES

    section = GUIDE["tasks"].split("## States")[1].split("## Threads")[0]
    assert all(state in section for state in STATES)


def test_the_commands_of_a_session_exist(tmp_path: Path) -> None:
    with LiteQueue(tmp_path / "db") as app:
        app.enqueue("t")
    for command in ("worker", "enqueue", "jobs", "job", "retry", "cancel", "pause", "resume", "stats", "bench", "demo", "help"):
        assert litequeue(command, "--help").returncode == 0


def named(text: str) -> list[str]:
    """The tests that a text names: ``crash/test_races: `one`, `another`; pools/test_contract: `a_third```. They exist."""
    where, found = "", []
    for file, test in re.findall(r"(?:([\w/]+): )?`(\w+)`(?=[,;\]\n ])", text):
        where = file or where
        source = (ROOT / "tests" / f"{where}.py").read_text()
        assert re.search(rf"def test_{test}\(", source), f"{where} has no test_{test}"
        found.append(test)
    return found


def test_every_promise_names_tests_that_exist() -> None:
    section = GUIDE["guarantees"].split("## What is guaranteed")[1].split("## What is not guaranteed")[0]
    promises = section.split("\n- **")[1:]
    for promise in promises:
        assert named(promise[promise.rindex("["):]), promise
    in_short = README.split("## What is guaranteed")[1].split("\n\n[Guarantees]")[0]
    assert in_short.count("\n- ") == len(promises)


def test_every_row_of_the_comparison_names_tests_that_exist() -> None:
    table, _, tests = README.split("## What it does")[1].split("## What is guaranteed")[0].partition("held by these tests")
    rows = [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| ")]
    held = dict(re.findall(r"^- ([^\[]+) (\[[^]]+\])$", tests, re.MULTILINE))
    assert rows[1:] == list(held)
    assert all(map(named, held.values()))
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {7}


# -- the pages -----------------------------------------------------------------------------------------------


def test_the_readme_is_a_page_that_one_reads() -> None:
    assert len(README.splitlines()) <= 250
    assert len(BLOCKS) == 1, "what is not the first example belongs into a chapter, where its code is run"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, text in GUIDE.items() if blocks(text) and name not in OF_PEERS])
def test_the_code_of_a_chapter_runs_and_prints_what_it_says(tmp_path: Path, name: str) -> None:
    """A chapter's blocks are one program, so that each may build on earlier ones, and on a key that it has made."""
    for line in session(GUIDE[name]):
        if "signing-key" in line:
            assert litequeue(*line.replace("~", str(tmp_path)).split()[3:]).returncode == 0
    code = "\n".join(blocks(GUIDE[name]))
    file = re.match(r"# (\w+\.py)\n", code)
    script = tmp_path / (file[1] if file else f"{name}.py")
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script.name], cwd=tmp_path, env={**environment(), "HOME": str(tmp_path)}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"^ *print\(.*\)  # (.*)$", code, re.MULTILINE), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, text in GUIDE.items() if session(text) and name not in {"cron", *OF_PEERS}])
def test_what_a_chapter_types_at_a_shell_works(tmp_path: Path, name: str) -> None:
    """On a file with a job that has run and one that failed; cron's own commands have a test of their own."""
    (tmp_path / "tasks.py").write_text(BLOCKS[0])
    (tmp_path / "nightly.py").write_text(NIGHTLY)
    with LiteQueue(tmp_path / "db.sqlite") as app:
        app.enqueue("tasks.add", 4, 4)
        app.enqueue("tasks.add", 4, "four")
    assert litequeue("worker", "db.sqlite", "--burst", "--import", "tasks", cwd=tmp_path).returncode == 0
    for line in session(GUIDE[name]):
        if "sqlite3 " in line and shutil.which("sqlite3") is None:
            continue
        line = line.replace("python -m", f"{sys.executable} -m")
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env={**environment(), "HOME": str(tmp_path)}, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        assert done.stdout or ".backup" in line, line
    assert litequeue("worker", "db.sqlite", "--burst", "--import", "tasks", cwd=tmp_path).returncode == 0
    with LiteQueue(tmp_path / "db.sqlite") as app:
        ends = [(info.state, info.result) for info in app.jobs(task="tasks.add")]
    assert set(ends) == {("succeeded", "8"), ("discarded", None)}


@pytest.mark.parametrize("page", PLACES, ids=lambda page: page.stem)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", PLACES[page], flags=re.DOTALL | re.MULTILINE)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    assert links or page.stem == "inside"
    for link in links:
        target, _, section = link.partition("#")
        assert (page.parent / target).is_file(), link
        assert not section, "headings may be worded anew"


def test_the_figures_of_the_chapter_on_speed_are_lines_of_bench() -> None:
    source = "".join(path.read_text() for path in (ROOT / "litequeue/cli/bench").glob("*.py"))
    named = [re.sub(r"\\\{.*?\\\}", ".+", re.escape(name.strip())) for name in re.findall(r'Figure\(\s*f?"(.*?)",', source)]
    assert len(named) > 20
    rows = GUIDE["speed"].split("| the line of `bench` |")[1].split("\n\n")[0].splitlines()[2:]
    for row in rows:
        name = row.split("|")[1].strip()
        assert any(re.fullmatch(pattern, name) for pattern in named), f"bench prints no {name}"
    assert len(rows) > 20


def test_the_readme_leads_to_every_chapter_and_example() -> None:
    links = set(re.findall(r"\]\(([^)\s]+)\)", README))
    assert {f"litequeue/guide/{name}.md" for name in GUIDE} <= links
    assert {f"examples/{path.name}" for path in (ROOT / "examples").glob("*.py")} <= links


@pytest.mark.parametrize("name", GUIDE)
def test_a_chapter_begins_with_what_it_is_about_and_ends_with_where_to_read_on(name: str) -> None:
    text = GUIDE[name]
    title, sentence, *rest = text.split("\n\n")
    assert re.fullmatch(r"# [A-Z][\w ]+", title)
    assert re.fullmatch(r"[A-Z][^.]+\.", sentence.strip())
    assert not rest or re.fullmatch(r"Read on: (\[[\w ]+\]\(\w+\.md\)(, |\.\n))+", rest[-1])


@pytest.mark.parametrize("name", GUIDE)
def test_a_chapter_can_be_shown_on_any_terminal(name: str) -> None:
    assert GUIDE[name].isascii()
    code = re.findall(r"^```.*?\n(.*?)^```", GUIDE[name], re.DOTALL | re.MULTILINE)
    assert max((len(line) for block in code for line in block.splitlines()), default=0) <= 76  # and four before it
