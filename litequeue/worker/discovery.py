"""Finding the code of the tasks that jobs name.

Owns the rule of who may name code: registered tasks always; modules that producers recorded in the file,
only if nobody but this user (or root) can write the file, unless whoever can was said to be trusted. Imports user modules, through ``tasks``
alone, and collects the schedules that they declare. What was looked for in vain is in ``lacking``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..base.checks import is_name
from ..base.errors import UnknownTask
from ..base.homes import Home, loaded
from ..base.log import Log
from ..base.models import TaskOrigin
from ..base.trust import SAY_SO, cure, why_untrusted
from ..commands import command
from ..schedules.declarations import GONE, declared_in, is_of
from ..tasks import TaskCode
from ..tasks.finding import in_loaded, locate, not_ready
from ..tasks.modules import load, source_files
from . import journal
from .importing import Importer
from .lacking import Lacking
from .staleness import Sources

if TYPE_CHECKING:
    from ..schedules.definition import NewSchedule

log = Log("litequeue.worker")


class Declared(NamedTuple):
    """All that a module declares now."""

    module: str
    directory: str
    schedules: dict[str, NewSchedule]
    why_gone: str  # what is to be said of those that are not among them


class Catalogue:
    """The tasks that this worker can run, and the schedules that their modules declare."""

    def __init__(
        self,
        registered: Mapping[str, TaskCode],
        *,
        path: str,
        origin: Callable[[str], TaskOrigin | None] | None,
        monotonic: Callable[[], float],
        declared: Mapping[str, NewSchedule] | None = None,
        homes: Sequence[Home] = (),
        sources: Sources | None = None,
        trusts_anyone: bool = False,
    ) -> None:
        """``origin`` asks the file where a task is; None switches discovery off. ``declared``: the schedules of
        the app whose worker this is; then other apps' are not written to its file. ``homes``: of the modules that
        were named outright. ``sources``: of the tasks, where a change of them matters. ``trusts_anyone``: who can write the file, with
        what is run."""
        self._registered = registered
        self._found: dict[str, TaskCode] = {}
        self._path = path
        self._origin = origin
        self.trusts_anyone = trusts_anyone
        self._unknown = Lacking(monotonic)
        self._unrecorded: set[str] = set()  # of these, those of which no producer has said where they are
        self.importer: Importer | None = None  # without one, who asks waits for as long as an import takes
        self._came: set[str] = set()  # tasks whose import had ended when that was last looked at
        self.untold = sources is not None and bool(sources.changed)  # whether that has changed since others could read it
        self.on_declared: Callable[[], None] = lambda: None
        self.declared: deque[Declared] = deque()  # for the scheduler, which takes them from the left
        self._declaring: set[tuple[str, str]] = set()
        self._own = declared
        self._own_count = 0
        self._sources = sources
        self.told_of = [code for code in registered.values() if code.is_told_of]  # of which others are to be told
        self.untold |= bool(self.told_of)
        self._run_again = False  # whether tasks whose file was changed can, since ``tend`` was last asked
        self._stale = {} if sources is None else sources.changed  # tasks whose file is not as it was imported -> what is to be said of that
        for code in registered.values():
            self._note_declared(code)
        self._look_for_keys(registered)
        self.homes = [(home.module, home.directory) for home in homes if home.directory is not None]
        for module, directory in self.homes:
            self.note_module(module, directory)
        self.note_own()

    @property
    def discovers(self) -> bool:
        """Whether it looks for code that it was not given."""
        return self._origin is not None

    def known(self, task: str) -> TaskCode | None:
        """The code of a task, if it is here already."""
        return self._registered.get(task) or self._found.get(task)

    def find(self, task: str) -> TaskCode:
        """The code of a task, looked for if need be; raises UnknownTask saying why there is none."""
        code = self._looked_up(task, self._discover)
        assert code is not None
        return code

    def ask(self, task: str) -> TaskCode | None:
        """As ``find``, but None while the module is imported elsewhere; ask again when that has ended."""
        importer = self.importer
        if importer is None or task == command.NAME:
            return self.find(task)
        return self._looked_up(task, lambda task: importer.ask(task, lambda: self._discover(task)))

    def _looked_up(self, task: str, discover: Callable[[str], TaskCode | None]) -> TaskCode | None:
        """What is known of it already, else what is discovered now, for ever or for a while."""
        if (code := self.known(task)) is not None:
            return code
        if (why := self._unknown.why(task)) is not None:
            raise UnknownTask(why)
        try:
            code = discover(task)
        except UnknownTask as error:
            self.lacks(task, str(error), is_not_found=True)
            raise
        if code is not None:
            self._found[task] = code
            code.bind(self._path)
            self._note_declared(code)
            if code.is_told_of:
                self.told_of.append(code)
                self.untold = True
        return code

    def still_imports(self) -> bool:
        """Whether a task that was asked for is being imported, or has just come; for the coordinator's thread, each turn."""
        if self.importer is None or not self.importer.pending:
            return False
        # Not a module with schedules, nor what is given up for now.
        tasks = {task for task in list(self.importer.pending) if is_name(task) and task not in self._unknown}
        for task in self._came & tasks:  # there was a turn to claim its jobs, and none is left: it was cancelled, say
            tasks.discard(task)
            with contextlib.suppress(UnknownTask):
                self.ask(task)
        self._came = tasks - set(self.importer.asked)
        return bool(tasks)

    def _discover(self, task: str) -> TaskCode:
        if not is_name(task):
            raise UnknownTask(f"{task!r:.220} cannot be the name of a task")
        if task == command.NAME:  # ours, and as powerful as any code that the file could name
            self._check_file()
            return command.TASK
        if self._origin is None:
            raise UnknownTask(f"this worker was given its code, and that has no task {task}")
        self._check_file()
        origin = self._origin(task)
        if origin is None:
            code = in_loaded(task, self._declaring)  # beside others of which somebody has
            if code is not None:
                code.checked = not self.trusts_anyone
                return code
            self._unrecorded.add(task)
            raise UnknownTask(f"no producer said where the task {task} is; start the worker with --import MODULE")
        return locate(origin, check=not self.trusts_anyone)

    def _recorded_since(self) -> bool:
        """Whether somebody has said by now where tasks are of which nobody had: those are looked for again."""
        self._unrecorded.intersection_update(self._unknown)
        came = {task for task in self._unrecorded if self._origin is not None and self._origin(task) is not None}
        for task in came:
            self._unknown.discard(task)
        self._unrecorded -= came
        self.untold |= bool(came)
        return bool(came)

    def _check_file(self) -> None:
        if not self.trusts_anyone and (why := self.why_not_believed()) is not None:
            raise UnknownTask(why)

    def why_not_believed(self) -> str | None:
        """Why nothing that the file names is run, and what to do; None if it is."""
        if (why := self._others()) is None:
            return None
        name_it = "" if self._origin is None else "name the code yourself with --import MODULE, "
        what = "command" if self._origin is None else "command and no code"
        return f"no {what} that {self._path} names is run, since {why}; {cure(why)}, {name_it}or say {SAY_SO}"

    def _others(self) -> str | None:
        try:
            return why_untrusted(self._path)
        except OSError as error:
            return f"it cannot be looked at: {error}"

    def say_who_is_believed(self) -> None:
        """At the worker's start, in one line, and only where others than its user may decide what is run."""
        if self.trusts_anyone and (why := self._others()) is not None:
            log.info("others may decide what is run here, since %s, and are trusted", why)
        elif self._origin is not None and (why := self.why_not_believed()) is not None:
            journal.for_all_tasks(why)

    # -- schedules -----------------------------------------------------------------------------------

    def _note_declared(self, code: TaskCode) -> None:
        if code.origin is not None and code.origin.is_loadable:
            self.note_module(code.origin.module, code.origin.directory)

    def note_module(self, module: str, directory: str) -> bool:
        """Take in what a loaded module declares; whether it is loaded, from there."""
        if (module, directory) in self._declaring:
            return True
        if (found_module := loaded(module, directory)) is None:
            return False
        self._declaring.add((module, directory))
        found = self._of_this_file(declared_in(found_module, module, directory))
        schedules = {new.name: new for new in found}
        schedules.update((name, new) for name, new in list((self._own or {}).items()) if is_of(new, module, directory))
        self.declared.append(Declared(module, directory, schedules, f"{module} does not declare it{GONE}"))
        self.on_declared()
        return True

    def _of_this_file(self, found: list[NewSchedule]) -> list[NewSchedule]:
        """Not those of the module's other apps. An app may say a file that is not where the worker's is, or none."""
        here, unsaid = os.path.realpath(self._path), self._own is None
        mine = [new for new in found if (unsaid if new.path is None else os.path.realpath(new.path) == here)]
        return mine if mine or self._own is not None else found

    def declares(self) -> bool:
        """Whether anything that was loaded declares schedules that are not written down yet."""
        return bool(self._own) or any(found.schedules for found in self.declared)

    def note_own(self) -> None:
        """Take in what the worker's own app has declared since the last time."""
        if self._own is not None and len(self._own) != self._own_count:
            self._own_count = len(self._own)
            for new in list(self._own.values()):
                if new.module is not None and new.directory is not None:
                    self._declaring.discard((new.module, new.directory))
            for new in list(self._own.values()):
                if new.module is not None and new.directory is not None:
                    self.note_module(new.module, new.directory)

    def load_declaring(self, module: str, directory: str) -> None:
        """Load a module that declared schedules once, unless the code was named outright."""
        if self.note_module(module, directory):
            return
        if not source_files(module, directory):
            self.declared.append(Declared(module, directory, {}, f"{module} is not in {directory}{GONE}"))
            return
        if self._origin is None:
            return
        check = not self.trusts_anyone
        try:
            self._check_file()
            if self.importer is None:
                load(module, directory, check=check)
            else:
                self.importer.wait(f"{module} in {directory}", lambda: load(module, directory, check=check))
        except UnknownTask as error:
            # Its schedules go on as they are stored; their jobs wait for the code as any others do.
            log.error("the schedules of %s are taken as they were: %s", module, error)
            return
        self.note_module(module, directory)

    def codes(self) -> tuple[TaskCode, ...]:
        """Of all tasks that are here."""
        return (*self._registered.values(), *self._found.values())

    def handlers(self) -> tuple[TaskCode, ...]:
        """The tasks that the loaded apps have told of discarded jobs."""
        return tuple({handler.name: handler for code in self.codes() for handler in code.hooks.discarded}.values())

    def lacks(self, task: str, why: str, *, is_not_found: bool = False) -> None:
        """It cannot run here, or the pool's processes cannot load what is loaded here: half a deploy. Tried again later."""
        self._unknown.add(task, why, is_not_found=is_not_found)
        self.untold = True

    def _look_for_keys(self, tasks: Iterable[str]) -> None:
        """Of those that were named outright, or are the app's own."""
        for task, why in not_ready([self._registered[task] for task in tasks if task in self._registered]):
            self.lacks(task, why)

    def unknown(self) -> dict[str, str]:
        """The tasks that cannot run here, and why; for who tells others."""
        self.untold = False
        return self._unknown.reasons() | self._stale

    def unknown_json(self) -> str | None:
        """The claim's parameter: these are left for a worker that knows them, or until they are imported."""
        self._look_at_sources()
        importing = self.importer.asked if self.importer is not None and self.importer.pending else []
        left = [*self._unknown.but_for(self._registered), *importing, *self._stale]
        return json.dumps(left) if left else None

    def is_stale(self, task: str) -> bool:
        """Whether its file was changed, also since this worker began to wait for the write lock; cheap."""
        self._look_at_sources()
        return task in self._stale

    def _look_at_sources(self) -> None:
        if self._sources is not None and self._sources.look():
            before, self._stale, self.untold = self._stale, self._sources.changed, True
            self._run_again |= not before.keys() <= self._stale.keys()

    def tend(self) -> bool:
        """Allow another try at what failed a while ago: the code may have been mended; and give up, for now, what takes too
        long to import. Whether there is something to be tried again."""
        if self.importer is not None and self.importer.pending:
            for task in self.importer.late():
                if task not in self._unknown and is_name(task):  # else it is a module with schedules
                    self.lacks(task, self.importer.too_long)
        self._look_at_sources()
        current, self._run_again = self._run_again, False
        old = self._unknown.discard_old()
        self.untold |= bool(old)
        self._look_for_keys(old)
        return self._recorded_since() or bool(old) or current
