"""What of Celery is not carried, each with the way here.

Owns these words. What is refused as an option or as an attribute is in ``options/habits``, where it is the same for who writes litequeue.
"""

from __future__ import annotations

from typing import Final, NoReturn

from ..base.errors import InvalidArgument, InvalidType

SIGNALS: Final = "app.use(hooks), app.before_run, app.after_run and app.on(event) are called around jobs"

NAMES: Final = {
    **dict.fromkeys((
        "signals", "task_prerun", "task_postrun", "task_success", "task_failure", "task_retry", "task_revoked", "before_task_publish", "after_task_publish",
        "worker_init", "worker_ready", "worker_process_init", "worker_process_shutdown", "worker_shutdown", "setup_logging", "after_setup_logger",
    ), SIGNALS),
    "solar": "a trigger of your own, any object with next_after(moment), in @app.schedule(trigger)",
    "current_app": "import the app from its module",
    "current_task": "litequeue.current_job()",
    "states": "they are texts: 'PENDING', 'STARTED', 'RETRY', 'SUCCESS', 'FAILURE', 'REVOKED'",
    "ResultSet": "app.as_completed(jobs)",
    "bootsteps": SIGNALS,
    "Worker": "app.worker() in a program, python -m litequeue worker DB --import MODULE at the shell",
    "maybe_signature": "signature(...)",
    "subtask": "signature(...)",
    "xmap": "task.map(items)",
    "uuid": "a job's id is its number, which the file gives",
}  # fmt: skip

ARGUMENTS: Final = {
    "backend": "results are kept in the queue's own file, for result_expires: leave it out",
    "result_backend": "results are kept in the queue's own file, for result_expires: leave it out",
    "loader": "app.config_from_object(...) reads settings",
    "amqp": "there is no broker", "events": "python -m litequeue web DB shows what happens", "control": "app.control.revoke(id), app.pause(queue)",
    "log": "logging is the program's own; a worker's lines go to stderr", "tasks": "app.tasks fills itself", "fixups": SIGNALS, "changes": "app.conf.update(...)",
    "autofinalize": "tasks are there at once", "strict_typing": "arguments are always checked",
}  # fmt: skip

SETTINGS: Final = {
    "result_backend": "results are in the queue's file",
    "worker_concurrency": "worker DB --threads N",
    "worker_max_tasks_per_child": "worker DB --max-jobs-per-child N",
    "worker_prefetch_multiplier": "a worker claims what it can start",
    "beat_scheduler": "schedules are in the queue's file",
    "task_serializer": "arguments are JSON, with dates, sets and more; @app.task(codec=...)",
    "task_acks_late": "a job runs again if its worker dies, always",
    "task_reject_on_worker_lost": "a job runs again if its worker dies, always",
    "task_annotations": "each task says its options",
    "task_queues": "queues are made by their names",
    "task_create_missing_queues": "queues are made by their names",
    "broker_transport_options": "there is no broker",
    "broker_connection_retry_on_startup": "there is no broker",
}  # fmt: skip
THEIRS: Final = ("accept_content", "result_", "task_", "worker_", "broker_", "beat_", "event_", "redis_", "database_", "cache_", "control_", "security_")

HANDLERS: Final = {
    "on_failure": "@app.on_discarded, or on_failure= of the task, is told of jobs that have failed for good",
    "on_success": "on_success= of the task is called with what it came to",
    "on_retry": 'app.on("retrying") tells of jobs that are tried again',
    "before_start": "app.before_run(function) is called before each execution",
    "after_return": "app.after_run(function) is called after each execution",
    "shadow_name": "tags= of apply_async",
}  # fmt: skip


def refuse_name(module: str, name: str) -> NoReturn:
    """Of an attribute of the module. An ImportError, since of another one Python would only say that it cannot import the name."""
    if name in NAMES:
        raise ImportError(f"litequeue.compat.celery does not carry {name}; here: {NAMES[name]}", name=module)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def refuse_arguments(given: dict[str, object]) -> None:
    """Of ``Celery(...)``."""
    for name in given:
        way = f": {ARGUMENTS[name]}" if name in ARGUMENTS else "; settings go into app.conf.update(...)"
        raise InvalidType(f"Celery() of litequeue takes no {name}{way}")


def refuse_handlers(cls: type) -> None:
    """Of a class of tasks: what would be called by Celery's worker, and is not by ours."""
    for name, way in HANDLERS.items():
        if name in vars(cls):
            raise InvalidType(f"{cls.__qualname__}.{name} is not called here: {way}. Of a class of tasks __call__ and attributes are carried")


def refuse_broker(url: str) -> NoReturn:
    raise InvalidArgument(
        f"{url.partition('@')[2] or url!r:.60} is a broker, and here there is none: write the path of a file instead, broker=\"db.sqlite\", "
        "also where an environment variable says it (CELERY_BROKER_URL=db.sqlite)"
    )


def refuse_eager() -> NoReturn:
    raise InvalidArgument(
        "task_always_eager is not carried, since what it runs is not what a worker runs: call the task itself, add(2, 2), or in tests use "
        "litequeue.testing, whose queue.inline = True runs each job as it is enqueued, by the worker's own code"
    )
