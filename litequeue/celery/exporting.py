"""``export(app, celery)``: the way on, once one host is no longer enough.

Owns what is asked of the Celery app: our tasks in its registry, our serializer among those that it takes, and defaults where its owner has said nothing. Opens no file, and connects to nothing.

Celery 5.7's ``-A module`` takes what is called ``app`` there before what is called ``celery``, whatever it is: so the guide's celeryapp.py says ``import tasks``, and not ``from tasks import app``.
"""

from __future__ import annotations

import functools
import warnings
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from celery import Celery, signals

from ..app import LiteQueue
from ..base.errors import InvalidArgument, InvalidType
from ..base.log import Log
from ..schedules.definition import NewSchedule
from ..tasks import TaskCode, observers
from .beat import check, entries
from .carried import Broker, NotCarried, warn_of_tasks
from .client import CeleryClient, followed
from .task import register
from .wire import CONTENT_TYPE, NAME, wire

log = Log("litequeue.celery")

apps: Final[weakref.WeakKeyDictionary[Celery, list[LiteQueue]]] = weakref.WeakKeyDictionary()  # those that were exported


def export(app: LiteQueue, celery: Celery, *, send: bool = True, schedules: bool = True) -> dict[str, Any]:
    """Make the tasks of ``app`` tasks of ``celery``, and its declared schedules those of ``celery beat``; the Celery tasks, by name.

    In a process that imports this, ``add.delay()`` goes to Celery's broker, and the file is never opened (``send=False``: it stays as it is, for a process that only runs or
    moves jobs). ``schedules=False``: they are left to whoever keeps them in the file. Warns with ``NotCarried`` of what tasks use and Celery has no counterpart for. Raises InvalidType for
    what is no app, InvalidArgument for a schedule that beat cannot keep.
    """
    if not isinstance(app, LiteQueue):
        raise InvalidType(f"export takes a LiteQueue app and a Celery app, not {type(app).__name__}: {app!r:.100}")
    if not isinstance(celery, Celery):
        raise InvalidType(f"export takes a LiteQueue app and a Celery app, and the second is {type(celery).__name__}: {celery!r:.100}")
    app._take_what_is_free()
    _refuse_others(app, celery)
    declared = list(app._declared.values()) if schedules else []
    check(declared)
    client, codes = app._client, dict(app._tasks)
    broker = _asked_later(celery)
    wire.add(client.codec)
    warn_of_tasks(codes.values(), client.hooks.discarded)
    found = {name: register(celery, code, broker) for name, code in codes.items()}
    celery.add_defaults({"worker_prefetch_multiplier": 1})  # who takes a job ahead keeps it from others, whatever its priority
    _once_configured(celery, lambda conf: _prepare(conf, broker(), codes.values()))
    if declared:
        _keep_schedules(celery, declared, app._tasks, broker)
    if app not in apps.setdefault(celery, []):
        apps[celery].append(app)
        signals.worker_process_shutdown.connect(lambda **_: observers.stop([client.hooks]), weak=False)
    client.follow = functools.partial(followed, celery)
    if send and not isinstance(client, CeleryClient):
        CeleryClient.take_over(client, celery, broker)
    return found


def _once_configured(celery: Celery, act: Any) -> None:
    """Now, or when its configuration is loaded: that may import what imports this."""
    if celery.configured:
        act(celery.conf)
    else:
        celery.on_after_configure.connect(lambda sender, **_: act(sender.conf), sender=celery, weak=False)


def _keep_schedules(celery: Celery, declared: list[NewSchedule], tasks: Mapping[str, TaskCode], broker: Any) -> None:
    """Those of the same name that the Celery app has itself go before ours."""
    def add(conf: Any) -> None:
        conf.beat_schedule = {**entries(declared, tasks, broker()), **conf.beat_schedule}

    _once_configured(celery, add)
    # Where the Celery app's owner has since said conf.beat_schedule = ...
    signals.beat_init.connect(lambda sender, **_: add(celery.conf) if sender.app is celery else None, weak=False)


def _prepare(conf: Any, broker: Broker, tasks: Iterable[TaskCode]) -> None:
    if conf.task_default_priority is None:
        conf.task_default_priority = broker.rank(0)  # or Celery's own tasks would come before all of ours, on Redis
    if broker.driver == "amqp" and conf.task_queue_max_priority is None and any(code.columns.priority for code in tasks):
        warnings.warn(NotCarried("priority does nothing with RabbitMQ unless the Celery app says task_queue_max_priority=9, which its queues are made with"), stacklevel=2)
    _take_messages(conf)


def _take_messages(conf: Any) -> None:
    for key in ("accept_content", "result_accept_content"):
        taken = conf.get(key)
        if taken is not None and not {NAME, CONTENT_TYPE} & set(taken):
            conf[key] = [*taken, NAME]
    conf.result_serializer = NAME


def _asked_later(celery: Celery) -> Callable[[], Broker]:
    """The broker, once the app is configured."""
    return functools.cache(functools.partial(broker_of, celery))


def broker_of(celery: Celery) -> Broker:
    transport = celery.connection_for_write().transport
    return Broker.of(transport.driver_type, celery.conf.broker_transport_options or {})


def _refuse_others(app: LiteQueue, celery: Celery) -> None:
    """Raise InvalidArgument for an app that sends to another Celery app, and for a task whose name another exported app has."""
    client = app._client
    if isinstance(client, CeleryClient) and client.celery is not celery:
        raise InvalidArgument(f"this app was exported to another Celery app, {client.celery.main!r}, and sends there: export it once, or with send=False")
    for other in apps.get(celery, ()):
        for name in app._tasks.keys() & other._tasks.keys() if other is not app else ():
            if app._tasks[name].function is not other._tasks[name].function:
                raise InvalidArgument(f"two apps that are exported to one Celery app have a task {name!r}: give one of them another name=")


def register_rest(celery: Celery) -> None:
    """The tasks that were made since their app was exported, in modules that were imported later."""
    for app in apps.get(celery, ()):
        for code in app._tasks.values():
            if code.name not in celery.tasks:
                register(celery, code, _asked_later(celery))


@signals.celeryd_after_setup.connect(weak=False)
def _look_again(instance: Any, **_: Any) -> None:
    """As a Celery worker starts, when all of its modules are imported and its settings are said."""
    found = apps.get(instance.app, ())
    if not found:
        return
    register_rest(instance.app)
    _take_messages(instance.app.conf)
    if "prefork" in instance.pool_cls.__module__:
        return
    limited = [code.name for app in found for code in app._tasks.values() if code.columns.timeout or code.columns.soft_timeout]
    if limited:
        log.warning("timeouts of %s do nothing in this pool: Celery knows limits with -P prefork alone", ", ".join(limited))
