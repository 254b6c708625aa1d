"""The keys by which is signed what must not be decoded if somebody else wrote it, as a pickle: HMAC-SHA256.

Owns the files that they are in: read once, at the first use and never at import, and only if nobody but this user, or root, can read and
write them and put others in their place, whoever is trusted with the queue. Never made by the way: a worker with another path than its
producers would make itself another key. Nor does a key lie beside the database: who brings a database brings what lies beside it,
and a key that comes along with the data proves nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any, Final

from ..base.errors import CannotOpen, InvalidArgument, InvalidType, PayloadCorrupt
from ..base.trust import Untrusted, cure, read, why_untrusted

BYTES: Final = 32  # of a key that is made; as many as a signature has
MAKE: Final = "python -m litequeue signing-key"


class Keys:
    """An app's: the first signs, each is good."""

    def __init__(self) -> None:
        self.paths: tuple[str, ...] = ()
        self._read: tuple[bytes, ...] = ()

    def name(self, paths: Sequence[Any]) -> None:
        """Say where they are. Raises InvalidArgument or InvalidType, and looks at no file."""
        if not paths:
            raise InvalidArgument("sign_with takes the path of a key, or several: the first signs, and what any of them has signed is read")
        self.paths, self._read = tuple(map(_path, paths)), ()

    def read(self) -> tuple[bytes, ...]:
        """Raises CannotOpen, with what to do."""
        if not self._read:
            self._read = tuple(map(_key, self.paths))
        return self._read

    def sign(self, text: str) -> str:
        return _signature(self.read()[0], text)

    def check(self, text: str, signature: Sequence[Any], what: str) -> None:
        """Raises PayloadCorrupt."""
        import hmac

        given = "".join(map(str, signature)).encode("utf-8", "replace")
        if not any(hmac.compare_digest(_signature(key, text).encode("ascii"), given) for key in self.read()):
            raise PayloadCorrupt(
                f"{what} is not signed by a key of {', '.join(self.paths)}: either by another, and app.sign_with(NEW, OLD) takes both, or somebody changed it"
            )


def make(path: str) -> str:
    """A new key, where there is nothing; its path. Raises CannotOpen, or InvalidArgument for no path."""
    if not path:
        raise InvalidArgument("name the file that the key is to be in, such as ~/.config/queue.key")
    path = os.path.abspath(os.path.expanduser(path))
    folder = os.path.dirname(path)
    try:
        if (why := why_untrusted(folder)) is None:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="ascii") as file:
                file.write(f"{os.urandom(BYTES).hex()}\n")
                file.flush()
                os.fsync(descriptor)
            return path
    except FileExistsError:
        raise CannotOpen(f"{path} is there already, and was not changed: give a new key another name, and say app.sign_with(NEW, OLD)") from None
    except OSError as error:
        raise CannotOpen(f"{path}: no key can be made there: {error.strerror}") from None
    raise CannotOpen(f"no key is made in {folder}, since {why}; {cure(why)}")


def _path(given: Any) -> str:
    if not isinstance(given, (str, os.PathLike)) or not isinstance(os.fspath(given), str):
        raise InvalidType(f"a key is named by the path of its file, not {type(given).__name__}: {given!r:.60}")
    path = os.path.expanduser(os.fspath(given))
    if not os.path.isabs(path):
        raise InvalidArgument(f"the key {path!r:.200} is to be named by its whole path, or from ~ on: workers may stand in another folder")
    return path


def _key(path: str) -> bytes:
    try:
        text = read(path, private=True).decode("ascii", "replace").strip()
    except FileNotFoundError:
        raise CannotOpen(f"{path}: there is no such key; if no program has one yet, make it with {MAKE} {path}, else copy that") from None
    except Untrusted as error:
        why = error.args[0]
        raise CannotOpen(f"{path} is not used as a key, since {why}; {cure(why)}") from None
    except OSError as error:
        raise CannotOpen(f"{path}: the key cannot be read: {error.strerror}") from None
    if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * BYTES},}}", text):
        raise CannotOpen(f"{path} holds no key, which is a line of {2 * BYTES} hexadecimal digits or more, as {MAKE} writes it")
    return text.encode("ascii")


def _signature(key: bytes, text: str) -> str:
    import hmac

    return hmac.new(key, text.encode("ascii"), "sha256").hexdigest()
