"""Commands as jobs: what is run, what comes back, what is killed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import pwd
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from litequeue.base.backoff import DEFAULT
from litequeue.base.errors import CommandFailed, InvalidArgument, InvalidType, Snooze
from litequeue.base.models import ClaimedJob
from litequeue.commands import account, attempt, supervisor
from litequeue.commands.command import NAME, TASK, check_command, run_command
from litequeue.tasks.context import Host, JobContext, _current
from litequeue.tasks.finding import locate

from ..crash.logged import alive
from ..support import FakeClock, supervisors_of, wait_until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="commands need process groups")


class Run:
    """One command inside a job, and what it said."""

    def __init__(self) -> None:
        job = ClaimedJob(
            7, 2, 0, NAME, "[]", "{}", "default", "async", 0, 0, 0, 1, None, None, 0, 0, 0, None
        )  # fmt: skip
        self.context = JobContext(job, 1, None, 0)
        self.context._host = cast(Host, self)  # of which a command asks nothing else
        self.chunks: list[tuple[float, str, str]] = []

    def printed(self, job: ClaimedJob, number: int, stream: str, text: str) -> bool:
        self.chunks.append((time.monotonic(), stream, text))
        return True

    def said(self, stream: str = "stdout") -> str:
        return "".join(text for _, name, text in self.chunks if name == stream)

    async def __call__(self, *args: Any, **options: Any) -> dict[str, Any]:
        _current.set(self.context)
        return await run_command(*args, **options)

    def start(self, *args: Any, **options: Any) -> asyncio.Task[dict[str, Any]]:
        return asyncio.create_task(self(*args, **options))

    def to_the_end(self, *args: Any, **options: Any) -> dict[str, Any]:
        return asyncio.run(self(*args, **options))


@pytest.fixture
def run() -> Run:
    return Run()


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.005)
    return found


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that is a coroutine."""

    @functools.wraps(test)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return wrapper


def pids(path: Path, count: int) -> Callable[[], list[int]]:
    """The process ids that a command wrote, once there are so many of them."""

    def look() -> list[int]:
        words = path.read_text().split() if path.exists() else []
        return [int(word) for word in words] if len(words) == count else []

    return look


def failure(run: Run, *args: Any, **options: Any) -> CommandFailed:
    with pytest.raises(CommandFailed) as caught:
        run.to_the_end(*args, **options)
    assert (run.context._usage or {}) == caught.value.usage
    return caught.value


# -- what is run -----------------------------------------------------------------------------------------


def test_a_command_that_succeeds(run: Run) -> None:
    usage = run.to_the_end(["sh", "-c", "echo out; echo err >&2"])
    assert (run.said(), run.said("stderr")) == ("out\n", "err\n")
    assert usage == run.context._usage
    assert usage["exit_code"] == 0
    assert 0 < usage["seconds"] < 2
    assert (usage["stdout_bytes"], usage["stderr_bytes"]) == (4, 4)


def test_words_are_not_interpreted(run: Run) -> None:
    words = ["a b", "$HOME", "*", "; rm -rf /", "'\"\\", "", "-n", "é€", "\n", "\udcff"]
    run.to_the_end([sys.executable, "-c", "import sys, os; print([os.fsencode(w) for w in sys.argv[1:]])", *words])
    assert run.said() == f"{[os.fsencode(w) for w in words]}\n"


def test_a_line_is_for_the_shell_to_interpret(run: Run) -> None:
    run.to_the_end(command="echo $((6 * 7)) | tr 4 x; echo 'a  b'")
    assert run.said() == "x2\na  b\n"


def test_the_directory_and_the_environment(run: Run, tmp_path: Path) -> None:
    run.context._database = str(tmp_path / "q.sqlite")
    (tmp_path / "q.sqlite").touch(0o600)
    line = 'pwd; echo "$LITEQUEUE_JOB_ID $LITEQUEUE_ATTEMPT $LITEQUEUE_DB $A"; test -n "$PATH"'
    run.to_the_end(command=line, cwd=str(tmp_path), env={"A": "x = y\nz"})
    assert run.said() == f"{tmp_path}\n7 2 {tmp_path}/q.sqlite x = y\nz\n"


def test_a_command_is_looked_for_in_the_path_that_it_is_given(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o700)
    run.to_the_end(["only-here"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    run.to_the_end(["./only-here"], cwd=str(tmp_path))
    assert run.said() == "found\nfound\n"


def test_the_input(run: Run) -> None:
    run.to_the_end(["cat"], stdin="héllo\nx")
    assert run.said() == "héllo\nx"
    assert run.to_the_end(["cat"])["stdout_bytes"] == 0, "without one there is an end at once"


def test_an_input_larger_than_a_pipe_and_one_that_nobody_reads(run: Run) -> None:
    run.to_the_end(["wc", "-c"], stdin="x" * 1_000_000)
    assert run.said().strip() == "1000000"
    assert run.to_the_end(["true"], stdin="x" * 1_000_000)["exit_code"] == 0


def test_arguments_and_environment_larger_than_a_pipe(run: Run) -> None:
    many = ["x" * 1000] * 300
    run.to_the_end(["sh", "-c", 'echo $# ${#BIG}', "sh", *many], env={"BIG": "y" * 100_000})
    assert run.said() == "300 100000\n"


def test_the_users_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    user = pwd.getpwuid(os.getuid())
    fields = [user.pw_name, "x", user.pw_uid, user.pw_gid, "", str(tmp_path), "/bin/sh"]
    (tmp_path / ".profile").write_text("FROM_PROFILE='so be it'; export FROM_PROFILE\n")
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: pwd.struct_passwd(fields))
    words = ["sh", "-c", 'echo "$FROM_PROFILE|$HOME|$1"', "sh", "a  $b"]
    run.to_the_end(words, user_env=True)
    assert run.said() == f"so be it|{tmp_path}|a  $b\n"
    fields[6] = "/usr/sbin/nologin"
    assert "nologin" in str(failure(Run(), words, user_env=True))


ME = pwd.getpwuid(os.geteuid()).pw_name
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")


def test_a_command_of_a_users_has_what_cron_sets_and_nothing_of_the_worker(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one's own, too, which needs no root."""
    monkeypatch.setenv("ROOTS_PASSWORD", "secret")
    run.to_the_end(command="pwd; env", user=ME, env={"PATH": "/bin", "GREETING": "hello"})
    where, *pairs = run.said().splitlines()
    home = pwd.getpwnam(ME).pw_dir
    assert where == home
    assert {name: value for name, _, value in (pair.partition("=") for pair in pairs) if name not in ("_", "PWD", "OLDPWD", "SHLVL")} == {
        "HOME": home, "LOGNAME": ME, "USER": ME, "SHELL": "/bin/sh", "PATH": "/bin", "GREETING": "hello",
        "LITEQUEUE_JOB_ID": "7", "LITEQUEUE_ATTEMPT": "2",
    }  # fmt: skip


@AS_ROOT
def test_a_command_of_another_users_is_his_and_has_no_group_of_roots(run: Run) -> None:
    run.to_the_end(["sh", "-c", "id -un; id -gn; id -Gn; pwd; echo $HOME $0", "x"], user="daemon", cwd="/", env={"HOME": "/tmp"})
    assert run.said() == "daemon\ndaemon\ndaemon\n/\n/tmp x\n"
    run.to_the_end(["grep", "-E", "Sig(Blk|Ign)|Cap(Eff|Prm)|^Uid", "/proc/self/status"], user="daemon", cwd="/")
    uids, *masks = run.said().splitlines()[5:]
    assert set(uids.split()[1:]) == {str(pwd.getpwnam("daemon").pw_uid)}
    assert [int(mask.split()[1], 16) & 0x7FFFFFFF for mask in masks] == [0, 0, 0, 0]


@AS_ROOT
def test_what_a_command_of_another_users_cannot_do_is_told(run: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    error = failure(run, ["true"], user="daemon", cwd=str(tmp_path))
    assert f"the command was not run: cwd '{tmp_path}': Permission denied (exit code 126)" in str(error)
    error = failure(run, ["no-such-command"], user="daemon", cwd="/", env={"PATH": "/usr/bin"})
    assert "'no-such-command' could not be run: not found in PATH=/usr/bin (exit code 127)" in str(error)
    assert "'/' could not be run: Permission denied (exit code 126)" in str(failure(run, ["/"], user="daemon", cwd="/"))
    path = f"{tmp_path}:/no/such/directory:/dev/null:/bin"
    run.to_the_end(["sh", "-c", "echo $PATH"], user="daemon", cwd="/", env={"PATH": path})
    assert run.said() == f"{path}\n"


@AS_ROOT
@in_loop
async def test_a_command_of_another_users_is_ended_with_all_that_it_started() -> None:
    run = Run()
    task = run.start(command="set -m; sleep 60 & echo $! $$; wait", user="daemon", cwd="/")
    found = list(map(int, (await until(run.said)).split()))
    [guard] = supervisors_of(os.getpid())
    assert {os.stat(f"/proc/{pid}").st_uid for pid in found} == {pwd.getpwnam("daemon").pw_uid}
    assert os.stat(f"/proc/{guard}").st_uid == 0, "its user could end or debug it"
    assert await cancel(task) < 2.0
    assert not any(map(alive, found))


def test_a_worker_runs_no_command_of_a_user_that_it_cannot_become(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no such user here" in str(failure(run, ["true"], user="no-such-user"))
    assert "there is no such user here" in str(failure(run, ["true"], user="\udcff"))
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    error = failure(run, ["true"], user="root")
    assert str(error) == (
        "the command was not run: it runs as root, and only root's worker can run commands as another user; this is uid 54321"
    )


TODAY = 20_000  # a day in 2024, in days since 1970
# Of shadow(5): the password, when it was set, and after how many days it may, must, is warned to be, and is no longer changed; the end.
EXPIRED = {
    "the account": f"*:19000:0:99999:7::{TODAY}:",
    "the account, on the first day": "!:19000:0:99999:7::0:",
    "the password": f"$y$x:{TODAY - 31}:0:30:7:::",
    "the password, from the start": "$y$x:0:0:99999:7:::",
    "the account, without the last field": f"*:19000:0:99999:7::{TODAY}",
    "the password, in the old form": f"$y$x:{TODAY - 31}:0:30",
    "the account, after a blank": f"*:19000:0:99999:7:: {TODAY}:",
    "the password, from the start, after a blank": "$y$x: 0:0:99999:7:::",
}
GOOD = {
    "usual": "$y$x:19000:0:99999:7:::",
    "locked": "!$y$x:19000:0:99999:7:::",
    "without a password": "*:19000::::::",
    "until tomorrow": f"!:{TODAY - 30}:0:30:7::{TODAY + 1}:",
    "set tomorrow": f"$y$x:{TODAY + 1}:0:0:7:::",
    "no numbers": "x:a:b:c:d:e:f:g",
    "cut short": "x",
}


def shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, fields: str) -> None:
    path = tmp_path / "shadow"
    path.write_text(f"other:*:0:0:0:0:0:0:\n{user}:{fields}\n\n")
    monkeypatch.setattr(account, "SHADOW", str(path))
    # The day must not end while a test runs, nor after the fields were put together.
    monkeypatch.setattr(account, "SystemClock", lambda: FakeClock(TODAY * account.DAY + account.DAY - 1))


@pytest.mark.parametrize("fields", EXPIRED.values(), ids=EXPIRED)
def test_nothing_of_an_expired_account_is_run_as_pam_tells_cron(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: str) -> None:
    shadow(tmp_path, monkeypatch, ME, fields)
    error = failure(run, ["touch", f"{tmp_path}/ran"], user=ME)
    assert re.fullmatch(f"the command was not run: the (account|password of) {ME} has expired.*(chage -E|chage -M).*", str(error))
    assert not (tmp_path / "ran").exists()
    run.to_the_end(["touch", f"{tmp_path}/ran"])  # of the worker's own it is not asked
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD)
def test_any_other_account_may_run_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: str) -> None:
    shadow(tmp_path, monkeypatch, ME, fields)
    assert account.why_expired(ME) is None
    assert account.why_expired("other") is not None
    assert account.why_expired("nobody-here") is None
    monkeypatch.setattr(account, "SHADOW", str(tmp_path / "none"))
    assert account.why_expired("other") is None


def test_a_command_that_cannot_become_its_user_is_not_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose root may not."""
    fields = ["nobody", "x", 2**32 - 1, 2**32 - 1, "", "/", "/bin/sh"]
    monkeypatch.setattr(pwd, "getpwnam", lambda name: pwd.struct_passwd(fields))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    error = failure(run, ["touch", f"{tmp_path}/ran"], user="nobody")
    assert "the command was not run: its process could not become nobody: " in str(error)
    assert not (tmp_path / "ran").exists()


def test_no_descriptor_of_ours_and_no_signal_setting_gets_into_the_command(run: Run, tmp_path: Path) -> None:
    with open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)
        listing = "import os; print(*(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if n < '3'))"
        run.to_the_end([sys.executable, "-c", f"{listing}\nprint(sorted(os.listdir('/proc/self/fd')))"])
        run.to_the_end(["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"])
    kinds, numbers, blocked, ignored = run.said().splitlines()
    assert [kind.partition(":")[0] for kind in kinds.split()] == ["/dev/null", "pipe", "pipe"]
    assert numbers == "['0', '1', '2', '3']"  # 3: the directory itself
    assert int(blocked.split()[1], 16) == 0
    assert int(ignored.split()[1], 16) & 0x7FFFFFFF == 0


@pytest.mark.slow
def test_what_it_used(run: Run) -> None:
    burn = (
        "import time; x = bytearray(b'x') * 50_000_000\nend = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass"
    )
    usage = run.to_the_end(["sh", "-c", '"$@"; true', "sh", sys.executable, "-S", "-c", burn])
    assert 0.3 <= usage["cpu_seconds"] < 0.8, "of what it started, too"
    assert usage["seconds"] >= 0.3
    assert 50e6 < usage["max_rss_bytes"] < 90e6


# -- failures --------------------------------------------------------------------------------------------


def test_an_exit_code_is_a_failure(run: Run) -> None:
    error = failure(run, command="echo one >&2; echo two >&2; echo; exit 3")
    assert str(error).startswith("exit code 3 after 0.")
    assert str(error).endswith(" s: one\ntwo")
    assert error.usage["exit_code"] == 3
    assert error.usage["cpu_seconds"] > 0


def test_death_by_a_signal_is_a_failure(run: Run) -> None:
    error = failure(run, command="kill -SEGV $$")
    assert str(error).startswith("killed by SIGSEGV after 0.")
    assert error.usage["exit_code"] is None


def test_what_cannot_be_run_is_named(run: Run, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("echo no\n")
    error = failure(run, ["no-such-command"], env={"PATH": "/usr/bin"})
    assert "'no-such-command' could not be run: not found in PATH=/usr/bin (exit code 127)" in str(error)
    assert error.usage["exit_code"] == 127
    error = failure(run, [f"{tmp_path}/none"])
    assert "no such file" in str(error) and error.usage["exit_code"] == 127
    error = failure(run, [str(plain)])
    assert "Permission denied (exit code 126)" in str(error) and error.usage["exit_code"] == 126
    plain.chmod(0o700)
    assert "Exec format error" in str(failure(run, [str(plain)]))
    error = failure(run, ["true"], cwd=f"{tmp_path}/gone")
    assert f"cwd '{tmp_path}/gone': No such file or directory" in str(error)
    assert failure(run, command="no-such-command").usage["exit_code"] == 127


def test_nothing_is_run_that_others_could_have_written_and_it_waits_until_that_is_mended(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    database = tmp_path / "q.sqlite"
    database.touch()
    database.chmod(0o666)
    run.context._database = str(database)
    with pytest.raises(Snooze):
        run.to_the_end(["touch", str(tmp_path / "ran")])
    assert "job 7 waits a minute: no command that" in caplog.text and "can be written by others" in caplog.text
    assert not (tmp_path / "ran").exists()
    run.context._trusts_anyone = True
    run.to_the_end(["touch", str(tmp_path / "ran")])
    assert (tmp_path / "ran").exists()


@in_loop
async def test_a_supervisor_that_is_killed_fails_the_attempt_and_takes_the_command_along(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(command=f"set -m; sleep 60 & echo $! $$ >> {file}; wait")
    found = await until(pids(file, 2))
    [guard] = supervisors_of(os.getpid())
    os.kill(guard, signal.SIGKILL)
    with pytest.raises(CommandFailed, match="supervisor of the command was killed by SIGKILL"):
        await task
    assert not any(map(alive, found))


@in_loop
async def test_a_signal_to_everybody_is_no_failure(tmp_path: Path) -> None:
    """As when systemd stops the service: the command is ended together with its worker."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        run, file = Run(), tmp_path / f"pids{number}"
        task = run.start(command=f"echo $$ >> {file}; exec sleep 60")
        [pid] = await until(pids(file, 1))
        [guard] = supervisors_of(os.getpid())
        os.kill(pid, number)
        os.kill(guard, number)
        with pytest.raises(Snooze):
            await task


@in_loop
async def test_a_signal_to_the_supervisor_stops_nothing(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(command=f"echo $$ >> {file}; until test -e {tmp_path}/gate; do sleep 0.02; done; echo done")
    [guard] = await until(lambda: supervisors_of(os.getpid()))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # at any instant: it may be starting yet
        os.kill(guard, number)
    await until(pids(file, 1))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(guard, number)
    (tmp_path / "gate").touch()
    await task
    assert run.said() == "done\n"


# -- stopping --------------------------------------------------------------------------------------------

STUBBORN = 'trap "" TERM; sleep 60 & echo $! $$ >> "$0"; wait; sleep 60; sleep 60'


async def cancel(task: asyncio.Task[Any], times: int = 1) -> float:
    """Cancel, and see it end as cancelled. How long that took."""
    begin = time.monotonic()
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0.02)
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - begin


@in_loop
async def test_cancelling_ends_the_command_and_what_it_started(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    # In the background, behind another shell, and in a group of its own.
    line = f"""
        trap 'echo ending; exit 0' TERM
        sleep 60 & echo $! >> {file}
        sh -c 'sleep 60 & echo $! $$ >> {file}; wait' &
        set -m; sleep 60 & echo $! $$ >> {file}
        wait"""
    task = run.start(command=line)
    found = await until(pids(file, 5))
    # Until a child of the shell has become another program, it has the shell's trap, and forgets the signal.
    await until(lambda: [Path(f"/proc/{pid}/comm").read_text() for pid in found].count("sleep\n") == 3)
    assert await cancel(task) < 2.0
    assert not any(map(alive, found))
    assert run.said() == "ending\n", "SIGTERM came first"
    assert run.context._usage is not None and run.context._usage["seconds"] > 0


@pytest.mark.slow
@in_loop
async def test_who_ignores_the_polite_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(["sh", "-c", STUBBORN, str(file)], grace=0.3)
    found = await until(pids(file, 2))
    assert 0.3 <= await cancel(task) < 1.5
    assert not any(map(alive, found))


@pytest.mark.slow
@in_loop
async def test_what_the_command_leaves_when_told_to_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(command=f"(trap '' TERM; echo $$ >> {file}; sleep 60; sleep 60) & echo $! >> {file}; wait", grace=0.3)
    found = await until(pids(file, 2))
    assert 0.3 <= await cancel(task) < 1.5
    assert not any(map(alive, found))


@in_loop
async def test_who_cancels_may_have_less_patience(tmp_path: Path) -> None:
    """A worker that shuts down, or that has lost the lease."""
    run, file = Run(), tmp_path / "pids"
    task = run.start(["sh", "-c", STUBBORN, str(file)], grace=30)
    found = await until(pids(file, 2))
    run.context._cancel(0.0)
    assert await cancel(task) < 1.0
    assert not any(map(alive, found))


@in_loop
async def test_cancelling_twice_kills_at_once(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(["sh", "-c", STUBBORN, str(file)], grace=30)
    found = await until(pids(file, 2))
    assert await cancel(task, times=2) < 1.5
    assert not any(map(alive, found))


@in_loop
async def test_a_stopped_command_is_ended_too(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    task = run.start(command=f"echo $$ >> {file}; exec sleep 60", grace=30)
    [pid] = await until(pids(file, 1))
    os.kill(pid, signal.SIGSTOP)
    assert await cancel(task) < 2.0


@in_loop
async def test_cancelling_before_it_began(tmp_path: Path) -> None:
    for _ in range(3):
        run = Run()
        task = run.start(["sh", "-c", f"sleep 0.2; touch {tmp_path}/ran"])
        await asyncio.sleep(0)
        assert await cancel(task) < 1.0
    assert not (tmp_path / "ran").exists()


@in_loop
async def test_a_result_that_is_there_is_not_cancelled() -> None:
    run = Run()
    task = run.start(command="sleep 1.5 & echo out")
    await until(run.said)  # the command has ended; something it left behind holds its output
    await asyncio.sleep(0.1)
    task.cancel()
    assert (await task)["exit_code"] == 0


@in_loop
async def test_what_is_left_in_the_background_lives_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, file = Run(), tmp_path / "pids"
    monkeypatch.setattr(attempt, "LINGER", 0.2)
    begin = time.monotonic()
    await run(command=f"sleep 60 & echo $! >> {file}; sleep 60 >/dev/null 2>&1 & echo $! >> {file}; echo out")
    assert 0.2 <= time.monotonic() - begin < 2
    found = pids(file, 2)()
    try:
        assert all(map(alive, found))
        assert "left processes behind" in run.said("stderr")
    finally:
        for pid in found:
            os.kill(pid, signal.SIGKILL)


@in_loop
async def test_a_daemon_that_is_silent_costs_no_waiting(tmp_path: Path) -> None:
    run, file = Run(), tmp_path / "pids"
    begin = time.monotonic()
    await run(command=f"setsid sleep 60 >/dev/null 2>&1 & echo $! >> {file}")
    assert time.monotonic() - begin < attempt.LINGER
    os.kill(pids(file, 1)()[0], signal.SIGKILL)
    assert run.said("stderr") == ""


# -- output ----------------------------------------------------------------------------------------------


@in_loop
async def test_output_without_a_line_end_is_seen_while_it_runs(tmp_path: Path) -> None:
    run = Run()
    task = run.start(command=f"printf 'Password?'; until test -e {tmp_path}/gate; do sleep 0.02; done; printf ' no'")
    assert await until(run.said) == "Password?"
    assert not task.done()
    (tmp_path / "gate").touch()
    await task
    assert run.said() == "Password? no"


def test_output_that_is_no_text(run: Run) -> None:
    run.to_the_end(["printf", r"a\377\000\303\251\303"])
    assert run.said() == "a\\xff\\x00é\\xc3"


@pytest.mark.slow
@in_loop
async def test_a_chatty_command_is_handed_on_a_few_times_a_second() -> None:
    run = Run()
    await run([sys.executable, "-u", "-S", "-c", "import time\nfor n in range(40): print(n); time.sleep(0.01)"])
    assert run.said() == "".join(f"{n}\n" for n in range(40))
    assert 2 <= len(run.chunks) <= 5


@pytest.mark.slow
@in_loop
async def test_a_flood_is_bounded_and_disturbs_nobody() -> None:
    run = Run()
    task = run.start(command="echo begin; yes | head -c 300000000; echo end")
    late = []
    while not task.done():
        begin = time.monotonic()
        await asyncio.sleep(0.002)
        late.append(time.monotonic() - begin - 0.002)
    usage = await task
    assert usage["stdout_bytes"] == 300_000_010
    text = run.said()
    assert text.startswith("begin\ny\n") and text.endswith("y\nend\n")
    assert "bytes left out" in text
    seconds = usage["seconds"]
    assert len(run.chunks) <= 4 * seconds + 32  # the first 64 KiB come as the pipe has them
    assert max(len(chunk) for _, _, chunk in run.chunks) <= 16 << 10
    assert sorted(late)[len(late) // 2] < 0.02


def test_nobody_needs_to_take_the_output(run: Run) -> None:
    run.context._host = None
    assert run.to_the_end(["echo", "x"])["stdout_bytes"] == 2


# -- many ------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.beside
def test_thirty_at_once_leave_nothing_behind() -> None:
    async def all_of_them() -> list[dict[str, Any]]:
        gc.collect()  # what earlier tests left open is not of these
        before = descriptors()
        runs = [Run() for _ in range(30)]
        usages = await asyncio.gather(*(r(["sh", "-c", 'echo "$1"', "sh", str(n)], stdin="x") for n, r in enumerate(runs)))
        assert [r.said() for r in runs] == [f"{n}\n" for n in range(30)]
        assert descriptors() == before
        assert zombies() == []
        return usages

    def descriptors() -> list[str]:
        return sorted(os.listdir("/proc/self/fd"))

    def zombies() -> list[str]:
        tasks = "/proc/self/task"
        return [
            pid
            for thread in os.listdir(tasks)
            for pid in Path(tasks, thread, "children").read_text().split()
            if supervisor.is_zombie(pid)
        ]

    assert len(asyncio.run(all_of_them())) == 30


def test_a_start_that_fails_leaves_nothing_behind(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError, match="/no/such/python"):
        run.to_the_end(["true"], stdin="x")
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_loop_that_closes_under_it_kills_it(tmp_path: Path) -> None:
    """As when the pool of an embedded worker stops."""
    run, file = Run(), tmp_path / "pids"
    loop = asyncio.new_event_loop()
    task = loop.create_task(run(["sh", "-c", STUBBORN, str(file)], grace=60))
    loop.call_later(0.01, poll_and_stop := lambda: loop.stop() if pids(file, 2)() else loop.call_later(0.01, poll_and_stop))
    loop.run_forever()
    task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    with contextlib.suppress(RuntimeError):
        task.get_coro().close()  # type: ignore[union-attr]
    wait_until(lambda: not any(map(alive, pids(file, 2)())), 2)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    wait_until(lambda: not supervisors_of(os.getpid()), 2)


# -- arguments of jobs -----------------------------------------------------------------------------------


def test_arguments_that_are_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_command(("ls", "-l")) == {"argv": ["ls", "-l"]}
    assert check_command(command="ls | wc") == {"command": "ls | wc"}
    got = check_command(["ls"], cwd="sub", env={"A": ""}, stdin="", user_env=True)
    assert got == {"argv": ["ls"], "cwd": f"{tmp_path}/sub", "env": {"A": ""}, "stdin": "", "user_env": True}
    assert check_command(["ls"], cwd=tmp_path) == {"argv": ["ls"], "cwd": str(tmp_path)}
    for backoff, delays in ((1.5, [1.5]), (0, [0]), (timedelta(minutes=1), [60]), ([1, timedelta(seconds=2)], [1, 2])):
        assert check_command(["ls"], backoff=backoff) == {"argv": ["ls"], "backoff": delays}
    TASK.check_call((), got)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({}, InvalidArgument, "one of the two"),
        ({"argv": ["ls"], "command": "ls"}, InvalidArgument, "one of the two"),
        ({"argv": []}, InvalidArgument, "must name the command"),
        ({"argv": ["", "x"]}, InvalidArgument, "must name the command"),
        ({"argv": "ls -l"}, InvalidType, "for a line that a shell is to interpret use command"),
        ({"argv": ["ls", 3]}, InvalidType, r"argv\[1\] must be a string, not int: 3"),
        ({"argv": ["ls", "a\0b"]}, InvalidArgument, r"argv\[1\] has a NUL"),
        ({"argv": ["ls", "\ud800"]}, InvalidArgument, r"argv\[1\] cannot be encoded"),
        ({"command": " "}, InvalidArgument, "command is empty"),
        ({"command": ["ls"]}, InvalidType, "command must be a string"),
        ({"argv": ["ls"], "cwd": ""}, InvalidArgument, "cwd is empty"),
        ({"argv": ["ls"], "cwd": 3}, InvalidType, "cwd must be a string"),
        ({"argv": ["ls"], "env": ["A=b"]}, InvalidType, "env must be a dict"),
        ({"argv": ["ls"], "env": {"A=B": "c"}}, InvalidArgument, "has no '='"),
        ({"argv": ["ls"], "env": {"": "c"}}, InvalidArgument, "not empty"),
        ({"argv": ["ls"], "env": {"A": 1}}, InvalidType, r"env\['A'\] must be a string"),
        ({"argv": ["ls"], "stdin": b"x"}, InvalidType, "stdin must be a string"),
        ({"argv": ["ls"], "user": ""}, InvalidArgument, "user is empty"),
        ({"argv": ["ls"], "user": 0}, InvalidType, "user must be a string"),
        ({"argv": ["ls"], "user": "a\0"}, InvalidArgument, "user has a NUL"),
        ({"argv": ["ls"], "user_env": 1}, InvalidType, "user_env must be True or False"),
        ({"argv": ["ls"], "backoff": []}, InvalidArgument, "at least one"),
        ({"argv": ["ls"], "backoff": [-1]}, InvalidArgument, "backoff must be 0 to"),
        ({"argv": ["ls"], "backoff": "soon"}, InvalidArgument, "is no length of time"),
        ({"argv": ["ls"], "backoff": True}, InvalidType, "backoff must be a length of time"),
    ],
)  # fmt: skip
def test_arguments_that_are_wrong(given: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        check_command(**given)


def test_a_planted_backoff_is_as_none() -> None:
    """The pool's own edge falls back where a backoff raises; what is read here raises no more than that."""
    assert TASK.backoff("{}") == DEFAULT
    assert TASK.backoff('{"backoff": [1, 60]}') == (1, 60)
    for planted in ('{"backoff": ["x"]}', '{"backoff": {}}', "[]", "nothing"):
        with pytest.raises((InvalidArgument, ValueError, AttributeError, TypeError)):
            TASK.backoff(planted)


def test_the_task_is_found_where_its_origin_says() -> None:
    assert TASK.name == NAME and TASK.is_async and TASK.columns.pool == "async"
    assert TASK.origin is not None
    assert locate(TASK.origin) is TASK


def test_a_system_without_process_groups_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    error = None
    try:
        asyncio.run(run(["true"]))
    except CommandFailed as caught:
        error = str(caught)
    finally:
        monkeypatch.undo()
    assert error is not None and "process groups" in error
