"""The arguments of the commands about jobs: those that make, show, run, change, move, delete and carry them."""

from __future__ import annotations

from ...base.states import STATES
from ...options import EnqueueOptions
from . import schedules
from .parser import (
    Parser,
    add_options,
    instead_of,
    integer,
    job_id,
    json_option,
)


def enqueue(sub: Parser) -> None:
    add = sub.add_argument
    task = add("task", metavar="TASK", help="the task's name, such as tasks.add")
    add(
        "arguments",
        metavar="ARG",
        nargs="*",
        default=[],
        help="4 or '[1, 2]' (JSON), anything else (text), key=text, key:=json",
    )
    add("--command", action=instead_of(task), help="run what follows -- as a command, instead of a task")
    schedules.add_command_options(sub)
    sub.rest = "words"
    sub.hint = "a command and its own options go after --"
    add_options(sub, EnqueueOptions)
    add("--wait", metavar="SPAN", help="wait so long for the result and print it as JSON; of a command, what it printed")


def jobs(sub: Parser) -> None:
    add = sub.add_argument
    sub.takes_search = True
    add("query", metavar="QUERY", nargs="*", default=[], help=QUERY)
    add("--state", choices=STATES, metavar="STATE", help=", ".join(STATES))
    add("--queue", metavar="NAME", help="those of this queue")
    add("--task", metavar="NAME", help="those of this task, such as tasks.add")
    add("--tag", metavar="WORD", help="those with this tag")
    add("--limit", type=integer(1, 10_000), default=20, metavar="N", help="default 20")
    add("--before", metavar="PLACE", help="the next page: as the last one says, or a job's id")
    json_option(sub)


def job(sub: Parser) -> None:
    sub.add_argument("id", type=job_id, metavar="ID", help="the job's")
    sub.add_argument("--follow", action="store_true", help="print what it prints and logs, and how far it is, until it ends")
    sub.add_argument("--log", action="store_true", help="print only what its attempts have printed and logged, all that is kept")
    json_option(sub)


def logs(sub: Parser) -> None:
    sub.takes_search = True
    add = sub.add_argument
    add("query", metavar="QUERY", nargs="*", default=[], help=f"only of the jobs that it means, {QUERY}")
    add("-f", "--follow", action="store_true", help="go on as more comes, until Ctrl-C")
    add("-n", "--lines", type=integer(0, 1_000_000), metavar="N", help="the last so many; default 100, and 10 with -f; with --since all")
    add("--since", metavar="SPAN|TIME", help="only what was written since then, such as 10m before now, or '2026-12-24 18:00'")
    add("--level", choices=("debug", "info", "warning", "error", "critical"), help="of what is logged only this and above; what is printed has no level, and stays")
    add("--task", metavar="NAME", help="those of this task")
    add("--queue", metavar="NAME", help="those of this queue")
    add("--job", type=job_id, action="append", metavar="ID", help="that job's (repeatable)")
    json_option(sub)


def run(sub: Parser) -> None:
    add = sub.add_argument
    add("id", type=job_id, metavar="ID", help="the job's; one that waits is run at once, before its time")
    add("--pdb", action="store_true", help="where it fails open the debugger there, before anything is recorded; then it is asked whether to record that")
    add("--again", action="store_true", help="although it has ended, or may run only once")
    add("--dry", action="store_true", help="claim nothing and record nothing; what the task itself does, it does")
    add("--import", dest="imports", action="append", metavar="MODULE", help="take the tasks from this module, as worker does (repeatable)")


QUERY = "such as: state:discarded task:shop.* error:Timeout age:<1d -queue:mail; the guide's chapter watching has them all"


def meant(sub: Parser, nargs: str = "+") -> None:
    sub.takes_search = True
    add = sub.add_argument
    add("meant", metavar="ID | QUERY", nargs=nargs, help=f"jobs by their ids, flow:ID for all of a workflow, or a search, {QUERY}")
    add("--yes", action="store_true", help="do it to all that the search means, and ask nobody")
    add("--dry-run", action="store_true", help="only count what the search means")


def retry(sub: Parser) -> None:
    meant(sub)
    sub.add_argument("--from-start", action="store_true", help="forget the steps that a job has stored")


def prune(sub: Parser) -> None:
    meant(sub, nargs="*")
    sub.add_argument("--older", metavar="SPAN", help="those that ended longer ago than that, such as 7d; with a search, those of it")


def move(sub: Parser) -> None:
    meant(sub)
    sub.add_argument("--to", metavar="QUEUE", required=True, help="the queue in which they are to wait")


def export(sub: Parser) -> None:
    add = sub.add_argument
    sub.takes_search = True
    add("query", metavar="QUERY", nargs="*", default=[], help=QUERY)
    add("--to", metavar="FILE", help="make this file, for its owner alone, instead of writing to standard output; arguments, also secret ones, are in it")


def import_(sub: Parser) -> None:
    add = sub.add_argument
    sub.takes_file = sub.takes_search = True  # for its options may stand before the file
    add("file", metavar="FILE", nargs="?", default="-", help="the lines; -, or left out: standard input")
    add("--keep-ids", action="store_true", help="under the ids that they had, or not at all")
    add("--without-workflows", action="store_true", help="leave jobs out that waited for others in a workflow, in vain or still, or others for them")
    add("--again", action="store_true", help="also where these very lines have been imported before")
    add("--dry-run", action="store_true", help="only look at the lines, and say how many jobs they are")
