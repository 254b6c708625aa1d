"""What people who come from Celery, Huey, RQ or APScheduler call things, and what these are called here.

Owns these words. Read only where something is refused: an option, or an attribute that there is not. Adds no name that works.
"""

from __future__ import annotations

from typing import Final

# Each goes on from the name: "max_retries is retries here".
OPTIONS: Final = {
    # Celery's tasks
    "max_retries": "is retries here",
    "default_retry_delay": "is backoff here, such as backoff='3m'",
    "autoretry_for": "is retry_on here, beside retries",
    "dont_autoretry_for": "is give_up_on here",
    "retry_backoff": "is backoff=Backoff(base=1, cap=600) here",
    "retry_backoff_max": "is cap of backoff=Backoff(base=1, cap=600) here",
    "retry_jitter": "is jitter of backoff=Backoff(jitter=True) here",
    "retry_kwargs": "is retries and backoff here",
    "bind": "is not needed here: current_job() is the running job, and raise Retry(delay=...) tries it again",
    "base": "is app.use(hooks), app.before_run and on_failure here: a task is a function",
    "time_limit": "is timeout here; with pool='process' the attempt is killed then",
    "soft_time_limit": "is soft_timeout here",
    "acks_late": "is how it always is here: a job runs again if its worker dies, unless at_most_once=True",
    "reject_on_worker_lost": "is how it always is here, unless at_most_once=True",
    "acks_on_failure_or_timeout": "is not needed here: what has failed is kept, and app.job(id).retry() runs it again",
    "ignore_result": "is not needed here: a result is kept with its job, for result_ttl",
    "store_errors_even_if_ignored": "is not needed here: errors are always kept with the job",
    "track_started": "is not needed here: a job that runs says so",
    "send_events": "is not needed here: whatever happens is in the file",
    "rate_limit": "is rate here, over all workers together, such as rate='100/m'",
    "throws": "is give_up_on here",
    "typing": "is not needed here: arguments are checked at each enqueue",
    "shared": "is @shared_task here",
    "pydantic": "is app.register_type(Model) here",
    # Celery's calls
    "task_id": "is the job's own number here; unique='KEY' lets no second job have a key",
    "link": "is on_success here",
    "link_error": "is on_failure here, which is called with the job, a dict",
    "chord": "is chord([...], callback) here",
    "routing_key": "is queue here",
    "exchange": "is queue here: there is no broker",
    "serializer": "is codec of @app.task here",
    "compression": "is codec='json+zlib' of @app.task here",
    "retry_policy": "is not needed here: there is no broker that could be away",
    "connection": "is app.using(connection) here",
    "producer": "is not needed here: there is no broker",
    "shadow": "is tags here",
    # Celery's workers
    "concurrency": "is threads, processes and async_ here",
    "prefetch_multiplier": "is not needed here: a worker claims what it can start",
    "max_tasks_per_child": "is max_jobs_per_child here",
    "max_memory_per_child": "is memory of @app.task here",
    "autoscale": "is a range here, such as threads=(2, 32)",
    "beat": "is not needed here: every worker fires the schedules, and each tick once",
    "hostname": "is name here",
    "loglevel": "is --log-level of the command line here, and logging's own in a program",
    # Huey
    "retry_delay": "is backoff here, such as backoff=5",
    "context": "is not needed here: current_job() is the running job",
    "delay": "is countdown here",
    "lock_task": "is max_running=1 here",
    # RQ
    "job_timeout": "is timeout here",
    "default_timeout": "is timeout of @app.task here",
    "failure_ttl": "is not needed here: failed jobs are kept for 30 days",
    "ttl": "is expires here",
    "retry": "is retries and backoff here",
    "interval": "is backoff=[...] here",
    "depends_on": "is after here",
    "at_front": "is priority here: higher runs first",
    "job_id": "is the job's own number here; unique='KEY' lets no second job have a key",
    "description": "is tags here",
    "meta": "is headers here, and current_job().meta in the running job",
    "with_scheduler": "is not needed here: every worker fires the schedules",
    # APScheduler
    "misfire_grace_time": "is grace here",
    "coalesce": "is catch_up here: 'latest', 'all' or 'skip'",
    "max_instances": "is overlap of a schedule here, and max_running of a task",
    "replace_existing": "is replace=True here",
    "id": "is the name here",
    "run_date": "is at here",
    "executor": "is pool of @app.task here",
    **dict.fromkeys(("weeks", "days", "hours", "minutes"), "is every here, such as every='1h30m'"),
    **dict.fromkeys(("minute", "hour", "day", "month", "day_of_week", "day_of_month", "month_of_year"), "is cron here, such as cron='30 7 * * mon-fri'"),
}  # fmt: skip

APP: Final = {
    "conf": "options are said to LiteQueue(...), @app.task(...) and app.worker(...)",
    "config_from_object": "options are said to LiteQueue(...), @app.task(...) and app.worker(...)",
    "autodiscover_tasks": "worker DB --import MODULE names the modules, or leave it to the worker, which finds the code of what is enqueued",
    "control": "app.job(id).cancel(), app.pause(queue), app.stats() and app.jobs()",
    "AsyncResult": "app.job(id)",
    "GroupResult": "app.flow(id)",
    "add_periodic_task": "app.schedules.add(name, task, every=...), or @app.every above @app.task",
    "periodic_task": "@app.cron and @app.every above @app.task",
    "scheduled_job": "@app.cron and @app.every above @app.task",
    "add_job": "app.schedules.add(name, task, cron=...)",
    "get_jobs": "app.schedules.list(), and app.jobs() for what is enqueued",
    "on_after_configure": "app.schedules.add(...), @app.cron and @app.every",
    "worker_main": "app.run_worker()",
    "start": "app.run_worker(), or with app.worker():",
    "register_task": "app.task(function)",
    "tasks": "python -m litequeue tasks DB lists them",
    "lock_task": "app.lock(name), or max_running=1 of the task",
    "enqueue_call": "task.apply_async(args, kwargs, ...)",
    "enqueue_in": "task.apply_async(args, countdown=...)",
    "enqueue_at": "task.apply_async(args, eta=...)",
    "fetch_job": "app.job(id)",
    "revoke": "app.job(id).cancel()",
    "backend": "results are in the file: app.job(id).get()",
}

TASK: Final = {
    "request": "current_job() in the running task: its id, attempt, queue, task",
    "retry": "raise Retry(delay=...) in the task; app.job(id).retry() of a job that has ended",
    "update_state": "current_job().progress(done, total), and current_job().meta",
    "apply": "call the task to run it here; litequeue.testing runs it as a job",
    "run": "call the task to run it here",
    "AsyncResult": "app.job(id)",
    "signature": "task.s(...), task.si(...)",
    "subtask": "task.s(...), task.si(...)",
    "delay_on_commit": "litequeue.django enqueues in Django's own transaction; elsewhere on_commit(partial(task.delay, ...))",
    "backend": "results are in the file: app.job(id).get()",
    "schedule": "task.apply_async(args, countdown=...) or eta=...; app.schedules.add(...) for more than once",
    "call_local": "call the task to run it here",
    "send": "task.delay(...)",
    "send_with_options": "task.apply_async(args, kwargs, ...)",
    "revoke": "app.pause(queue) for all, app.job(id).cancel() for one",
    "enqueue": "task.delay(...), or app.enqueue(task, ...)",
}

JOB: Final = {
    "result": "job.get(timeout=0); job.info().result is its text",
    "return_value": "job.get(timeout=0)",
    "status": "job.state",
    "get_status": "job.state",
    "ready": "job.done()",
    "successful": "job.state == 'succeeded'",
    "failed": "job.state == 'discarded'",
    "is_finished": "job.state == 'succeeded'",
    "is_failed": "job.state == 'discarded'",
    "revoke": "job.cancel()",
    "forget": "litequeue purge DB ID; it is also done by itself after result_ttl",
    "traceback": "job.get() raises JobFailed, which has it; job.info().attempts have those of all attempts",
    "task_id": "job.id",
    "children": "job.flow.jobs()",
    "parent": "job.flow.jobs()",
    "latest_result": "job.get(timeout=0)",
    "exc_info": "job.get() raises JobFailed, which has it",
    "refresh": "job.state and job.info() always ask the file",
    "requeue": "job.retry()",
}


def said_here(option: str) -> str:
    """What is said beside the refusal of an option."""
    meant = OPTIONS.get(option)
    return "" if meant is None else f": {option} {meant}"


# Of litequeue.compat, whose classes have more of these names.
RESULT: Final = {
    "parent": "result.children of the whole", "collect": "result.get()", "iterdeps": "result.children", "forget": "litequeue purge DB ID", "graph": "litequeue flow DB ID",
    "join_native": "result.get()", "get_leaf": "result.get()", "backend": "results are in the file", "then": "link= of apply_async, or chain(...)", "date_done": "result.handle.info().finished_at",
    "args": "result.handle.info().args", "kwargs": "result.handle.info().kwargs", "name": "result.handle.info().task", "queue": "result.handle.info().queue",
    "worker": "result.handle.info()", "as_list": "result.children",
}  # fmt: skip

WAYS: Final = {"AsyncResult": RESULT, "LiteQueue": APP, "Task": TASK, "Job": JOB, "Flow": {**JOB, "join": "flow.get()", "completed_count": "flow.progress().done", "waiting": "not flow.done()"}}


def no_attribute(owner: object, name: str) -> AttributeError:
    """As Python says it, with the way here if somebody's habit is known."""
    meant = next((WAYS[cls.__name__].get(name) for cls in type(owner).__mro__ if cls.__name__ in WAYS), None)
    way = "" if meant is None else f"; here: {meant}"
    return AttributeError(f"{type(owner).__name__!r} object has no attribute {name!r}{way}", name=name, obj=owner)
