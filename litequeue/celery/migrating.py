"""What ``celery-migrate`` is told, and what it does: between its command and ``moving``.

Owns how the Celery app is found, as Celery's own command finds it, which of the apps that were exported to it is that of the file, and how long jobs are moved.
"""

from __future__ import annotations

import os
import sys
import threading

from celery import Celery
from celery.app.utils import find_app

from ..app import LiteQueue
from ..base.checks import counted
from ..base.errors import (
    PASSING,
    CannotOpen,
    InvalidArgument,
    LitequeueError,
)
from ..base.log import Log
from ..store import Store
from .beat import TriggerSchedule
from .exporting import apps, register_rest
from .moving import Mover, mover

log = Log("litequeue.celery")

AGAIN_SECONDS = 5.0  # after the broker, or the file, could not be had


def celery_app(name: str) -> Celery:
    """Raises InvalidArgument for what is none."""
    sys.path.insert(0, os.getcwd())  # as Celery's own command does
    try:
        found = find_app(name)
    except LitequeueError:
        raise
    except Exception as error:
        module, _, attribute = name.partition(":")
        missing = module in sys.modules and attribute and not hasattr(sys.modules[module], attribute)  # Celery then looks for a module of the whole name
        why = f"{module} has no {attribute}" if missing else f"{type(error).__name__}: {error}"
        raise InvalidArgument(f"-A {name}: {why}") from error
    if not isinstance(found, Celery):
        raise InvalidArgument(f"-A {name} is {type(found).__name__}, and no Celery app: name that, as in {name.partition(':')[0]}:celery")
    found.loader.import_default_modules()  # which may make tasks, as in its worker
    return found


def exported(celery: Celery, name: str, path: str) -> LiteQueue:
    """The app of this file that was exported; where there is one, it may have another path here. Raises InvalidArgument."""
    register_rest(celery)
    found = apps.get(celery, [])
    of_file = [app for app in found if app._client.bound and os.path.realpath(app._client.bound) == os.path.realpath(path)]
    if len(of_file or found) == 1:
        return (of_file or found)[0]
    if not found:
        raise InvalidArgument(f"-A {name}: no queue's app was exported to it: litequeue.celery.export(app, celery) in that module")
    raise InvalidArgument(f"-A {name}: {len(found)} queues' apps were exported to it, and not one of them works on {path}")


def warn_of_two_clocks(celery: Celery) -> None:
    twice = [name for name, entry in (celery.conf.beat_schedule or {}).items() if isinstance(entry.get("schedule"), TriggerSchedule)]
    if twice:
        log.warning("the schedules %s are in Celery's beat_schedule, too: where celery beat runs they fire twice; export(app, celery, schedules=False) leaves them to this", ", ".join(twice))


def migrate(store: Store, app: LiteQueue, celery: Celery, *, follow: bool, stop: threading.Event) -> Mover:
    """Move what waits, once, or for as long as ``stop`` is not set. Raises CannotOpen for a broker that cannot be had, unless it follows."""
    with mover(store, app, celery, is_clock=follow) as (one, keep):
        keep()
        while True:
            before, pause = one.moved, AGAIN_SECONDS
            try:
                one.move_all(stop.is_set)
                pause = keep()
            except LitequeueError as error:  # of the file, of which a broker's connection knows nothing
                if not follow or not isinstance(error, PASSING):
                    raise
                log.error("%s", error)
            except Exception as error:  # whatever the clients of the broker and of the results raise
                if not follow:
                    raise CannotOpen(f"Celery's broker or its results cannot be had, and what was not sent stays: {type(error).__name__}: {error}") from error
                log.error("Celery's broker or its results cannot be had, and what waits stays meanwhile: %s: %s", type(error).__name__, error)
            if one.moved > before:
                log.info("%s moved to Celery", counted(one.moved - before, "job"))
            if not follow or stop.wait(pause):
                return one
