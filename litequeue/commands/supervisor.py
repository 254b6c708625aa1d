"""A tiny program that stands between a worker and one command, and outlives neither's mistakes.

Owns the command's whole life: starting it in a process group of its own (``become`` does as another user), stopping it with
everything that it started, and reporting how it ended. Run by path as ``python -I -S supervisor.py ORDERS REPORT WORKER`` in a
session of its own; imports nothing of litequeue, and little else, since each command pays for it.

- ORDERS, a pipe: first the command (see ``read_command``), then lines: ``term SECONDS`` (SIGTERM to all, SIGKILL
  after so long to whatever is left) and ``kill``. Its end means that the worker is dead, however it died; then
  all is killed at once, since the job is about to run elsewhere. A process that the worker forked may hold
  that pipe open, so that on Linux the worker itself is watched too.
- REPORT, a pipe: one JSON line when the command has started, one when it has ended.

Who gets the signals: the command's process group, and on Linux all others of the session too (a shell with job
control, GNU ``timeout``: they make groups of their own). Who made a *session* of his own is a daemon, and left
alone. So is everything that outlives the command itself (``cmd &``, as in a crontab), unless the command was to be
stopped, by an order or, as systemd stops a service, by a signal to all of us.
"""

# Not signal, which makes enums of this: that import takes half as long as all else until the command starts.
import _signal as signal  # type: ignore[import-not-found]
import os
import select
import sys
import time

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What Python ignores, or has inherited ignored (a shell's `worker &` ignores SIGINT and SIGQUIT), and a command does not
# expect to: every signal that can be set, as cron starts a command.
DEFAULTS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
SETTLE = 0.05  # seconds in which a signal to everybody has reached us too
RECENT = 90.0  # seconds that systemd gives a service to end
LEFTOVERS = b"1"  # seconds for what is left when everybody was told to stop
LOOK = 0.01  # seconds between two looks at what is left


def live_members(session: int) -> list[int] | None:
    """The processes of a session but its leader and the zombies; None where there is no /proc to tell."""
    try:
        entries = os.listdir("/proc")
    except OSError:
        return None
    found = []
    for entry in entries:
        if entry.isdigit() and int(entry) != session:
            try:
                if os.getsid(int(entry)) == session and not is_zombie(entry):
                    found.append(int(entry))
            except OSError:  # it is gone
                pass
    return found if entries else None


def is_zombie(pid: str) -> bool:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] in b"ZX"


def signal_all(session: int, group: int, number: int) -> bool:
    """Signal what the command is now; whether anything of it is left that can be signalled.

    ``group``: the command's process group; 0 once that is reaped, and its number perhaps somebody else's.
    """
    sent = False
    if group:
        try:
            os.killpg(group, number)
            sent = True
        except OSError:
            pass
    members = live_members(session)
    for pid in members or ():
        try:
            if not group or os.getpgid(pid) != group:
                os.kill(pid, number)
            sent = True
        except OSError:  # it is gone, or another user's
            pass
    return sent if members is None else sent and bool(members)


class Supervisor:
    def __init__(self, orders: int, report: int, worker: int) -> None:
        self.orders = orders
        self.report = report
        self.received = b""  # orders that are not complete yet
        self.command = 0  # its pid, which is its group's too
        self.group = 0  # what may be signalled as a group
        self.told = -1  # a pipe that ends when another user's command has begun
        self.failed = b""  # what could not be done, and the error's number
        self.kill_at = None if worker == os.getppid() else 0.0  # monotonic; not None: it is to be stopped
        self.signalled_at: float | None = None  # somebody told all of us to stop
        self.status = 0
        self.cpu_seconds = 0.0
        self.max_rss = 0
        self.poll = select.poll()
        self.poll.register(orders, select.POLLIN)
        self.wake, self.waker = os.pipe()
        self.poll.register(self.wake, select.POLLIN)
        self.parent = watch(worker)
        if self.parent >= 0:
            self.poll.register(self.parent, select.POLLIN)

    def catch_signals(self) -> None:
        """Let signals end nothing here but the waiting.

        Handled and not ignored, which the command would inherit. The worker blocked them until now.
        """
        for end in (self.wake, self.waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, nothing)
        for number in STOPPING:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, nothing)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)

    def read_command(self) -> list[bytes]:
        """``LENGTH NEWLINE`` and so many bytes: fields that are separated by NULs."""
        while b"\n" not in self.received:
            self.receive()
        length, _, self.received = self.received.partition(b"\n")
        while len(self.received) < int(length):
            self.receive()
        fields, self.received = self.received[: int(length)], self.received[int(length) :]
        return fields.split(b"\0")

    def receive(self) -> None:
        self.look(None)
        if self.kill_at is not None:
            os._exit(0)  # the worker is gone, and nothing has begun

    def start(self, fields: list[bytes]) -> None:
        """Fields: the directory or nothing, the user as UID GID NAME or nothing, how many variables, those as NAME=VALUE, the
        command's words."""
        directory, user, count = fields[0], fields[1], int(fields[2])
        variables = {}
        for pair in fields[3 : 3 + count]:
            name, _, value = pair.partition(b"=")
            variables[name] = value
        words = fields[3 + count :]
        if user:
            self.command, self.told = spawn_as(user, directory, variables, words)
            self.group = self.command
            self.poll.register(self.told, select.POLLIN)
            while self.told >= 0:
                self.press()
        else:
            self.command, self.failed = spawn(directory, variables, words)
            self.group = self.command
        if self.failed:
            step, number = self.failed.decode().split()
            self.say(failed=f'"{step}"', errno=int(number))
            os._exit(0)
        self.say(pid=self.command)
        # The output's end is to be the command's own, not ours.
        null = os.open(os.devnull, os.O_RDWR)
        for end in (0, 1, 2):
            os.dup2(null, end)

    def say(self, **facts: float | str | None) -> None:
        # Importing json takes as long as all else together.
        words = {None: "null", True: "true", False: "false"}
        values = [f'"{name}": {words[v] if v is None or v is True or v is False else v}' for name, v in facts.items()]
        try:
            os.write(self.report, f"{{{', '.join(values)}}}\n".encode())
        except OSError:  # the worker is gone
            pass

    # -- watching ----------------------------------------------------------------------------------

    def run(self) -> None:
        fields = self.read_command()
        self.attend(0.0)
        if self.kill_at is not None:
            os._exit(0)  # stopped before it began
        begin = time.monotonic()
        self.start(fields)
        self.wait()
        seconds = time.monotonic() - begin
        stopped = self.kill_at is not None
        if stopped:
            self.clear_away()
        elif self.status:
            # If all of us were told to stop, our signal may still be on its way.
            until = time.monotonic() + SETTLE
            while time.monotonic() < until and not self.was_signalled():
                self.attend(max(until - time.monotonic(), 0.0))
            if self.was_signalled():  # it will run again, and must not meet what it left
                self.obey([b"term", LEFTOVERS])
                self.clear_away()
        code = os.waitstatus_to_exitcode(self.status)
        self.say(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            seconds=round(seconds, 6),
            cpu_seconds=round(self.cpu_seconds, 6),
            max_rss_bytes=self.max_rss,
            stopped=stopped,
            signalled=self.was_signalled(),
        )

    def was_signalled(self) -> bool:
        return self.signalled_at is not None and time.monotonic() - self.signalled_at < RECENT

    def wait(self) -> None:
        """Wait for the command itself, obeying orders."""
        while True:
            pid, self.status, usage = os.wait4(self.command, os.WNOHANG)
            if pid:
                break
            self.press()
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        self.max_rss = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        if live_members(os.getpid()) is not None:
            self.group = 0

    def press(self) -> None:
        """Wait until something happens, and obey; kill what has had its time."""
        left = None if self.kill_at is None else self.kill_at - time.monotonic()
        if left is not None and left <= 0:
            signal_all(os.getpid(), self.group, signal.SIGKILL)
            left = LOOK
        self.attend(left)

    def clear_away(self) -> None:
        """The command was stopped: what it started gets the rest of the time, and is killed then."""
        while signal_all(os.getpid(), self.group, 0):
            assert self.kill_at is not None
            left = self.kill_at - time.monotonic()
            if left <= 0:
                signal_all(os.getpid(), self.group, signal.SIGKILL)
            self.attend(LOOK)

    def attend(self, seconds: float | None) -> None:
        """Obey what orders there are; wait for them so long, or until something happens."""
        self.look(seconds)
        while b"\n" in self.received:
            line, _, self.received = self.received.partition(b"\n")
            self.obey(line.split())

    def look(self, seconds: float | None) -> None:
        for end, _ in self.poll.poll(None if seconds is None else seconds * 1000 + 0.5):
            if end == self.wake:
                came = os.read(self.wake, 512)
                if any(number in came for number in STOPPING):
                    self.signalled_at = time.monotonic()
            elif end == self.orders:
                data = os.read(self.orders, 1 << 16)
                self.received += data
                if not data:
                    self.poll.unregister(self.orders)
                    self.kill_at = 0.0
            elif end == self.told:
                self.failed = os.read(end, 64)
                self.poll.unregister(end)
                os.close(end)
                self.told = -1
            else:
                self.poll.unregister(self.parent)
                self.kill_at = 0.0

    def obey(self, words: list[bytes]) -> None:
        if words[0] == b"kill":
            self.kill_at = 0.0
        elif self.kill_at is None:
            self.kill_at = time.monotonic() + float(words[1])
            if self.command:
                signal_all(os.getpid(), self.group, signal.SIGTERM)
                signal_all(os.getpid(), self.group, signal.SIGCONT)  # a stopped process heeds nothing else


def spawn(directory: bytes, variables: dict[bytes, bytes], words: list[bytes]) -> tuple[int, bytes]:
    """Start a command with its own variables beside the worker's: its pid, or what could not be done, and the error's number."""
    os.environb.update(variables)
    step = "directory"
    try:
        if directory:
            os.chdir(directory)
        step = "command"
        return os.posix_spawnp(words[0], words, os.environb, setpgroup=0, setsigmask=[], setsigdef=DEFAULTS), b""
    except OSError as error:
        return 0, f"{step} {error.errno or 0}".encode()


def spawn_as(user: bytes, directory: bytes, variables: dict[bytes, bytes], words: list[bytes]) -> tuple[int, int]:
    """The same as another user: its pid, and a pipe that says the rest. Each command pays for what is read of us, and few need that: it is in a file of its own."""
    found = {}  # type: ignore[var-annotated]
    with open(os.path.join(os.path.dirname(__file__), "become.py"), "rb") as file:
        exec(compile(file.read(), file.name, "exec"), found)  # noqa: S102 - no import knows the folder, nor should
    return found["spawn"](user, directory, variables, words, DEFAULTS)  # type: ignore[no-any-return]


def nothing(number: int, frame: object) -> None:
    pass


def watch(worker: int) -> int:
    """A descriptor that becomes readable when the worker ends; -1 where there is none."""
    try:
        return os.pidfd_open(worker)
    except (AttributeError, OSError):
        return -1


def main() -> None:
    orders, report, worker = map(int, sys.argv[1:4])
    for end in (orders, report):
        os.set_inheritable(end, False)
    supervisor = Supervisor(orders, report, worker)
    supervisor.catch_signals()
    supervisor.run()
    os._exit(0)


if __name__ == "__main__":
    main()
