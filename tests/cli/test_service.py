"""The units that ``service`` prints: their quoting, and what the system's own checker says of them."""

from __future__ import annotations

import contextlib
import os
import plistlib
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from litequeue import InvalidArgument, LiteQueue
from litequeue.cli.units import Unit, launchd, systemd, unit_name

from ..prepared import litequeue
from ..support import ROOT, environment, registered, wait_until

pytestmark = pytest.mark.beside

PYTHON = "/usr/bin/python3"
STRANGE = "/srv/a b/$HOME ${x}/50%h/\"quo'ted\"\\"


def unit(
    db: str = "/srv/db.sqlite", python: str = PYTHON, *, user: bool = True, **more: object
) -> dict[str, list[str]]:
    """The settings of a unit, each with its values as they are written."""
    options = {"name": "shop", "grace": 30.0, "directory": "/srv", **more}
    return settings(systemd(Unit(db, python, user=user, **options)))  # type: ignore[arg-type]


def settings(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def words(value: str) -> list[str]:
    """As systemd splits one: quotes and backslashes as in a shell, and %% for %."""
    return [word.replace("%%", "%") for word in shlex.split(value)]


def test_the_unit_of_a_user() -> None:
    assert systemd(Unit(
        "/home/ann/db.sqlite", PYTHON, name="shop", user=True, grace=45, directory="/home/ann", extra=["--threads", "8"]
    )) == (
        "# Keeps a litequeue worker up for /home/ann/db.sqlite\n"
        "#\n"
        "# 1. Save this as ~/.config/systemd/user/shop.service\n"
        "# 2. systemctl --user daemon-reload && systemctl --user enable --now shop.service\n"
        "# 3. loginctl enable-linger $USER   (to run from boot on, and while you are logged out)\n"
        "# Its log: journalctl --user -u shop.service -f   Stop it: systemctl --user disable --now shop.service\n"
        "\n"
        "[Unit]\n"
        "Description=litequeue worker (shop)\n"
        "RequiresMountsFor=/home/ann\n"
        "# A full disk or a lock held for long passes, so the starts are not counted. What a start cannot mend is below.\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        "# It says itself when it is up, and that it moves; one that has not moved for so long is killed, and started again.\n"
        "Type=notify\n"
        "NotifyAccess=main\n"
        "WatchdogSec=300\n"
        "# A first import may take its time.\n"
        "TimeoutStartSec=900\n"
        "WorkingDirectory=/home/ann\n"
        "# What jobs print reaches the log at once.\n"
        "Environment=PYTHONUNBUFFERED=1\n"
        "# These are for the worker, and not for the commands that it runs.\n"
        "Environment=LITEQUEUE_OWN_ENVIRONMENT=PYTHONUNBUFFERED\n"
        "ExecStart=/usr/bin/python3 -P -m litequeue worker /home/ann/db.sqlite --grace 45 --threads 8\n"
        "Restart=always\n"
        "RestartSec=5\n"
        "# Wrong options, a damaged file, a file that cannot be opened: a person has to look.\n"
        "RestartPreventExitStatus=2 3 4\n"
        "# The worker alone is told to stop, and alone killed after the timeout. It finishes what runs, for its grace of\n"
        "# 45 s at most, and its own processes end with it; what a job has left in the background lives on.\n"
        "KillSignal=SIGTERM\n"
        "KillMode=process\n"
        "TimeoutStopSec=55\n"
        "# A job that takes all the memory is killed alone, and the worker reports it.\n"
        "OOMPolicy=continue\n"
        "# Jobs may do whatever this account may. If none of yours needs sudo, ping, sendmail (which mails failures), mounts or what others have\n"
        "# in /tmp, and none writes to /usr, /boot or /etc, take the # away:\n"
        "#NoNewPrivileges=yes\n"
        "#LockPersonality=yes\n"
        "#RestrictRealtime=yes\n"
        "#RestrictSUIDSGID=yes\n"
        "#RestrictNamespaces=yes\n"
        "#SystemCallArchitectures=native\n"
        "\n"
        "[Install]\n"
        "WantedBy=default.target\n"
    )


def test_the_unit_of_the_system_runs_as_somebody() -> None:
    found = unit(user=False, run_as="ann", pythonpath="/opt/a b")
    assert found["User"] == ["ann"]
    assert found["WantedBy"] == ["multi-user.target"]
    assert found["After"] == ["network.target remote-fs.target nss-user-lookup.target"]
    assert [words(value) for value in found["Environment"]] == [
        ["PYTHONUNBUFFERED=1"], ["PYTHONPATH=/opt/a b"], ["LITEQUEUE_OWN_ENVIRONMENT=PYTHONUNBUFFERED PYTHONPATH"],
    ]  # fmt: skip


def test_paths_and_options_are_quoted_by_systemds_rules() -> None:
    db, python = f"{STRANGE}/db.sqlite", "/opt/50% of $a ${b}/python"
    found = unit(db, python, directory=STRANGE, extra=["--name", "a;b c", ";", ""], pythonpath=STRANGE)
    (command,) = found["ExecStart"]
    assert command.startswith(":")  # no $ is replaced
    assert words(command[1:]) == [
        python, "-P", "-m", "litequeue", "worker", db, "--grace", "30", "--name", "a;b c", ";", "",
    ]  # fmt: skip
    assert '";"' in command  # bare, it would end the command
    assert words(found["RequiresMountsFor"][0]) == [STRANGE]
    assert words(found["Environment"][1]) == [f"PYTHONPATH={STRANGE}"]
    # A whole line, read without quotes; a backslash at its end would go on in the next.
    assert found["WorkingDirectory"] == [STRANGE.replace("%", "%%") + "/"]
    assert unit(directory="/a b ")["WorkingDirectory"] == ["/a b /"]
    assert not unit()["ExecStart"][0].startswith(":")


@pytest.mark.parametrize("path", ["/a\nExecStartPre=/evil", "/a\tb", "/a\x7f", "/a\udcff"])
def test_a_path_that_no_unit_can_hold_is_refused(path: str) -> None:
    for fields in ({"db": path}, {"python": path}, {"directory": path}, {"pythonpath": path}, {"extra": [path]}):
        with pytest.raises(InvalidArgument, match="rename it"):
            unit(**fields)  # type: ignore[arg-type]
        given = {"db": "/db", "python": PYTHON, "name": "x", "grace": 1, "directory": "/", **fields}
        with pytest.raises(InvalidArgument, match="rename it"):
            launchd(Unit(user=True, **given), "/log")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="quote or a backslash"):
        unit(python="/a'b/python")


@pytest.mark.parametrize(
    ("grace", "option", "timeout"),
    [(0, "0", 10), (0.5, "0.5", 11), (30.0, "30", 40), (1234567, "1234567", 1234577)],
)
def test_systemd_waits_longer_than_the_worker(grace: float, option: str, timeout: int) -> None:
    found = unit(grace=grace)
    assert found["ExecStart"][0].endswith(f"--grace {option}")
    assert found["TimeoutStopSec"] == [str(timeout)]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", ".a", "a%b", "a@b", "é", "a" * 201, "a\n"])
def test_a_name_that_is_none_of_a_unit(name: str) -> None:
    with pytest.raises(InvalidArgument, match="--name"):
        unit_name(name)


def test_a_name_may_have_its_ending() -> None:
    assert unit_name("shop.service") == unit_name("shop") == "shop"


def test_the_property_list() -> None:
    db = "/Users/ann/a <b> & c/db.sqlite"
    text = launchd(Unit(
        db, PYTHON, name="shop", user=True, grace=45, directory="/Users/ann", extra=["--threads", "8"], pythonpath="/opt",
    ), "/l.log")  # fmt: skip
    assert plistlib.loads(text.encode()) == {
        "Label": "shop",
        "ProgramArguments": [PYTHON, "-P", "-m", "litequeue", "worker", db, "--grace", "45", "--threads", "8"],
        "WorkingDirectory": "/Users/ann",
        "EnvironmentVariables": {
            "PYTHONUNBUFFERED": "1", "PYTHONPATH": "/opt", "LITEQUEUE_OWN_ENVIRONMENT": "PYTHONUNBUFFERED PYTHONPATH",
        },
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": 5,
        "ExitTimeOut": 55,
        "StandardOutPath": "/l.log",
        "StandardErrorPath": "/l.log",
    }
    assert "launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/shop.plist" in text
    daemon = launchd(Unit(db, PYTHON, name="shop", user=False, grace=1, directory="/", run_as="ann"), "/l")
    assert plistlib.loads(daemon.encode())["UserName"] == "ann"
    assert "launchctl bootstrap system /Library/LaunchDaemons/shop.plist" in daemon
    with pytest.raises(InvalidArgument, match="two hyphens"):
        launchd(Unit(db, PYTHON, name="a--b", user=True, grace=1, directory="/"), "/l")


# -- the command ---------------------------------------------------------------------------------------


def test_the_command_prints_a_unit_and_creates_nothing(tmp_path: Path) -> None:
    done = litequeue("service", "my shop.sqlite", "--grace", "5", "--", "--threads", "8", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"litequeue: note: there is no {tmp_path}/my shop.sqlite yet; the worker will make it\n")
    found = settings(done.stdout)
    assert found["Description"] == ["litequeue worker (litequeue-my-shop)"]
    assert words(found["ExecStart"][0].lstrip(":")) == [
        sys.executable, "-P", "-m", "litequeue", "worker", f"{tmp_path}/my shop.sqlite", "--grace", "5", "--threads", "8",
    ]  # fmt: skip
    assert found["WorkingDirectory"] == [str(tmp_path)]
    assert f"PYTHONPATH={ROOT}" in found["Environment"]  # a checkout is not installed
    assert list(tmp_path.iterdir()) == []


def test_the_options_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    done = litequeue("service", "--system", "db", "--name", "jobs.service", "--directory", "code", cwd=tmp_path)
    found = settings(done.stdout)
    assert found["WorkingDirectory"] == [f"{tmp_path}/code"] and found["User"]
    assert found["TimeoutStopSec"] == ["40"]
    longer = settings(litequeue("service", "db", "--grace", "1m30s", cwd=tmp_path).stdout)
    assert (longer["TimeoutStopSec"], longer["ExecStart"][0].partition("--grace ")[2]) == (["100"], "90")
    assert "/etc/systemd/system/jobs.service" in done.stdout and "--user" not in done.stdout
    (tmp_path / "db").touch()
    done = litequeue("service", "db", "--launchd", cwd=tmp_path)
    assert plistlib.loads(done.stdout.encode())["Label"] == "litequeue-db"


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        (("none/db",), 4, "none: no such directory"),
        (("db", "--directory", "none"), 4, "none: no such directory"),
        (("db", "--name", "a b"), 2, "--name 'a b' is not allowed"),
        (("db", "--grace", "nan"), 2, "--grace: 'nan' is no length of time"),
        (("db", "--", "--burst"), 2, "--burst ends the worker"),
        (("db", "--", "--reload"), 2, "--reload is for development"),
        (("db", "--", "--max-memory", "512M"), 2, "--max-memory goes with --workers"),
        (("db", "--", "--workers", "0"), 2, "--workers: must be"),
        (("db", "--", "--grace=3"), 2, "--grace stands before the --"),
        (("db", "--", "--thread", "3"), 2, "unrecognized arguments: --thread"),
        (("db", "--", "--threads", "-3"), 2, "threads must be"),
        (("db", "--", "--name", "a b"), 2, "is not allowed"),
        (("db", "--threads", "3"), 2, "unrecognized arguments: --threads 3"),
        (("db", "--user", "--system"), 2, "not allowed with"),
        (("db", "--", "--import", "nowhere"), 2, "--import nowhere: there is no such module in"),
        (("db", "--", "--import", "./nowhere.py"), 2, "--import ./nowhere.py: there is no such module in"),
    ],
)
def test_a_mistake_is_told_and_nothing_printed(tmp_path: Path, given: tuple[str, ...], code: int, says: str) -> None:
    done = litequeue("service", *given, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr and "Traceback" not in done.stderr


def test_a_fleet_is_reloaded_one_after_another(tmp_path: Path) -> None:
    fleet = settings(litequeue("service", "db", "--", "--workers", "4", "--max-memory", "512M", cwd=tmp_path).stdout)
    assert fleet["ExecStart"][0].endswith("--grace 30 --workers 4 --max-memory 512M")
    assert fleet["ExecReload"] == ["/bin/kill -USR1 $MAINPID"]
    assert (fleet["KillMode"], fleet["TimeoutStopSec"]) == (["process"], ["40"])
    assert "ExecReload" not in unit(), "it would end a worker that is alone"


@pytest.mark.slow
def test_the_worker_runs_where_its_modules_are(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "shop.py").write_text("")
    (tmp_path / "data" / "beside.py").write_text("")
    given = (tmp_path / "data" / "db.sqlite", "--", "--import")
    for module, directory in (("shop", tmp_path), ("shop.py", tmp_path), ("beside", tmp_path / "data"), ("json", tmp_path / "data")):
        done = litequeue("service", *given, module, cwd=tmp_path)
        assert settings(done.stdout)["WorkingDirectory"] == [str(directory)], (module, done.stderr)
    wrong = litequeue("service", given[0], "--directory", tmp_path / "data", *given[1:], "shop", cwd=tmp_path)
    assert wrong.returncode == 2 and "give --directory" in wrong.stderr


# -- so that what it prints can start --------------------------------------------------------------------


def in_environment(*given: object, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """``service`` where the environment says more."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "litequeue", "service", *map(str, given)], cwd=cwd, env={**environment(), **more},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_what_the_environment_says_of_trust_stands_in_the_unit_for_worker_and_commands(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for manager in ((), ("--system",)):
        done = in_environment("db", *manager, cwd=tmp_path, LITEQUEUE_TRUST="anyone")
        found = settings(done.stdout)["Environment"]
        assert "LITEQUEUE_TRUST=anyone" in found, done.stderr
        assert not any("OWN_ENVIRONMENT" in line and "TRUST" in line for line in found)  # it would be taken away before the file is opened
        assert "would refuse" not in done.stderr
    listed = plistlib.loads(in_environment("db", "--launchd", cwd=tmp_path, LITEQUEUE_TRUST="anyone").stdout.encode())
    assert listed["EnvironmentVariables"]["LITEQUEUE_TRUST"] == "anyone"
    assert "LITEQUEUE_TRUST" not in in_environment("db", cwd=tmp_path, LITEQUEUE_TRUST="owner").stdout
    wrong = in_environment("db", cwd=tmp_path, LITEQUEUE_TRUST="all")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "LITEQUEUE_TRUST" in wrong.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps permissions elsewhere")
def test_a_file_that_the_worker_would_refuse_as_it_lies_has_a_note(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for make in (False, True):
        if make:
            (tmp_path / "db").touch()
        done = litequeue("service", "db", cwd=tmp_path)
        assert done.returncode == 0 and f"note: the worker would refuse this file as it lies: {tmp_path}/db is not opened, since" in done.stderr
        assert "LITEQUEUE_TRUST=anyone" in done.stderr


@pytest.mark.slow
def test_a_unit_has_the_python_path_that_its_modules_were_found_by(tmp_path: Path) -> None:
    for name in ("lib", "deeper", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "lib/shop.py").write_text("import below\nfrom litequeue import LiteQueue\napp = LiteQueue('db')\n@app.task\ndef f(): pass\n")
    (tmp_path / "deeper/below.py").write_text("")
    path = os.pathsep.join(["lib", "deeper", "gone", "", str(ROOT)])
    done = in_environment("data/db", "--", "--import", "shop", cwd=tmp_path, PYTHONPATH=path)
    found = settings(done.stdout)
    assert f"PYTHONPATH={tmp_path}/lib:{tmp_path}/deeper:{ROOT}" in found["Environment"], done.stderr
    set_there = dict(word.split("=", 1) for line in found["Environment"] for word in words(line))
    started = subprocess.run(
        [*words(found["ExecStart"][0].lstrip(":")), "--burst"], cwd=found["WorkingDirectory"][0], env={"PATH": os.defpath, **set_there},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert started.returncode == 0, started.stderr


@pytest.mark.slow
def test_a_package_that_only_the_working_directory_has_is_not_what_the_worker_finds(tmp_path: Path) -> None:
    for name in ("shop", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "shop/__init__.py").write_text("")
    given = [sys.executable, "-m", "litequeue", "service", "db", "--directory", "elsewhere", "--", "--import", "shop"]
    done = subprocess.run(given, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "") and "give --directory" in done.stderr


@pytest.mark.parametrize(
    ("content", "code", "says"), [(None, 4, "is a directory; name a SQLite file"), (b"root:x:0:0\n" * 99, 4, "is not a SQLite database")]
)
def test_there_is_no_unit_for_what_is_no_queue(tmp_path: Path, content: bytes | None, code: int, says: str) -> None:
    path = tmp_path / "db"
    path.mkdir() if content is None else path.write_bytes(content)
    done = litequeue("service", path)
    assert (done.returncode, done.stdout) == (code, "") and says in done.stderr
    assert path.is_dir() or path.read_bytes() == content


def test_there_is_no_unit_for_a_database_of_another_program(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "db")) as connection:
        connection.execute("CREATE TABLE notes (text)")
    done = litequeue("service", tmp_path / "db")
    assert (done.returncode, done.stdout) == (4, "") and "litequeue init" in done.stderr


@pytest.mark.slow
def test_a_worker_hands_what_the_unit_sets_for_it_to_no_command(tmp_path: Path) -> None:
    db = tmp_path / "db.sqlite"
    assert litequeue("init", db).returncode == 0
    assert litequeue("enqueue", db, "--command", "--", "env").stdout == "1\n"
    mine = {**environment(), "PYTHONUNBUFFERED": "1", "LITEQUEUE_OWN_ENVIRONMENT": "PYTHONUNBUFFERED PYTHONPATH", "SEEN": "yes"}
    command = [sys.executable, "-m", "litequeue", "worker", str(db), "--burst"]
    subprocess.run(command, env=mine, check=True, capture_output=True, timeout=30)
    with LiteQueue(db) as app:
        printed = "".join(piece.text for piece in app.job(1).output() if piece.stream == "stdout")
    assert "SEEN=yes" in printed
    assert not {line.partition("=")[0] for line in printed.splitlines()} & {
        "PYTHONUNBUFFERED", "PYTHONPATH", "LITEQUEUE_OWN_ENVIRONMENT"
    }  # fmt: skip


@pytest.mark.slow
def test_the_unit_starts_a_worker_that_a_sigterm_ends(tmp_path: Path) -> None:
    db = tmp_path / "the shop's" / "db.sqlite"
    db.parent.mkdir()
    found = settings(litequeue("service", db, "--grace", "3", "--", "--name", "shop").stdout)
    environment = dict(value.split("=", 1) for line in found["Environment"] for value in words(line))
    process = subprocess.Popen(
        words(found["ExecStart"][0].lstrip(":")), cwd=found["WorkingDirectory"][0], env=environment,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: registered(db, process.pid), what="the worker registers")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
@pytest.mark.parametrize("manager", ["--user", "--system"])
@pytest.mark.parametrize("hard", [False, True], ids=["as it is", "hardened"])
@pytest.mark.parametrize("workers", [(), ("--workers", "4", "--max-memory", "512M")], ids=["one", "fleet"])
def test_systemd_finds_nothing_wrong_with_it(tmp_path: Path, manager: str, hard: bool, workers: tuple[str, ...]) -> None:
    directory = tmp_path / "a b $x ${y} 50%h \"quo'ted\\"
    directory.mkdir()
    (directory / "x; $y.py").write_text("")
    printed = litequeue("service", directory / "db.sqlite", manager, "--", "--name", "a:b", "--import", "x; $y", *workers)
    file = tmp_path / "shop.service"
    text = re.sub(r"^#(\w+=\w+)$", r"\1", printed.stdout, flags=re.MULTILINE) if hard else printed.stdout
    assert ("\nNoNewPrivileges=yes\n" in text) == hard and ("\nPrivateTmp=yes\n" in text) == (hard and manager == "--system")
    file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", manager, "--man=no", str(file)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
