"""The page in the browser: everything about one file, rendered by the server.

Read ``messages`` first: what is asked and answered. A request goes through ``heads`` (from bytes to words), ``guarding`` (who may ask), ``sessions`` (who has come in,
``tokenfile``: with what), ``routing`` (which page is meant, ``routes``: which there are, each shown in a ``place``), all in the order of ``site``. What needs no
queue is ``login``, ``notices`` and ``static_files``. Sockets are ``server``'s, ``listening``'s and, of pages that are open, ``streams``'; ``waking`` is what ends their
threads' waits. ``embedded`` puts it together for an app and the command line, ``mounted`` for other servers.

``looks`` answers at the addresses that only show, ``deeds`` at those that are posted to, both by the functions of ``pages``, which are made with ``html`` (elements, and the one escape), ``words`` (numbers and
times), ``values`` (a state, a moment, a button), ``code`` (JSON, tracebacks, output), ``charts``, ``icons``, ``addresses`` (links) and ``frame`` (what stands around each page).
In ``static/`` lie the one style sheet, the one script and the icon.

Has no SQL (that is ``store/pages``), and changes nothing but through what users of an app change it with. May import whatever lies below ``app``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .mounted import wsgi

__all__ = ["wsgi"]


def __getattr__(name: str) -> Any:
    """At its first use: with the servers it takes 200 ms, and a terminal needs only words of the pages."""
    if name != "wsgi":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .mounted import wsgi

    return wsgi
