"""The file of a token, by which people and programs come in from elsewhere.

Owns how it is made and read: as a signing key is (``payload/signing``), by its owner alone, in a folder where nobody else can put another one in its
place. Unlike such a key it is made where there is none: nobody else needs the same one.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import Final

from ..base.errors import CannotOpen
from ..base.trust import Untrusted, cure, read, why_untrusted

LEAST: Final = 32  # characters; of one that is made 43, which are 256 bits


def token_of(path: str) -> tuple[str, bool]:
    """The token in a file, and whether the file was made now. Raises CannotOpen, with what to do."""
    path = os.path.abspath(os.path.expanduser(path))
    try:
        found = read(path, private=True)
    except FileNotFoundError:
        return _make(path), True
    except Untrusted as error:
        why = error.args[0]
        raise CannotOpen(f"{path} is not used as a token, since {why}; {cure(why)}") from None
    except OSError as error:
        raise CannotOpen(f"{path}: the token cannot be read: {error.strerror}") from None
    text = found.decode("ascii", "replace").strip()
    if not re.fullmatch(rf"[!-~]{{{LEAST},}}", text):
        raise CannotOpen(f"{path} holds no token, which is a line of {LEAST} letters, digits and signs or more; move it away, and one is made there")
    return text, False


def _make(path: str) -> str:
    folder, token = os.path.dirname(path), secrets.token_urlsafe(32)
    try:
        if (why := why_untrusted(folder)) is None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{token}\n")
            return token
    except OSError as error:
        raise CannotOpen(f"{path}: no token can be made there: {error.strerror}") from None
    raise CannotOpen(f"no token is made in {folder}, since {why}; {cure(why)}")
