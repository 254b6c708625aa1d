"""What a container without an init of its own needs of its first process: pass signals on, reap what tasks orphan.

Owns that process; the worker goes on in its child, and knows nothing of it.
"""

from __future__ import annotations

import os
import signal


def leave_process_1() -> None:
    """As process 1, go on in a child; the parent ends as the child does. Elsewhere: nothing. Before any thread starts."""
    if os.getpid() != 1:
        return
    passed_on = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    worker = os.fork()
    if worker == 0:
        os.setpgid(0, 0)  # a terminal's Ctrl-C comes from the parent alone, and so once
        signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
        return
    for number in passed_on:
        signal.signal(number, lambda number, _: os.kill(worker, number))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    while True:
        pid, status = os.wait()
        if pid == worker:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
