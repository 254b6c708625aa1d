"""The grammar of the command about alerts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...options import options_of
from ...options.alerts import AlertOptions
from .parser import Parser, add_options, integer, json_option, lazily, take_database

KINDS: Final = (
    "CONDITION is one of: oldest queue=NAME >5m; waiting queue=NAME >1000; discarded task=NAME >10 in 1h; failed-ratio task=NAME >20%% in 15m min 50; "
    "no-worker; worker-frozen; schedule NAME late, missed, or no-success 26h; disk <1G; log >200M; untold. Names may be left out, but a schedule's. Write it between quotes."
)


def add_to(commands: Any) -> None:
    summary = "Watch something, and have somebody told when it goes wrong, and when that is over."
    alert: Parser = commands.add_parser("alert", help=summary, description=summary, allow_abbrev=False)
    alert.fill = _alert


def _alert(sub: Parser) -> None:
    actions = sub.add_subparsers(metavar="ACTION", required=True)

    def action(name: str, target: str, summary: str, fill: Callable[[Parser], None] | None = None) -> None:
        made: Parser = actions.add_parser(name, help=summary, description=summary, allow_abbrev=False)
        take_database(made)
        made.set_defaults(run=lazily(f"alerts:{target}"))
        made.fill = fill

    action("add", "add", "Watch something: alert add DB NAME --when 'oldest queue=mail >5m' --for 2m --mail-to ops@example.org", _new)
    action("list", "list_", "List the alerts, with how each stands and what the last look has seen.", json_option)
    action("history", "history", "Show what was told, of one alert or of all, the newest first.", _history)
    action("test", "test", "Tell as if it fired, called a test, to see that it arrives.", _name)
    action("pause", "pause", "Let nobody look at it, or be told, until resume.", _name)
    action("resume", "resume", "Undo pause; it stands as one that is new.", _name)
    action("remove", "remove", "Watch it no more. What was told of it stays in the history.", _name)
    summary = "Look at what is due, as each worker does, and tell; where no worker does, run the telling itself. Exit 1 while anything fires. For cron, or a supervisor."
    action("check", "check", summary)


def _name(sub: Parser) -> None:
    sub.add_argument("name", metavar="NAME", help="the alert's")


def _new(sub: Parser) -> None:
    _name(sub)
    add_options(sub, AlertOptions, without=("run",))
    run = options_of(AlertOptions)["run"]
    sub.add_argument("--run", dest="command", metavar=run.kind.metavar, help=f"{run.meaning}; default {run.said}")  # as ``run`` the parser keeps what is called
    sub.add_argument("--replace", action="store_true", help="take the place of one of this name")
    sub.epilog = KINDS.replace("%%", "%")
    sub.hint = "write the condition and the command between quotes"


def _history(sub: Parser) -> None:
    sub.add_argument("name", metavar="NAME", nargs="?", help="the alert's; left out, all are shown")
    sub.add_argument("--limit", type=integer(1, 10_000), default=20, metavar="N", help="default 20")
    sub.add_argument("--before", type=integer(1, 2**63 - 1), metavar="N", help="the next page, as the last one says")
    json_option(sub)
