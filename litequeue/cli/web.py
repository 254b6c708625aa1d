"""``web``: the page of a file, until SIGTERM or Ctrl-C.

Owns what it prints, that somebody looks at what is watched, and how a browser is started: by a file that its owner alone can read, since a code on a command line is seen by everybody (``ps``).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from html import escape

from ..app import LiteQueue
from ..options.web import WebOptions
from ..pools.logs import Lines, write_to_stderr
from ..web.embedded import EmbeddedWeb
from ..worker.signals import StopSignals
from .calls import options_given
from .jobs import existing
from .looking import EVERY, Looking
from .printing import complain, say


def web(arguments: argparse.Namespace) -> int:
    options = options_given(arguments, WebOptions)
    done = threading.Event()
    signals = StopSignals(lambda now: done.set())
    with signals.installed(), existing(arguments.db) as app, app.web(**options) as page:
        write_to_stderr(Lines("info", False))
        if page.has_new_token:
            complain(f"a token has been made in {options['token_file']}")
        if page.is_open:
            complain("what is sent to it can be read on its way: TLS is for a proxy before it")
        if "socket" in options:
            say(f"serving {app.path} at {options['socket']}: lead a port there with ssh -L 8010:{os.path.abspath(os.path.expanduser(options['socket']))} HOST, and open")
        say(page.url)
        sys.stdout.flush()
        page.on_shut_out = lambda: _offer_another(page)
        with _opened(page) if arguments.open else contextlib.nullcontext():
            _wait(done, app)
    return 0


def _wait(done: threading.Event, app: LiteQueue) -> None:
    """Until it is to end; and look at what is watched meanwhile, for the case that no worker does."""
    looking, client, look_at = Looking(app.path), app._client, 0.0
    while True:
        if time.monotonic() >= look_at:
            look_at = time.monotonic() + EVERY
            looking.look_if_due(client.store, client.clock.now())
        if done.wait(max(look_at - time.monotonic(), 0) if os.name == "posix" else 0.5):  # elsewhere a long wait hears of no Ctrl-C
            break
    looking.leave(2.0)


def _offer_another(page: EmbeddedWeb) -> None:
    """Somebody sees the login page, and the code that was printed has been used."""
    if not page.has_code:
        say(f"to log in again: {page.url}")
        sys.stdout.flush()


@contextlib.contextmanager
def _opened(page: EmbeddedWeb) -> Iterator[None]:
    """With a browser that shows it, as far as one can be started."""
    import webbrowser

    descriptor, path = tempfile.mkstemp(prefix="litequeue-", suffix=".html")  # 0600
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={escape(page.url)}"><title>litequeue</title>\n')
        if not webbrowser.open(f"file://{path}"):
            complain("no browser was found: open the address in one")
        yield
    finally:
        os.unlink(path)
