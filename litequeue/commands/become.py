"""Starting a command as another user, for a ``supervisor`` that is root.

Owns the fork between the two. What is root stays the supervisor: the user can neither end nor debug it, nor read what it has
inherited. None of the command's variables is set in a process before that is the user's: they may be for the loader, or say
where programs are. Loaded by the supervisor alone, which imports nothing of litequeue.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import os


def spawn(
    user: bytes, directory: bytes, variables: dict[bytes, bytes], words: list[bytes], defaults: list[int]
) -> tuple[int, int]:
    """Start a command with no variables but its own, in a group of its own and with these signals unhandled: its pid, and a pipe that ends
    when it is the command, with what could not be done and the error's number if it is none. The user may stop it before. ``user``: UID
    GID NAME; who is not root is that user already."""
    uid, gid, name = user.split(b" ", 2)
    told, tell = os.pipe()  # closed by the exec
    # A handler that ran in the child would write to the pipe that wakes the supervisor.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, defaults)
    pid = os.fork()
    if pid == 0:
        step = "user"
        try:
            os.setpgid(0, 0)
            for number in defaults:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            if os.geteuid() == 0:
                os.initgroups(os.fsdecode(name), int(gid))
                os.setgid(int(gid))
                os.setuid(int(uid))
            step = "directory"
            os.chdir(directory)
            step = "command"
            _execute(words, variables)
        except BaseException as error:  # noqa: BLE001 - told by the other one of us
            os.write(tell, f"{step} {getattr(error, 'errno', None) or 0}".encode())
        finally:
            os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(tell)
    return pid, told


def _execute(words: list[bytes], variables: dict[bytes, bytes]) -> None:
    """Become the command, looked for in its own PATH; raises OSError. os.execvpe imports a module for that, which the user whom
    we are by now may not be able to read."""
    places = [b""] if b"/" in words[0] else variables.get(b"PATH", b"/usr/bin:/bin").split(b":")
    why: OSError = FileNotFoundError(2, "")
    for place in places:
        try:
            os.execve(os.path.join(place, words[0]), words, variables)
        except (FileNotFoundError, NotADirectoryError):
            pass
        except PermissionError as error:
            why = error
    raise why
