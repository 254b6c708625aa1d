"""What takes the place of the file in an app that was exported: its enqueues become Celery's messages.

Owns that. The app and its tasks hold one client, and the tasks are in modules that nobody lists: so the client itself becomes another, rather than each of them being given one. The file is
never opened; what needs it says where the jobs are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..base.clock import SystemClock
from ..base.errors import CannotOpen, NotBound
from ..client import Client
from ..given import LATER
from ..job import Job
from ..many import checked_calls
from ..options import EnqueueOptions
from ..tasks import TaskCode, Template
from .carried import message_options
from .handle import CeleryJob
from .task import register, shown

if TYPE_CHECKING:
    from celery import Celery

    from ..store import Store


class Handles:
    """Of a text, a job in Celery; of a number, one in the file, which may have been moved to Celery: who kept its id asks for it still."""

    @staticmethod
    def identity(job_id: object) -> Any:
        return job_id if isinstance(job_id, str) and not job_id.isdecimal() else Job.identity(job_id)

    def __call__(self, client: CeleryClient, job_id: Any, is_new: bool = False) -> Job[Any]:
        return CeleryJob(client, job_id, is_new) if isinstance(job_id, str) else Job(client.file, job_id)


class CeleryClient(Client):
    """The client of such an app."""

    handles = Handles()
    celery: Celery
    broker: Any  # a function

    @classmethod
    def take_over(cls, client: Client, celery: Celery, broker: Any) -> None:
        """Make a client one of these."""
        client.close()
        client.__dict__.setdefault("path", "")  # nobody has to say it any more
        client.__class__ = cls
        assert isinstance(client, cls)
        client.celery, client.broker = celery, broker

    @functools.cached_property
    def file(self) -> Client:
        """The file as the app saw it before. Raises NotBound where nobody had said which."""
        if not self.path:
            raise NotBound("a job of a number is one in a file, and this app had none when it was exported")
        found = Client(self.path, durability=self.durability, trust=self.trust, clock=self.clock)
        found.codec, found.follow = self.codec, self.follow
        return found

    @property
    def store(self) -> Store:
        raise CannotOpen(
            "this app's jobs are in Celery, since it was exported, and its file is not opened here: what lists, changes or waits for jobs in the file, workflows, schedules "
            "and transactions are not to be had. export(app, celery, send=False) leaves the app as it is"
        )

    def template(self, task: TaskCode | str) -> Template:
        return Template.of(task, None) if isinstance(task, str) else task.template  # of one whose code is not here, the worker's code says the rest

    def _opened(self) -> None:
        return None

    def _enqueue(self, code: TaskCode, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None) -> tuple[Any, bool]:
        code.check_call(args, kwargs)
        code.codec.encode_call(code.name, args, kwargs)  # what the file would refuse is refused: it is as large, and comes back as exactly
        said = message_options(self.broker(), code.template, options, self.clock.now())
        return self._task(code).apply_async(args, kwargs, **said).id, True

    def _enqueue_by_name(self, template: Template, args: Sequence[Any], kwargs: Mapping[str, Any], options: EnqueueOptions | None) -> tuple[Any, bool]:
        self.codec.encode_call(template.task, args, kwargs)
        said = message_options(self.broker(), template, options, self.clock.now())
        texts = shown(None, tuple(args), kwargs)
        sent = self.celery.send_task(template.task, tuple(args), dict(kwargs), argsrepr=texts[0], kwargsrepr=texts[1], **said)
        return sent.id, True

    @staticmethod
    def enqueues_many(client: CeleryClient, code: TaskCode, calls: Iterable[Any], options: EnqueueOptions | None) -> tuple[Sequence[Any], None]:
        """By one connection; all of them are checked first, and yet a broker that goes away in between has some."""
        said = message_options(client.broker(), code.template, options, client.clock.now())
        task, ready = client._task(code), checked_calls(client, code, calls)
        with client.celery.producer_or_acquire() as producer:
            return [task.apply_async(args, kwargs, producer=producer, **said).id for args, kwargs in ready], None

    def _task(self, code: TaskCode) -> Any:
        """Celery's task; of one that was made after the export, too."""
        found = self.celery.tasks.get(code.name)
        return register(self.celery, code, self.broker) if found is None else found

    @staticmethod
    def builtin(name: str) -> TaskCode | None:
        if name.startswith("litequeue."):
            raise CannotOpen(f"{name} runs commands, which litequeue's own workers do: this app's jobs are in Celery")
        return None

    def rebind(self, path: object) -> None:
        """Whose file it was is of no consequence any more."""


def followed(celery: Celery, job_id: str) -> CeleryJob:
    """The handle of a job that was moved out of a file, whose app goes on there."""
    client = Client(LATER, durability="full", clock=SystemClock())
    CeleryClient.take_over(client, celery, None)
    return CeleryJob(client, job_id)
