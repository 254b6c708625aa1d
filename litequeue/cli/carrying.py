"""The commands ``export`` and ``import``: jobs as lines of JSON, out of one file and into another.

Owns where the lines go and come from, that all of them are looked at before one is stored, and what is said of jobs that are not the same afterwards. What a line is,
and what becomes of it, is the store's (``store/carrying``).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Final, NamedTuple, TextIO

from ..app import LiteQueue
from ..base import search
from ..base.checks import aware, counted
from ..base.errors import CannotOpen, InvalidArgument, LitequeueError
from ..store.carrying import storing
from ..store.carrying.lines import MOST_LINE, job_of
from ..store.carrying.storing import Note, Numbered
from . import render
from .acts import SHOWN, acting
from .jobs import existing
from .printing import complain, put, say

_SAID: Final = {
    "ran": "ran as they were exported, and run again", "lost": "ran, run at most once, and are lost", "without_key": "run without their unique key, which other jobs have here",
    "schedules": "had been made by schedules that are not here", "joins": "only brought a workflow's jobs together, and are left out", "tied": "stood in workflows, and are left out",
}  # fmt: skip


# -- export ------------------------------------------------------------------------------------------------


def export(arguments: argparse.Namespace) -> int:
    query = search.parse(" ".join(arguments.query))
    with existing(arguments.db) as app, _target(arguments.to) as target:
        reading = app._client.store.reading
        count = tied = damaged = 0
        for ids in reading.ids(query, app._client.clock.now()) if query.terms else reading.all_ids():
            for lines in reading.lines(ids):
                put("".join(line.text for line in lines), target)
                count += len(lines)
                tied += sum(line.is_tied for line in lines)
                damaged += sum(line.is_damaged for line in lines)
    if arguments.to is not None:
        say(f"{counted(count, 'job')} in {arguments.to}")
    if tied:
        complain(f"of these, {counted(tied, 'job')} stood in workflows that lines cannot say: import leaves such out; a copy of the file has them whole")
    if damaged:
        complain(f"of these, {counted(damaged, 'job')} with text that is no UTF-8, which somebody else has written: import refuses such lines")
    return 0


@contextlib.contextmanager
def _target(path: str | None) -> Iterator[TextIO | None]:
    """Where the lines go: for its owner alone, since arguments are in them, and under its name once all are there."""
    if path is None:
        yield None
        return
    path = os.path.abspath(path)
    if os.path.lexists(path):
        raise CannotOpen(f"--to {path} is there already, and is left as it is: name another file")
    try:
        number, name = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".litequeue-")
        try:
            with open(number, "w", encoding="ascii", newline="\n") as file:
                yield file
                file.flush()
                os.fsync(number)
            _name(name, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(name)
    except OSError as error:
        if isinstance(error, LitequeueError):
            raise
        raise CannotOpen(f"--to {path}: {error.strerror}") from error


def _name(file: str, path: str) -> None:
    """Unlike a rename a link takes nobody's place; some file systems have none."""
    try:
        os.link(file, path)
    except FileExistsError:
        raise
    except OSError:
        os.rename(file, path)


# -- import ------------------------------------------------------------------------------------------------


class Looked(NamedTuple):
    """What the lines are, as a whole."""

    digest: str
    lines: int
    jobs: int
    left_out: Counter[str]
    first_tied: int  # its line


def import_(arguments: argparse.Namespace) -> int:
    with existing(arguments.db) as app, _source(arguments.file) as source:
        store = app._client.store.storing
        found = _look(store, source, arguments.keep_ids)
        if found.left_out["tied"] and not arguments.without_workflows:
            raise InvalidArgument(
                f"{counted(found.left_out['tied'], 'job')}, the first in line {found.first_tied}, stood in workflows: waited for others, in vain or still, or others for them, "
                "which lines cannot say. Nothing was stored: let what runs end first, copy the file whole, or say --without-workflows, which leaves these jobs out"
            )
        note = store.note(found.digest)
        if note is not None and note.is_over and not arguments.again:
            raise InvalidArgument(f"these very lines were imported {render.when(aware(note.at))}{_as_jobs(note)}. Nothing was stored: --again imports them once more")
        if note is None or note.is_over:
            note = Note()
        elif note.lines:
            complain(f"line {note.lines:,} was the last one that is stored{_as_jobs(note)}: it goes on behind that")
        if arguments.dry_run:
            say(f"{counted(found.jobs, 'job')} in {counted(found.lines, 'line')}: nothing was done")
            return 0
        return _store(app, store, source, found, note, arguments.keep_ids)


def _as_jobs(note: Note) -> str:
    return "" if note.first is None else f", as job {note.first}" if note.first == note.last else f", as jobs {note.first} to {note.last}"


@contextlib.contextmanager
def _source(path: str) -> Iterator[IO[bytes]]:
    """What is read twice; what comes through a pipe is kept for that, in a file without a name."""
    if path == "-":
        if sys.stdin.isatty():
            raise InvalidArgument("import which lines? Name a FILE, or let another program write them: litequeue export a.sqlite | litequeue import b.sqlite")
        with tempfile.TemporaryFile() as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
            yield file
        return
    with contextlib.ExitStack() as stack:
        try:
            named = stack.enter_context(open(path, "rb"))
        except OSError as error:
            raise CannotOpen(f"{path}: {error.strerror}") from error
        if not named.seekable():
            raise CannotOpen(f"{path} can be read but once: litequeue import DB < {path}")
        yield named


def _lines(source: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    source.seek(0)
    number = 0
    while line := source.readline(MOST_LINE + 1):
        number += 1
        if len(line) > MOST_LINE:
            raise InvalidArgument(f"line {number}: it has more than {MOST_LINE >> 20} MB, and no job takes that. Nothing was stored")
        yield number, line


def _look(store: storing.Storing, source: IO[bytes], keep_ids: bool) -> Looked:
    """All lines, before anything is stored. Raises InvalidArgument for the first one that is no job."""
    digest = hashlib.sha256()
    schedules, left_out, number, jobs, first_tied = store.schedules(), Counter[str](), 0, 0, 0
    ids = array("q")
    for number, line in _lines(source):
        digest.update(line)
        try:
            job = job_of(line)
            if job is not None and keep_ids and job.id is None:
                raise InvalidArgument("it has no id, which --keep-ids is to keep")
        except InvalidArgument as error:
            raise InvalidArgument(f"line {number}: {error}. Nothing was stored") from None
        if job is None:
            continue
        why = storing.why_not(job)
        if why is not None:
            left_out[why] += 1
            first_tied = first_tied or number * (why == "tied")
            continue
        jobs += 1
        left_out["schedules"] += job.schedule is not None and job.schedule not in schedules
        if job.id is not None and keep_ids:
            ids.append(job.id)
    name = f"{digest.hexdigest()[:32]}{'-ids' * keep_ids}"
    _refuse_taken(store, ids, name)
    return Looked(name, number, jobs, left_out, first_tied)


def _refuse_taken(store: storing.Storing, ids: Sequence[int], digest: str) -> None:
    if store.note(digest) is not None:  # they are its own
        return
    for start in range(0, len(ids), storing.CHUNK):
        taken = store.taken(list(ids[start : start + storing.CHUNK]))
        if taken is not None:
            raise InvalidArgument(f"job {taken} is there already. Nothing was stored: without --keep-ids jobs have other ids here")


def _store(app: LiteQueue, store: storing.Storing, source: IO[bytes], found: Looked, note: Note, keep_ids: bool) -> int:
    client, said = app._client, Counter(found.left_out)
    before = note.jobs
    try:
        for number, (last, chunk) in enumerate(_chunks(source, note.lines), 1):
            now = client.clock.now()
            stored = store.store(found.digest, chunk, note._replace(lines=last, at=now, is_over=last == found.lines), now, keep_ids=keep_ids)
            client.ring(stored.addresses)
            note = stored.note
            said.update(stored.said)
            if number % SHOWN == 0:
                complain(f"{last:,} of {found.lines:,} lines")
    except (LitequeueError, KeyboardInterrupt):
        if note.lines:
            complain(f"line {note.lines:,} is the last one that is stored{_as_jobs(note)}; the same command goes on behind it")
        raise
    acting(app).note("import", f"{counted(found.lines, 'line')}{_as_jobs(note)}", note.jobs - before)
    say(f"{counted(note.jobs, 'job')} imported{_as_jobs(note)}")
    for why, text in _SAID.items():
        if said[why]:
            say(f"  {said[why]:,} {text}")
    return 0


def _chunks(source: IO[bytes], behind: int) -> Iterator[tuple[int, list[Numbered]]]:
    """With the number of their last line; the last of all, if it is empty, too."""
    chunk: list[Numbered] = []
    size, number = 0, 0
    for number, line in _lines(source):
        if number <= behind:
            continue
        if len(chunk) >= storing.CHUNK or size > storing.MOST:
            yield number - 1, chunk
            chunk, size = [], 0
        try:
            job = job_of(line)
        except InvalidArgument as error:  # somebody writes to it meanwhile
            raise InvalidArgument(f"line {number}: {error}") from None
        if job is not None and storing.why_not(job) is None:
            chunk.append(Numbered(number, job))
            size += len(line)
    if number > behind:
        yield number, chunk
