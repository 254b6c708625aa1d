"""The options of the web page: where it listens, who may come, and what they may do.

Owns the list. What contradicts each other, and what depends on the machine, is ``web/embedded``'s to see to.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Final, TypedDict

from ..base import checks
from ..base.errors import InvalidArgument, InvalidType
from .kinds import FLAG, integer, line
from .option import Kind, Option

PORT: Final = 8010
_PREFIX: Final = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
HOST: Final = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


def _prefix(value: Any, name: str) -> str:
    text = checks.line(value, name).rstrip("/")
    if text and (not _PREFIX.fullmatch(text) or {".", ".."} & set(text.split("/"))):
        raise InvalidArgument(f"{name} must be a path such as /queue, of letters, digits and . _ ~ -, not {value!r:.100}")
    return text


def _hosts(value: Any, name: str) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Iterable):
        raise InvalidType(f"{name} must be a name, or a list of them, not {type(value).__name__}: {value!r:.100}")
    for host in (found := tuple(given)):
        if not isinstance(host, str) or not HOST.fullmatch(host):
            raise InvalidArgument(f"{name} must be a name as it stands in a browser's address, such as queue.example.org or localhost:9000, not {host!r:.100}")
    return found


PREFIX: Final = Kind(_prefix, "PATH")
HOSTS: Final = Kind(_hosts, "NAME", lambda text: text.split(","), joined=",")


class WebOptions(TypedDict, total=False):
    """How the page of a file is served."""

    host: Annotated[str | None, Option(line("ADDRESS"), "listen there; another than this machine's own wants a token, and a proxy with TLS before it", "127.0.0.1")]
    port: Annotated[int | None, Option(integer(0, 65535), "listen at this port; 0: at any that is free", PORT)]
    socket: Annotated[str | None, Option(line("PATH"), "listen at a socket in the file system instead, for its owner alone", said="none")]
    prefix: Annotated[str | None, Option(PREFIX, "the path below which a proxy has it, if it hands that on", said="none")]
    allow_host: Annotated[
        str | Iterable[str] | None, Option(HOSTS, "a name at which it is served besides, such as a proxy's; with its port, if the browser's address has one", said="none")
    ]
    token_file: Annotated[
        str | None, Option(line("FILE"), "a file with a token to log in with, also for programs (Authorization: Bearer); made where there is none", said="none")
    ]
    allow_actions: Annotated[bool | None, Option(FLAG, "let who has logged in change jobs, queues and schedules; else it can only be looked at", False)]
