"""``service``: a unit of the service manager that keeps a worker up for a file.

Owns what is asked before one is printed, so that it can start: the worker's options, where its modules lie, the file, and what
of this environment it needs. Only prints: it installs and starts nothing. The texts are in ``units``.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import sysconfig

from ..base import checks
from ..base.errors import CannotOpen, InvalidArgument
from ..base.here import absolute
from ..base.trust import is_anyone, whose
from ..given import database_path
from ..store import Store
from ..store.file.files import ensure_file, refuse_unsafe
from . import exits
from .grammar import build
from .printing import complain, put
from .units import Unit, launchd, systemd, unit_name
from .worker.command import config_of
from .worker.imports import check_imports, home_of_imports

WHICHEVER = os.path.join(".", "DB")  # where only the options are looked at; with a / it is the file, whatever LITEQUEUE_DB says


def run(arguments: argparse.Namespace) -> int:
    if os.name != "posix":
        raise InvalidArgument("there is no unit for this system: have its own service manager run python -P -m litequeue worker DB")
    db = database_path(arguments.db)
    given = _checked(arguments.options)
    imports = given.imports or []
    program = getattr(arguments, "unit_program", None)  # of another program, whose command this is, begins with the path of that
    home = home_of_imports(imports, os.path.dirname(db)) if program is None else os.path.dirname(program[0])
    directory = absolute(arguments.directory or home)
    for needed in (os.path.dirname(db), directory):
        if not os.path.isdir(needed):
            raise CannotOpen(f"{needed}: no such directory; the worker needs it: create it first")
    grace = checks.span(arguments.grace, "--grace") / checks.MICROS
    trust, python_path, owner = is_anyone(None), _python_path(), _owner(db, is_named=not arguments.user)
    notes = _look(db, owner)
    if arguments.user and owner != os.geteuid() and not trust:
        raise InvalidArgument(
            f"{db} is or would be uid {owner}'s, and a unit of your own would run the worker as uid {os.geteuid()}: for the system's "
            "service manager, which runs it as that account, give --system"
        )
    check_imports(imports, directory, python_path)
    stem = re.sub(r"[^A-Za-z0-9_.:-]+", "-", os.path.basename(db).partition(".")[0]) or "db"
    name = unit_name(f"litequeue-{stem}"[:100] if arguments.name is None else arguments.name)
    unit = Unit(
        db, sys.executable, name=name, user=arguments.user, grace=grace, directory=directory,
        extra=arguments.options, run_as=None if arguments.user else _account(owner, db),
        pythonpath=os.pathsep.join(python_path) or None, trust=trust, fleet=given.workers is not None,
        program=program,
    )  # fmt: skip
    logs = os.path.expanduser("~/Library/Logs") if arguments.user else "/Library/Logs"
    wants_launchd = arguments.launchd or sys.platform == "darwin"  # where there is no systemd
    put(launchd(unit, f"{logs}/{name}.log") if wants_launchd else systemd(unit))
    sys.stdout.flush()
    for note in notes:
        complain(f"note: {note}")
    return exits.OK


def _look(db: str, owner: int) -> list[str]:
    """What is to be said of the file. Raises what other commands would, where it is no queue."""
    is_there, refused = os.path.lexists(db), []
    try:
        if is_there or owner == os.geteuid():  # one that another account is yet to make is none of ours to judge
            refuse_unsafe(db, None, create=True)
    except CannotOpen as error:  # a note, since the app that --import names may say that it is meant
        refused = [f"the worker would refuse this file as it lies: {error}"]
    if not is_there:
        return [f"there is no {db} yet; the worker will make it", *refused]
    ensure_file(db, db, create=False)
    if not refused and os.path.getsize(db):
        try:
            Store(db, create=False, adopt=False).open_and_close()
        except CannotOpen:
            if os.geteuid() in (0, owner):  # where others may not open it, the worker may
                raise
    return refused


def _checked(options: list[str]) -> argparse.Namespace:
    """What the worker will take them for: a service that never starts is found out too late."""
    arguments = build().parse_args(["worker", WHICHEVER, *options])
    config = config_of(arguments)
    given = {word.partition("=")[0] for word in options}
    if "--grace" in given:
        raise InvalidArgument("--grace stands before the --, since the unit's own timeout must go with it")
    if arguments.program:
        raise InvalidArgument("a program beside the worker, after a second --, is for where one command is all there is: give it a unit of its own")
    if arguments.reload:
        raise InvalidArgument("--reload is for development, and takes whatever lies there for the new release: restart the service, or reload one with --workers")
    if arguments.max_memory is not None and arguments.workers is None:
        raise InvalidArgument("--max-memory goes with --workers, which starts another in the place of a worker that ends: --workers 1 is one worker")
    if config.burst:
        raise InvalidArgument("--burst ends the worker when nothing is left to do, and a service would start it again")
    return arguments


def _owner(db: str, *, is_named: bool) -> int:
    """Whose worker may import the code that the file names: its owner's. Of a new file, whoever makes it, and root makes it as the user
    whose folder that is. ``is_named``: the unit runs as that account, which nobody else may choose, whomever root trusts."""
    try:
        file, way = whose(db)
    except OSError as error:  # links that lead in a circle, say
        raise CannotOpen(f"{db}: {error.strerror}") from error
    owner = file if file is not None else next(iter(way), 0) if os.geteuid() == 0 else os.geteuid()
    if is_named and (other := next((uid for uid in way if uid != owner), None)) is not None:
        raise CannotOpen(
            f"{db}: {way[other]} belongs to uid {other}, who decides which file that is, and the unit would run as uid {owner}, whose it "
            "is or would be: keep it where all that is not root's belongs to its owner, or make it a file of that user's"
        )
    return owner


def _account(uid: int, db: str) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise InvalidArgument(
            f"uid {uid}, whose {db} is or would be, has no account here, and the system's service manager runs a worker for one that "
            "has: in a container start the worker itself"
        ) from None


def _python_path() -> list[str]:
    """What PYTHONPATH is to hold. All that it holds here: what the modules import in turn is not known before they are imported. And
    the directory to import litequeue from, where it is not installed but was copied or checked out."""
    found = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and os.path.exists(entry)]
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    installed = {os.path.realpath(sysconfig.get_path(key)) for key in ("purelib", "platlib")}
    return list(dict.fromkeys([*found, *([] if os.path.realpath(root) in installed else [root])]))
