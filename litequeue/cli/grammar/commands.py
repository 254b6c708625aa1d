"""The list of commands, and the arguments of those that have no module of their own here."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ...options.jobs import MAX_RUNNING
from ...options.web import WebOptions
from ...options.workers import WorkerOptions
from . import alerts, jobs, schedules
from .parser import (
    Parser,
    add_options,
    flow_id,
    integer,
    json_option,
    lazily,
    size,
    take_database,
)

Fill = Callable[[Parser], None] | None


def build(prog: str = "litequeue") -> argparse.ArgumentParser:
    parser = Parser(
        prog=prog, description="A task queue in one SQLite file.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, target: str, summary: str, fill: Fill = None, *, db: bool = True) -> None:
        sub: Parser = commands.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        if db:
            take_database(sub)
        sub.set_defaults(run=lazily(target))
        sub.fill = fill

    command("worker", "worker.command:run", "Run the jobs in DB until SIGTERM or Ctrl-C.", _worker)
    command("enqueue", "jobs:enqueue", "Enqueue a task by its name and print the job's id.", jobs.enqueue)
    command("jobs", "jobs:jobs", "List the jobs that a search means, or all: by their end, as they will run, or newest first.", jobs.jobs)
    command("job", "jobs:job", "Show everything about one job, with its errors.", jobs.job)
    command("logs", "logs:run", "Print the last of what jobs print and log, of all or of those that a search means; -f goes on.", jobs.logs)
    command("run", "run:run", "Run one job here and now, in the main thread, and look at it; --pdb where it fails.", jobs.run)
    command("flow", "flows:flow", "Draw a workflow: its jobs, who waits for whom, with states and times.", _flow)
    command("retry", "acts:retry", "Run final jobs again, and waiting ones now; of a search those that were discarded, unless it names states.", jobs.retry)
    command("emit", "events:emit", "Say that something has happened, for jobs that wait for it.", _emit)
    command("events", "events:events", "List the events that are kept, and those that jobs wait for.", _events)
    command("limit", "limits:limit", "Show limits, or change one: how many jobs run at once, and start within a time.", _limit)
    summary = "Cancel jobs: waiting ones at once, running ones as soon as they can be stopped."
    command("cancel", "acts:cancel", summary, jobs.meant)
    summary = "Delete jobs: waiting ones, which are cancelled first, and final ones; not those that run."
    command("purge", "acts:purge", summary, jobs.meant)
    summary = "Delete final jobs before their time: those that a search means, or that ended so long ago."
    command("prune", "acts:prune", summary, jobs.prune)
    summary = "Move jobs to another queue: those that wait, unless the search names states; not those that run."
    command("move", "acts:move", summary, jobs.move)
    command("pause", "acts:pause", "Let no worker claim from a queue.", _queue)
    command("resume", "acts:resume", "Undo pause.", _queue)
    command("tasks", "jobs:tasks", "List the tasks that producers have recorded, with where their code is.", json_option)
    schedules.add_to(commands, command)
    alerts.add_to(commands)
    command("top", "top.command:run", "Watch DB on a terminal, and act on it: jobs, queues, workers, schedules.", _top)
    command("stats", "jobs:stats", "Count jobs by state and queue; show the workers.", json_option)
    command("backup", "backups:backup", "Copy DB while it is in use, to a file or into a folder.", _backup)
    summary = "Put a copy in the place of DB, which nobody may have open; what was there is kept beside it."
    command("restore", "backups:restore", summary, _restore)
    summary = "Look for what is or may go wrong; exit 0 if nothing is, 1 wrong, 3 damaged, 4 unusable, 75 busy or full."
    command("web", "web:web", "Serve the page of DB, to be seen in a browser, until SIGTERM or Ctrl-C.", _web)
    command("doctor", "doctor:run", summary, _doctor)
    command("metrics", "metrics:run", "Print metrics for Prometheus, or write them to a file for node_exporter.", _metrics)
    command("celery-migrate", "celery_migrate:run", "Move what waits in DB to a Celery app, without loss; see help celery.", _celery_migrate)
    command("init", "jobs:init", "Make DB, or add the tables to an app's own database.")
    command("export", "carrying:export", "Write jobs as lines of JSON, all or those that a search means, with all that is kept of each.", jobs.export)
    command("import", "carrying:import_", "Store jobs from such lines, under new ids: all are looked at before one is stored.", jobs.import_)
    summary = "Give the room in DB back that holds nothing any more; others wait meanwhile, for as long as what is left takes to be copied."
    command("compact", "compact:run", summary, _compact)
    command("service", "service:run", "Print a systemd unit that keeps a worker up for DB.", _service)
    summary = "Make a key, by which what tasks pickle is signed."
    command("signing-key", "signing:signing_key", summary, _signing_key, db=False)
    summary = "Print what lets a shell complete commands, options and names: eval \"$(litequeue completion bash)\"."
    command("completion", "completion.command:run", summary, _completion, db=False)
    command("bench", "bench.command:run", "Measure this machine against the budgets.", _bench, db=False)
    command("demo", "demo:run", "Show it at work on a temporary file, in under 10 s.", db=False)
    command("help", "help:run", "List the chapters of the guide, or print one.", _help, db=False)
    return parser


def _flow(sub: Parser) -> None:
    sub.add_argument("id", type=flow_id, metavar="ID", help="the workflow's")
    json_option(sub)


def _compact(sub: Parser) -> None:
    add = sub.add_argument
    add("--within", default="20s", metavar="SPAN", help="how long others may be held up; what takes longer is given up, and nothing is changed; default 20s")
    add("--anyway", action="store_true", help="also where no page of it is empty: what lies far apart in half empty ones is put together")
    add("--dry-run", action="store_true", help="only say how much there is to give back, and what that needs")


def _emit(sub: Parser) -> None:
    add = sub.add_argument
    add("event", metavar="NAME", help="the event's, such as delivered:17")
    add("--json", dest="json_payload", default="null", metavar="JSON", help="what there is to say about it")
    add("--keep", default="30d", metavar="SPAN", help="for jobs that come to wait for it later; default 30d")
    add("--replace", action="store_true", help="in place of an event of this name, for jobs that come to wait for it later")


def _events(sub: Parser) -> None:
    add = sub.add_argument
    add("--limit", type=integer(1, 10_000), default=20, metavar="N", help="default 20")
    add("--after", metavar="NAME", help="the next page: events whose names come after this one's")
    json_option(sub)


def _limit(sub: Parser) -> None:
    add = sub.add_argument
    add("name", metavar="NAME", nargs="?", help="the limit's; left out, all are listed")
    most = integer(1, MAX_RUNNING)
    add("--max", type=lambda text: text if text == "none" else most(text), metavar="N|none", help="so many of each key at once")
    add("--rate", metavar="N/SPAN|none", help="so many starts of each key within a time, such as 100/m")
    add("--remove", action="store_true", help="let its jobs run without")
    json_option(sub)


def _queue(sub: Parser) -> None:
    sub.add_argument("queue", metavar="QUEUE", help="the queue's name")


def _top(sub: Parser) -> None:
    add = sub.add_argument
    sub.takes_search = True
    views = ("overview", "jobs", "queues", "workers", "schedules")
    add("query", metavar="QUERY", nargs="*", default=[], help=f"begin with the jobs that a search means, {jobs.QUERY}")
    add("--view", choices=(*views, "1", "2", "3", "4", "5"), metavar="VIEW", help=f"{', '.join(views)}; default overview, or jobs of a search")
    add("--interval", default="1", metavar="SPAN", help="between two looks; default 1")
    add("--once", action="store_true", help="print it one time, as where there is no terminal")
    sub.epilog = "It can only be looked at until ! is pressed. The key ? shows all others."


def _backup(sub: Parser) -> None:
    add = sub.add_argument
    add("to", metavar="DEST", help="a file, which is replaced if it is a copy; or a folder, in which each copy has a name with the time")
    add("--keep", type=integer(1, 100_000), metavar="N", help="in a folder: delete all but the N newest copies of DB")
    add("--paused", action="store_true", help="pause the schedules of the copy, so that it fires no tick")


def _restore(sub: Parser) -> None:
    add = sub.add_argument
    add("backup", metavar="COPY", help="the copy, which stays as it is")
    add("--paused", action="store_true", help="with its schedules paused, so that no tick fires until schedule resume DB --all")
    add("--yes", action="store_true", help="replace DB, and ask nobody")


def _doctor(sub: Parser) -> None:
    sub.add_argument("--full", action="store_true", help="check every index entry, and what each job waits for, too; slow on a big file")
    sub.add_argument("--alive", action="store_true", help="only whether a worker of this host lives, for a container's health check")
    sub.add_argument("--quiet", action="store_true", help="print only what is wrong, so nothing where all is well")
    json_option(sub)


def _metrics(sub: Parser) -> None:
    sub.add_argument("--textfile", metavar="PATH", help="write them there, whole or not at all; node_exporter reads *.prom")
    sub.add_argument("--openmetrics", action="store_true", help="in that format; else Prometheus' own, 0.0.4")


def _celery_migrate(sub: Parser) -> None:
    add = sub.add_argument
    add("-A", "--app", required=True, metavar="MODULE:NAME", help="the Celery app to which the queue's app was exported, such as celeryapp:celery")
    add("--follow", action="store_true", help="go on, as the clock of DB's schedules, until SIGTERM or Ctrl-C: what comes later goes when it is due")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"), help="default info")


def _signing_key(sub: Parser) -> None:
    sub.add_argument("file", metavar="FILE", help="where there is none yet, in a folder that nobody else can write, such as ~/.config")


def _completion(sub: Parser) -> None:
    sub.add_argument("shell", metavar="bash|zsh|fish", choices=("bash", "zsh", "fish"), help="for which shell")


def _bench(sub: Parser) -> None:
    sub.add_argument("--dir", metavar="DIR", help="measure on this directory's disk")
    sub.add_argument("--quick", action="store_true", help="fewer rounds, rougher figures")
    sub.add_argument("--only", metavar="A,B", help="some measures alone, such as drain or elastic")
    json_option(sub)


def _help(sub: Parser) -> None:
    sub.add_argument("topic", metavar="TOPIC", nargs="?", help="such as tasks; left out, they are listed")


def _worker(sub: Parser) -> None:
    add = sub.add_argument
    add_options(sub, WorkerOptions)
    add(
        "--import",
        dest="imports",
        action="append",
        metavar="MODULE",
        help="take the tasks from this module, by its name (tasks) or its file (./tasks.py), and from no module that DB names "
        "(repeatable)",
    )
    add(
        "--log-level",
        default="info",
        choices=("debug", "info", "warning", "error"),
        help="default info: a line for each job that ends",
    )
    add("--log-json", action="store_true", help="one JSON object a line")
    add("--workers", type=integer(1, 64), metavar="N", help="so many worker processes, which this one starts, replaces and ends; see help fleet")
    add("--max-memory", type=size, metavar="SIZE", help="with --workers: one that has more in memory, its processes included, is replaced, one at a time")
    add("--reload", action="store_true", help="for development: load the code anew when a file of it has changed")
    sub.rest = "program"
    sub.hint = "a program that runs beside the worker goes after --"
    sub.epilog = (
        "What follows -- is a program that runs beside the worker, and ends with it, as it with the program: worker db.sqlite -- gunicorn shop:app. "
        "The exit code is then the program's."
    )


def _web(sub: Parser) -> None:
    add_options(sub, WebOptions)
    sub.add_argument("--open", action="store_true", help="and show it in the browser of this desktop")


def _service(sub: Parser) -> None:
    add = sub.add_argument
    manager = sub.add_mutually_exclusive_group()
    manager.add_argument("--user", action="store_true", default=True, help="your own service manager (default)")
    manager.add_argument("--system", dest="user", action="store_false", help="the system's, as the owner of DB")
    add("--launchd", action="store_true", help="a property list for macOS instead")
    add("--name", metavar="NAME", help="the unit's; default litequeue- and DB's name")
    add("--directory", metavar="DIR", help="where the worker runs; default: the directory of DB")
    add("--grace", default="30", metavar="SPAN", help="for running jobs at shutdown; default 30")
    sub.rest = "options"
    sub.hint = "the worker's own options go after --"
    sub.epilog = "What follows -- goes to the worker: service db.sqlite -- --threads 8 --import tasks."


def _version() -> str:
    from ... import __version__

    return f"litequeue {__version__}"
