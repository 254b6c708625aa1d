"""What people who come from Celery, Huey or RQ type, and what it is here.

Owns these words. Read only where a command line is refused; none of them works.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

FILES: Final = (".sqlite", ".sqlite3", ".db")

# Each goes on from the word: "beat is not needed here".
COMMANDS: Final = {
    "beat": "is not needed here: every worker fires the schedules, and each tick once; litequeue schedules DB lists them",
    "status": "is litequeue stats DB here, which counts jobs and shows the workers; litequeue doctor DB says what is wrong",
    "inspect": "is litequeue stats DB here for the workers, and litequeue jobs DB state:running for what they do",
    "control": "is litequeue pause DB QUEUE here, resume DB QUEUE, cancel DB ID, and limit DB NAME",
    "events": "is litequeue web DB here, which shows what happens, and metrics DB, which counts it; litequeue events DB lists those that jobs wait for",
    "flower": "is litequeue web DB --open here",
    "purge": "is litequeue purge DB state:available here, for all that waits to run; a search says which jobs are meant",
    "multi": "is litequeue worker DB --workers N here, and litequeue service DB -- --workers N prints a systemd unit for it",
    "call": "is litequeue enqueue DB TASK ARG ... here",
    "result": "is litequeue job DB ID here",
    "report": "is litequeue doctor DB here",
    "graph": "is litequeue flow DB ID here, which draws a workflow",
    "shell": "is python -i tasks.py here, with app.jobs() and the tasks of that file",
    "info": "is litequeue stats DB here",
    "requeue": "is litequeue retry DB ID here",
    "empty": "is litequeue purge DB queue:NAME here",
    "suspend": "is litequeue pause DB QUEUE here",
}  # fmt: skip

OURS_TOO: Final = ("purge", "events")

# What each is here, with its value; empty: nothing. Those of the second list are followed by nothing.
VALUES: Final = {
    **dict.fromkeys(("-A", "--app", "-I", "--include"), "--import"),
    **dict.fromkeys(("-c", "--concurrency", "-w"), "--threads"),
    **dict.fromkeys(("-Q", "--queues"), "--queues"),
    **dict.fromkeys(("-l", "--loglevel", "--logging_level", "--logging-level"), "--log-level"),
    **dict.fromkeys(("-n", "--hostname"), "--name"),
    "--max-tasks-per-child": "--max-jobs-per-child", "--maxtasksperchild": "--max-jobs-per-child",
    **dict.fromkeys(("-P", "--pool", "-k", "--worker-type", "-X", "--exclude-queues", "--autoscale", "--time-limit", "--soft-time-limit",
                     "-f", "--logfile", "--pidfile", "-s", "--schedule", "-O", "--prefetch-multiplier", "-b", "--broker", "-u", "--url"), ""),
}  # fmt: skip
FLAGS: Final = ("-B", "--beat", "-E", "--task-events", "-D", "--detach", "--without-gossip", "--without-mingle", "--without-heartbeat", "--with-scheduler")
OWN_FLAGS: Final = ("--burst", "--log-json", "--reload")

WHY: Final = {
    **dict.fromkeys(("-B", "--beat", "--with-scheduler"), "every worker fires the schedules"),
    **dict.fromkeys(("-P", "--pool", "-k", "--worker-type"), "each task says its pool, @app.task(pool='process')"),
    **dict.fromkeys(("--time-limit", "--soft-time-limit"), "each task says its timeout and soft_timeout"),
    **dict.fromkeys(("-D", "--detach", "--pidfile"), "litequeue service DB prints a systemd unit"),
    **dict.fromkeys(("-f", "--logfile"), "it logs to stderr"),
    **dict.fromkeys(("-X", "--exclude-queues"), "--queues names those that it serves"),
    "--autoscale": "slots may be a range, as in --threads 2:32",
}  # fmt: skip


def typed_elsewhere(command: str, words: Sequence[str]) -> str | None:
    """What to type instead of a command line that was refused; None where it is nobody's habit."""
    said = list(words)
    has_app = any(word.partition("=")[0] in ("-A", "--app") for word in said)
    if not command:
        command = next((word for word in _without_options(said) if word not in ("celery", "rq", "huey_consumer")), "")
        said = said[said.index(command) + 1 :] + said[: said.index(command)] if command else said
        if command not in COMMANDS and not (has_app and command in ("", "worker")):
            return None
    if command in ("", "worker"):
        return _worker(said)
    if command not in COMMANDS or command in OURS_TOO and not has_app and _without_options(said):
        return None
    return f"{command} {COMMANDS[command]}"


def _without_options(words: Sequence[str]) -> list[str]:
    """The words that are neither options nor values of theirs."""
    return [word for option, word in _pairs(words) if option is None and word is not None]


def _pairs(words: Sequence[str]) -> Iterator[tuple[str | None, str | None]]:
    """Each option with its value, or None; a word by itself with None before it."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield None, word
        elif equals:
            yield option, value
        elif option[:2] in VALUES and option[1:2] != "-" and len(option) > 2:  # -c4
            yield option[:2], option[2:]
        elif option in FLAGS or option in OWN_FLAGS or not rest or rest[0].startswith("-"):
            yield option, None
        else:
            yield option, rest.pop(0)


def _worker(words: Sequence[str]) -> str | None:
    """A worker's line as it is here."""
    database, line, why, names = "DB", [], dict[str, None](), list[str]()
    is_habit = False
    for option, value in _pairs(words):
        if option is None and value is not None:
            if value.endswith(FILES):
                database = value
            elif value not in ("celery", "rq", "huey_consumer"):
                names.append(value)
            continue
        assert option is not None
        is_habit |= option in FLAGS or option in VALUES and VALUES[option] != option
        if option in WHY:
            why[f"no {option}, since {WHY[option]}"] = None
        if option in ("-A", "--app", "-I", "--include") and value:
            value = value.partition(":")[0]
        here = VALUES.get(option, option)
        if here and option not in FLAGS:
            line += [here] if value is None else [here, value.lower() if here == "--log-level" else value]
    if len(names) == 1 and database == "DB":
        database = names.pop()
    if names:  # RQ's worker is given its queues
        line, is_habit = [*line, "--queues", ",".join(names)], True
        why["a program that runs beside the worker goes after --"] = None
    return "; ".join([f"here it is: litequeue worker {' '.join([database, *line])}", *why]) if is_habit else None
