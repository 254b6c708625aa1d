"""Who has come in: one-use codes, the token of a file, and the sessions that they are exchanged for.

Owns what is secret, and every comparison with it. Knows neither sockets nor pages.

A session is a number drawn at random, its end and a signature, and nothing of it is kept here: it holds in each process that has the
key. That is drawn anew by each server without a token, and follows from the token where there is one, so that whoever came in stays in over a restart,
and under a WSGI server of many processes. Never is the token itself in a cookie.

A right code or token is taken however many wrong ones came before. Of those the first five within a minute are answered after a second, and the
others at once, with when to come again: they cost next to nothing, and nobody keeps the owner out by giving wrong ones. To guess
is hopeless, since a code has 192 bits, and a token at least 32 characters (``tokenfile``).
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from typing import Final

from ..base.checks import MICROS
from ..base.clock import Clock

HOURS: Final = 12  # of a session
LASTS: Final = HOURS * 3600  # seconds
MOST_CODES: Final = 16  # not used yet; of more the oldest is forgotten
MOST_WRONG: Final = 5  # within
SPAN: Final = 60.0  # seconds


class Sessions:
    """Of one server. Safe in any thread."""

    def __init__(self, clock: Clock, token: str | None = None) -> None:
        self._clock = clock
        self._token = None if token is None else token.encode()
        self._key = secrets.token_bytes(32) if self._token is None else _sign(self._token, "litequeue: the key of sessions")
        self._codes: deque[bytes] = deque(maxlen=MOST_CODES)
        self._wrong: deque[float] = deque(maxlen=MOST_WRONG)
        self._lock = threading.Lock()

    @property
    def has_token(self) -> bool:
        return self._token is not None

    @property
    def has_code(self) -> bool:
        """Whether a code that was made can be used still."""
        return bool(self._codes)

    def new_code(self) -> str:
        """What is exchanged for a session, once."""
        code = secrets.token_urlsafe(24)
        with self._lock:
            self._codes.append(code.encode())
        return code

    def enter(self, given: str) -> str | None:
        """A new session for a code or the token; None for anything else."""
        if self.is_token(given) or self._is_code(given):
            ends = self._clock.now() // MICROS + LASTS
            text = f"{secrets.token_urlsafe(18)}.{ends}"
            return f"{text}.{_sign(self._key, text).hex()}"
        return None

    def is_token(self, given: str) -> bool:
        return self._token is not None and hmac.compare_digest(self._token, given.encode("utf-8", "replace"))

    def _is_code(self, given: str) -> bool:
        found = given.encode("utf-8", "replace")
        with self._lock:
            right = [code for code in self._codes if hmac.compare_digest(code, found)]  # each, whichever is right
            for code in right:
                self._codes.remove(code)
        return bool(right)

    def wrong(self) -> int:
        """Note that something wrong was given. In how many seconds the next may be; 0: let it be answered after one."""
        now = self._clock.monotonic()
        with self._lock:
            if len(self._wrong) == MOST_WRONG and now - self._wrong[0] < SPAN:
                return max(1, round(SPAN - (now - self._wrong[0])))
            self._wrong.append(now)
            return 0

    def holds(self, session: str) -> bool:
        """Whether it is one of ours that has not ended."""
        text, _, signature = session.rpartition(".")
        if not hmac.compare_digest(_sign(self._key, text).hex().encode(), signature.encode("utf-8", "replace")):
            return False
        return self._clock.now() // MICROS < _end(session)

    def lasts(self, session: str) -> float:
        """Seconds for which one of ours holds yet."""
        return _end(session) - self._clock.now() / MICROS

    def form_token(self, session: str) -> str:
        """What each form of a session bears, which nobody else can know."""
        return _sign(self._key, f"a form of {session}").hex()

    def is_form_token(self, session: str, given: str) -> bool:
        return hmac.compare_digest(self.form_token(session).encode(), given.encode("utf-8", "replace"))


def _end(session: str) -> int:
    return int(session.split(".")[1])


def _sign(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode("utf-8", "replace"), "sha256")
