"""``manage.py litequeue worker --threads 4``, ``manage.py litequeue jobs``: the command line of litequeue, on the file that TASKS says.

Owns how its words come there. What they do is ``cli``'s; the worker is ``working``'s.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import autoreload

from litequeue.base.errors import LitequeueError
from litequeue.cli import main
from litequeue.cli.grammar import build
from litequeue.django.backend import LiteQueueBackend, backends
from litequeue.given import DATABASE

OWN = ["--settings", "--pythonpath"]  # which Django has read by then, wherever they stand


class Command(BaseCommand):
    """The command."""

    help = "Run a worker, or any other command of litequeue, on the queue of TASKS: litequeue worker, litequeue jobs, litequeue doctor, litequeue help, ..."

    requires_system_checks: ClassVar[list[str]] = []  # but for the worker

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--backend", metavar="ALIAS", help="of which backend in TASKS; left out: the first of litequeue's")
        said = "as of python -m litequeue, without the DB; COMMAND --help says what there is. With DEBUG a worker starts anew when code has changed, unless it has --noreload"
        parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND ...", help=said)

    def handle(self, *args: Any, **options: Any) -> None:
        words = _without(OWN, list(options["words"]))
        try:
            backend = _chosen(options["backend"])
            path = backend.place.path
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        parse = functools.partial(_parsed, words, path, backend.alias)
        is_worker = words[:1] == ["worker"]
        # A supervisor of ours starts its workers anew itself, when it is told to.
        stays = {"--burst", "--help", "-h", "--noreload", "--reload", "--workers"}
        reloads = is_worker and settings.DEBUG and not stays & {word.partition("=")[0] for word in words}
        if is_worker and (not reloads or os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true"):
            self.check()
        if reloads:
            from litequeue.django import working

            autoreload.run_with_reloader(working.run_until_reload, _checked(parse))
            return
        code = main(parse=parse)
        if code:
            raise SystemExit(code)


def _chosen(alias: str | None) -> LiteQueueBackend:
    found = [backend for backend in backends() if alias in (None, backend.alias)]
    if not found:
        named = "" if alias is None else f" named {alias!r}"
        raise CommandError(f'TASKS has no backend of litequeue{named}: {{"BACKEND": "litequeue.django.LiteQueueBackend"}}')
    return found[0]


def _parsed(words: list[str], path: str, alias: str) -> argparse.Namespace:
    """``path``: the DB, where no other is given."""
    from litequeue.django import working

    with _in_environment(DATABASE, path):
        arguments = build("manage.py litequeue").parse_args([word for word in words if word != "--noreload"])
    if words[:1] == ["worker"]:
        arguments.run = working.run
    elif words[:1] == ["run"]:
        arguments.run = working.run_one
    # For the unit that ``service`` prints; ``program`` is what runs beside a worker.
    named = ["--settings", os.environ["DJANGO_SETTINGS_MODULE"]] if "DJANGO_SETTINGS_MODULE" in os.environ else []
    arguments.unit_program = [os.path.abspath(sys.argv[0]), "litequeue", *named, "--backend", alias, "worker", "--noreload"]
    return arguments


def _checked(parse: Any) -> argparse.Namespace:
    try:
        found: argparse.Namespace = parse()
    except LitequeueError as error:
        raise CommandError(str(error)) from error
    return found


@contextlib.contextmanager
def _in_environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _without(options: list[str], words: list[str]) -> list[str]:
    """The words up to a ``--`` without these options and their values."""
    end = words.index("--") if "--" in words else len(words)
    left, rest = [], iter(words[:end])
    for word in rest:
        if word in options:
            next(rest, None)
        elif word.partition("=")[0] not in options:
            left.append(word)
    return [*left, *words[end:]]


