"""What the parsers of the command line share."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

from ...base.errors import InvalidArgument
from ...given import DATABASE
from ...options import JobOptions, options_of
from ...options.kinds import SIZE, integer_typed

# What can be typed for words in capitals that say too little, below the help of whatever takes one.
FORMS: Final = {
    "SPAN": "a length of time: seconds, or with units, as in 90s, 1h30m or 2d",
    "TIME": "a date and time, as in '2026-12-24 18:00', of the zone here unless it says another (+01:00)",
}
USUAL: Final = (".sqlite", ".sqlite3", ".db")  # what most databases are called, and no task is


class Parser(argparse.ArgumentParser):
    """One that is filled when it is used, and hands over what follows ``--`` as it is, where ``rest`` says.

    argparse itself refuses that wherever an option stands between the positional arguments and the ``--``. With the
    arguments of every command at once, of which one is used, the parser took 17 of a command's 150 ms; so it takes 7.
    """

    fill: Callable[[Parser], None] | None = None  # adds the arguments
    rest: str | None = None  # the attribute
    hint: str | None = None  # for who gives a word too many
    _words: tuple[str, ...] = ()
    takes_database = False
    takes_file = False  # after the database
    takes_search = False  # whose terms may begin with a hyphen, and stand between options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        fill, self.fill = self.fill, None
        if fill is not None:
            fill(self)
        words = list(sys.argv[1:] if args is None else args)
        self._words = tuple(words)
        if self._subparsers is not None and words and words[0].startswith(("-A", "--app")):  # else the command is told of the rest alone
            self.error(f"unrecognized arguments: {words[0]}")
        set_by = os.environ.get(DATABASE) if self.takes_database else None
        if set_by and not self._names_database(words) and not {"-h", "--help"} & set(words):
            words.insert(0, set_by)
            self.hint = f"{DATABASE} says {set_by}; another DB stands first, with a / in it or as a file that is there"
        if self.takes_search:
            words = self._search_last(words)
        end = words.index("--") if self.rest and "--" in words else len(words)
        namespace, unknown = super().parse_known_args(words[:end], namespace)
        if self.rest:
            setattr(namespace, self.rest, words[end + 1 :])
        if unknown and self._subparsers is None:  # else the command has them, and says which
            hint = self._meant(unknown) or (f"; {self.hint}" if self.hint else "")
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return namespace, unknown

    def _search_last(self, words: list[str]) -> list[str]:
        """Options first, and behind ``--`` all else: argparse takes ``-queue:mail`` for an option, and no words after one where there were some before."""
        options: list[str] = []
        others: list[str] = []
        rest = iter(words)
        for word in rest:
            action = self._option_string_actions.get(word.partition("=")[0])
            if word == "--":
                others += rest
            elif action is not None or word.startswith("--"):
                options.append(word)
                if action is not None and action.nargs is None and "=" not in word:
                    options += [value for value in [next(rest, None)] if value is not None]
            else:
                others.append(word)
        return [*options, "--", *others]

    def format_help(self) -> str:
        words = {word for action in self._actions if isinstance(action.metavar, str) for word in action.metavar.split("|")}
        forms = [f"{word} is {form}." for word, form in FORMS.items() if word in words]
        self.epilog = " ".join(([self.epilog] if self.epilog else []) + forms)
        return super().format_help()

    def _meant(self, unknown: list[str]) -> str:
        """The option that a mistyped one is much like."""
        typed = unknown[0].partition("=")[0]
        return did_you_mean(typed, self._option_string_actions) if typed.startswith("--") else ""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError:
            meant = did_you_mean(value, action.choices or ())
            if not meant:  # then all that there are
                raise
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{meant}") from None

    def error(self, message: str) -> NoReturn:
        """One line: argparse would print all that the command takes before it."""
        from .habits import typed_elsewhere

        program, _, command = self.prog.partition(" ")
        elsewhere = typed_elsewhere(command, self._words)
        if elsewhere is not None:
            self.exit(2, f"{program}: {command and f'{command}: '}{elsewhere}\n")
        first = "".join(self._words[:1])
        if self.takes_database and " required: " in message and first and first[0] != "-" and not _is_file(first):
            message += f" ({first} was taken for the DB, which comes first)"
        for action in self._actions:
            spared = getattr(action, "spares", None)
            if spared is not None and " required: " in message:
                message = message.replace(spared.metavar, f"{spared.metavar} (or {action.option_strings[0]})")
        if message.startswith("argument flow:ID:") and self.hint:  # a word that was meant as the DB
            message += f"; {self.hint}"
        where = f"{command}: " if command else ""
        self.exit(2, f"{program}: {where}{message}; {self.prog} --help says what there is\n")

    def _names_database(self, words: list[str]) -> bool:
        """Whether the first word is the database, although that may be left out."""
        if not words or not _is_file(words[0]):
            return False
        return not self.takes_file or any(word == "-" or _is_file(word) for word in words[1:])


def did_you_mean(typed: str, known: Iterable[str]) -> str:
    import difflib  # where somebody may have mistyped

    near = difflib.get_close_matches(typed, known, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _is_file(word: str) -> bool:
    return os.sep in word or word.endswith(USUAL) or os.path.isfile(word)


def take_database(sub: Parser) -> None:
    """The first argument of nearly all."""
    sub.add_argument("db", metavar="DB", help=f"the database file; left out where {DATABASE} names it")
    sub.takes_database = True


def instead_of(positional: argparse.Action) -> type[argparse.Action]:
    """A flag that makes a positional argument needless.

    With nargs="?" argparse would take it for left out wherever an option stands before it.
    """

    class Flag(argparse.Action):
        spares = positional

        def __init__(self, **options: Any) -> None:
            super().__init__(nargs=0, default=False, **options)

        def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
            setattr(namespace, self.dest, True)
            positional.required = False

    return Flag


def flag_of(name: str) -> str:
    """An option's name as it is typed."""
    return "--" + name.strip("_").replace("_", "-")


def as_typed(text: str) -> str:
    """What is said of an option, with its values as they are typed: without the guide's marks, and without Python's quotes."""
    return text.replace('`"', "").replace('"`', "").replace("`", "")


def add_options(sub: argparse.ArgumentParser, fields: type, *, without: tuple[str, ...] = ()) -> None:
    """The arguments of a list of options, with its help."""
    of_jobs = options_of(JobOptions)
    for name, option in options_of(fields).items():
        if name in without:
            continue
        said = "as the task says" if name in of_jobs else option.said or option.default
        default = f"; default {said}" if said not in (None, "", False) else ""
        about = as_typed(f"{option.meaning}{default}").replace("%", "%%")
        kind = option.kind
        if kind.metavar is None:
            sub.add_argument(flag_of(name), dest=name, action="store_true", default=None, help=about)
        else:
            sub.add_argument(
                flag_of(name), dest=name, metavar=kind.metavar, choices=kind.choices or None, help=about,
                action="append" if kind.joined else "store",
            )  # fmt: skip


def integer(low: int, high: int) -> Callable[[str], int]:
    """The type of an argument that is no option of a call."""

    def typed(text: str) -> int:
        try:
            return integer_typed(text, low, high)
        except InvalidArgument as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def size(text: str) -> int:
    """Bytes, of one that is typed."""
    try:
        return int(SIZE.check(text, "it"))
    except InvalidArgument as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("it: ").removeprefix("it ")) from None


job_id: Final = integer(1, 2**63 - 1)


def flow_id(text: str) -> int:
    """A workflow's, with or without ``flow:`` before it."""
    return job_id(text.removeprefix("flow:"))


def job_or_flow(text: str) -> int | str:
    """A job's id, or what says that it is a workflow's."""
    return f"flow:{flow_id(text)}" if text.startswith("flow:") else job_id(text)


def json_option(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--json", action="store_true", help="for programs")


def lazily(target: str) -> Callable[[argparse.Namespace], int]:
    """What is run by a command: ``module:function``, the module within ``cli``, imported when it is chosen."""
    module, function = target.split(":")

    def run(arguments: argparse.Namespace) -> int:
        chosen: Any = getattr(importlib.import_module(f"..{module}", __package__), function)
        return int(chosen(arguments))

    return run
