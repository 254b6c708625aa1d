"""One of our tasks as Celery knows it.

Owns its registration. Whoever sends it, our own client, a chain of Celery's or Celery's clock, its message gets what the task's options say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celery import Celery, Task

from ..base.clock import SystemClock
from ..base.errors import Discard
from ..tasks import TaskCode
from .bookkeeping import MARK
from .carried import Broker, limits_of, message_options
from .running import run
from .wire import NAME

_LONGEST = 1000  # characters of arguments in Celery's logs and events


class Exported(Task):
    """The base of them. ``code`` is the task's own."""

    abstract = True
    code: TaskCode
    litequeue_broker: Any  # a function: the broker is known once the app is configured

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        args, kwargs = tuple(args or ()), dict(kwargs or {})
        headers = dict(options.pop("headers", None) or {})
        if MARK not in headers:
            broker: Broker = self.litequeue_broker()
            said = message_options(broker, self.code.template, None, SystemClock().now())
            options = {**said, **options}
            headers = {**options.pop("headers"), **headers}
        texts = shown(self.code, args, kwargs)
        return super().apply_async(args, kwargs, *more, headers=headers, **{"argsrepr": texts[0], "kwargsrepr": texts[1], **options})


def register(celery: Celery, code: TaskCode, broker: Any) -> Any:
    """Make it a task of the Celery app. Lost workers and retries are as ours (see ``running``); nothing of it is done here."""
    columns = code.columns
    once = bool(columns.at_most_once)

    def called(self: Exported, *args: Any, **kwargs: Any) -> Any:
        return run(self, args, kwargs)

    called.__module__, called.__name__, called.__doc__ = code.function.__module__, code.name.rpartition(".")[2], code.function.__doc__
    return celery.task(
        called, name=code.name, base=Exported, bind=True, typing=False, shared=False, max_retries=None, throws=(Discard,), serializer=NAME,
        acks_late=not once, reject_on_worker_lost=not once, code=code, litequeue_broker=staticmethod(broker),
        **limits_of(columns.timeout, columns.soft_timeout),
    )  # fmt: skip


def shown(code: TaskCode | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """A call as Celery's logs show it: without what is secret. Celery's own repr raises on an int of over 4300 digits."""
    try:
        if code is not None and code.secret is not None:
            texts = code.secret.call(*code.codec.encode_call(code.name, args, kwargs))
        else:
            texts = repr(args), repr(dict(kwargs))
    except Exception:  # noqa: BLE001 - also what a class's own repr raises
        return "(...)", "{...}"
    return texts[0][:_LONGEST], texts[1][:_LONGEST]
