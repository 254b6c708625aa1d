"""A worker, or a fleet of them, that a service manager keeps up, as systemd's unit and as launchd's property list.

Owns the two texts, their quoting, and the steps to install them, which stand in them as comments. Pure.

What systemd could take from a service is taken from no job unasked, since a job may be any command that cron ran before, and each of it breaks some:

- ``NoNewPrivileges`` ends sudo, ping, and sendmail, whose programs have rights of their own; with sendmail ends ``--mail-to``. All that systemd does by filters of
  system calls implies it wherever the unit has a ``User=`` other than root, or is a user's own: ``ProtectKernelTunables``, ``-Modules``, ``-Logs``,
  ``ProtectClock``, ``ProtectHostname``, ``PrivateDevices``, ``LockPersonality``, ``RestrictSUIDSGID``, ``RestrictRealtime``, ``RestrictNamespaces``,
  ``SystemCallArchitectures`` and their like (systemd.exec(5)).
- ``PrivateTmp``, ``ProtectSystem``, ``ProtectHome`` and ``ProtectControlGroups`` give the service mounts of its own: what a job mounts is seen by nobody else, a
  database's or an agent's socket in /tmp not by it; backups, certificates and packages are written where it may not, sudo or not.
- ``MemoryDenyWriteExecute`` breaks ctypes and what compiles as it runs, in any task.

So they stand in the unit with a # before them, for a queue whose jobs are Python of one's own: with all of these threads, processes, coroutines and commands that need
no other account work. ``KillMode=process`` suits a supervisor as it does a worker: that is told alone, tells its workers, and if it is killed these end by themselves.
"""

from __future__ import annotations

import math
import os
import plistlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..base.errors import InvalidArgument
from ..base.trust import VARIABLE
from . import exits
from .worker.command import OWN_ENVIRONMENT

# The worker itself leaves 3 s after its grace; the rest is for a slow disk.
AFTER_GRACE = 10
# A worker that has not moved for two minutes says where it is held up, and leaves; this is for one that cannot even do that. Longer than
# most calls into C that hold the GIL, which keep a worker from saying anything.
WATCHDOG = 300
# A fleet gives up by itself after five starts, of which each may take longer: twelve and a half minutes.
START = 900
# Soon enough for schedules; and a worker that fails at each start costs about a twentieth of a core.
RESTART_AFTER = 5
# The unit file's name, with room for ".service" in 255.
_UNIT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")
_PLAIN = re.compile(r"[\w./:=@,+-]+", re.ASCII)

_SYSTEMD = """\
# Keeps a litequeue worker up for {db}
#
# 1. Save this as {path}
# 2. {systemctl} daemon-reload && {systemctl} enable --now {name}.service
{linger}# Its log: {journal} -f   Stop it: {systemctl} disable --now {name}.service

[Unit]
Description=litequeue worker ({name})
RequiresMountsFor={mounts}
{after}# A full disk or a lock held for long passes, so the starts are not counted. What a start cannot mend is below.
StartLimitIntervalSec=0

[Service]
# It says itself when it is up, and that it moves; one that has not moved for so long is killed, and started again.
Type=notify
NotifyAccess=main
WatchdogSec={watchdog}
# A first import may take its time.
TimeoutStartSec={start}
{user}WorkingDirectory={directory}
# What jobs print reaches the log at once.
Environment=PYTHONUNBUFFERED=1
{environment}{trust}# These are for the worker, and not for the commands that it runs.
Environment={own}
ExecStart={command}
{reload}Restart=always
RestartSec={restart}
# Wrong options, a damaged file, a file that cannot be opened: a person has to look.
RestartPreventExitStatus={hopeless}
{stop}KillSignal=SIGTERM
KillMode=process
TimeoutStopSec={timeout}
# A job that takes all the memory is killed alone, and the worker reports it.
OOMPolicy=continue
# Jobs may do whatever this account may. If none of yours needs sudo, ping, sendmail (which mails failures), mounts or what others have
# in /tmp, and none writes to /usr, /boot or /etc, take the # away:
{hardening}

[Install]
WantedBy={wanted}
"""

_STOP_WORKER = """\
# The worker alone is told to stop, and alone killed after the timeout. It finishes what runs, for its grace of
# {grace} s at most, and its own processes end with it; what a job has left in the background lives on.
"""
_STOP_FLEET = """\
# The supervisor alone is told to stop, and alone killed after the timeout. Its workers finish what runs, for their grace of
# {grace} s at most, and end with it; what a job has left in the background lives on.
"""
_RELOAD = """\
# systemctl reload: its workers are replaced one after another, once a new one is up.
ExecReload=/bin/kill -USR1 $MAINPID
"""
# What a user's own manager can do too, which may not mount.
_FILTERS = (
    "NoNewPrivileges=yes", "LockPersonality=yes", "RestrictRealtime=yes", "RestrictSUIDSGID=yes", "RestrictNamespaces=yes",
    "SystemCallArchitectures=native",
)  # fmt: skip
_MOUNTS = (
    "PrivateTmp=yes", "ProtectSystem=full", "ProtectControlGroups=yes", "ProtectKernelTunables=yes", "ProtectKernelModules=yes", "ProtectKernelLogs=yes",
    "ProtectClock=yes", "ProtectHostname=yes",
)  # fmt: skip

_LAUNCHD = """\
<!--
Keeps a litequeue worker up for the file named below.

1. Save this as {path}
2. launchctl bootstrap {domain} {path}

Its log is the file below StandardErrorPath. Stop it: launchctl bootout {domain}/{name}
launchd starts it again whatever its exit code.
-->
"""


def unit_name(value: str) -> str:
    if not _UNIT_NAME.fullmatch(value):
        raise InvalidArgument(
            f"--name {value!r:.220} is not allowed: use 1 to 200 of A-Z, a-z, 0-9, underscores, dots, colons and "
            "hyphens, not first a dot, colon or hyphen"
        )
    return value.removesuffix(".service")


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A worker that is to be kept up: of the user's own service manager, or of the system's, which runs it as
    ``run_as``. Raises InvalidArgument for what could not stand in any unit."""

    db: str = field(kw_only=False)
    python: str = field(kw_only=False)
    name: str
    user: bool
    grace: float
    directory: str
    extra: Sequence[str] = ()  # options of the worker
    run_as: str | None = None
    pythonpath: str | None = None
    trust: bool = False  # whoever can write the file
    fleet: bool = False  # it has --workers
    program: Sequence[str] | None = None  # the arguments by which another program than ``-m litequeue`` runs a worker for the file

    def __post_init__(self) -> None:
        for text in (*self.words, self.directory, self.pythonpath or "", self.run_as or ""):
            _check_text(text)

    @property
    def words(self) -> list[str]:
        """The worker's command."""
        program = ["-P", "-m", "litequeue", "worker", self.db] if self.program is None else self.program
        return [self.python, *program, "--grace", _number(self.grace), *self.extra]

    @property
    def own_environment(self) -> dict[str, str]:
        """What the worker's Python is to find in it, and the commands that it runs are not."""
        return {"PYTHONUNBUFFERED": "1"} | ({} if self.pythonpath is None else {"PYTHONPATH": self.pythonpath})

    @property
    def timeout(self) -> int:
        """Seconds that the manager waits for the worker's end."""
        return math.ceil(self.grace) + AFTER_GRACE


def systemd(unit: Unit) -> str:
    """The unit file."""
    words = unit.words
    if set(unit.python) & set("\"'\\"):
        raise InvalidArgument(
            f"{unit.python}: systemd runs no program with a quote or a backslash in its path; use a Python elsewhere"
        )
    # A colon before the command ends the replacement of $; only where it is needed, since systemd before 244
    # does not know it. To double each $ would not do: the program's own path is taken as it stands.
    command = ":" * any("$" in word for word in words) + " ".join(map(_quoted, words))
    return _SYSTEMD.format(
        db=unit.db,
        name=unit.name,
        **_manager(unit.name, unit.user),
        mounts=_quoted(os.path.dirname(unit.db)),
        user="" if unit.run_as is None else f"User={unit.run_as.replace('%', '%%')}\n",
        directory=_whole_line(unit.directory),
        environment="" if unit.pythonpath is None else f"Environment={_quoted(f'PYTHONPATH={unit.pythonpath}')}\n",
        trust=f"# Whoever can write the file decides what runs.\nEnvironment={VARIABLE}=anyone\n" if unit.trust else "",
        own=_quoted(f"{OWN_ENVIRONMENT}={' '.join(unit.own_environment)}"),
        command=command,
        watchdog=WATCHDOG,
        start=START,
        reload=_RELOAD if unit.fleet else "",
        stop=(_STOP_FLEET if unit.fleet else _STOP_WORKER).format(grace=_number(unit.grace)),
        hardening="\n".join(f"#{line}" for line in (*_FILTERS, *(() if unit.user else _MOUNTS))),
        restart=RESTART_AFTER,
        hopeless=f"{exits.USAGE} {exits.DAMAGED} {exits.CANNOT_OPEN}",
        timeout=unit.timeout,
    )


def _manager(name: str, user: bool) -> dict[str, str]:
    """Where the unit goes, how it is started, and what it waits for."""
    if user:
        return {
            "path": f"~/.config/systemd/user/{name}.service",
            "systemctl": "systemctl --user",
            "linger": "# 3. loginctl enable-linger $USER   (to run from boot on, and while you are logged out)\n",
            "journal": f"journalctl --user -u {name}.service",
            "after": "",
            "wanted": "default.target",
        }
    return {
        "path": f"/etc/systemd/system/{name}.service",
        "systemctl": "systemctl",
        "linger": "",
        "journal": f"journalctl -u {name}.service",
        # What is started after them is stopped before them: the last jobs still have network and users.
        "after": "After=network.target remote-fs.target nss-user-lookup.target\n",
        "wanted": "multi-user.target",
    }


def launchd(unit: Unit, log: str) -> str:
    """The property list of an agent of the user, or of a daemon of the system."""
    name = unit.name
    _check_text(log)
    if "--" in name:
        raise InvalidArgument(f"--name {name!r} has two hyphens in a row, which no comment in a property list may")
    content = {
        "Label": name,
        "ProgramArguments": unit.words,
        "WorkingDirectory": unit.directory,
        "EnvironmentVariables": {
            **unit.own_environment, OWN_ENVIRONMENT: " ".join(unit.own_environment), **({VARIABLE: "anyone"} if unit.trust else {}),
        },
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": RESTART_AFTER,
        "ExitTimeOut": unit.timeout,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    } | ({} if unit.run_as is None else {"UserName": unit.run_as})
    domain, home = ("gui/$(id -u)", "~/Library/LaunchAgents") if unit.user else ("system", "/Library/LaunchDaemons")
    head, doctype, body = plistlib.dumps(content, sort_keys=False).decode().partition("<plist")
    return head + _LAUNCHD.format(path=f"{home}/{name}.plist", domain=domain, name=name) + doctype + body


def _number(value: float) -> str:
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


# -- systemd's quoting ---------------------------------------------------------------------------------


def _check_text(text: str) -> None:
    # Of those that a unit may hold, too, some drive the terminal on which root reads it, or show it in another order.
    if not text.isprintable():
        raise InvalidArgument(
            f"{text!r:.300} has a character that cannot be printed, or is not UTF-8, and cannot stand in a unit: rename it"
        )


def _quoted(word: str) -> str:
    """One word of a setting that is split at blanks."""
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _whole_line(path: str) -> str:
    """A path that is a whole setting: no quotes are read there, but a blank or a backslash at its end counts."""
    return path.replace("%", "%%") + ("/" if path[-1] in " \\" else "")
