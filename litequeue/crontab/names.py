"""A schedule's name for a line of a crontab: from the comment above it, or from its command.

Owns what makes a word a good name. A guess is enough, since a wrong one runs nothing wrong: it never
raises, and reads no shell syntax beyond words and separators.
"""

from __future__ import annotations

import re
from typing import Final

from ..base.checks import MAX_NAME, is_name

FALLBACK: Final = "job"
_FAR_ENOUGH = 2000  # characters of a command to look for its program in
_NOT_IN_NAMES = re.compile(r"[^\w.:-]+")
_COLUMNS = re.compile(r"m(in(ute)?s?)?\s+h(ours?)?\s", re.IGNORECASE)  # "# m h dom mon dow command"
# A job that somebody has switched off; what it would have been called says nothing of the next.
_DISABLED = re.compile(r"(@\w+|[\d*][\d*/,-]*\s+[\d*][\d*/,-]*(\s+[\w*][\w*/,#-]*){3})\s+\S")
_REDIRECTION = re.compile(r"(\d*|&)[<>]+[|&]?\s*[^\s;|&()]*")  # "> /dev/null", "2>&1", "&> log"
_SEPARATORS = re.compile(r"&&|\|\||[;|&\n(){}`]")
_ASSIGNMENT = re.compile(r"\w+=")
_INTERPRETER = re.compile(r"python[\d.]*|perl|php[\d.]*|ruby|node|sh|bash|dash|zsh")
# They prepare or test, and are not what the job is about.
_PREPARING = {"cd", "test", "[", "[[", "export", "set", "umask", "ulimit", "source", ".", "sleep", "true", ":"}
# They start another program: the options that take a value, and the operands before that program.
_STARTING = {
    "sudo": ("ugpChrtTU", 0), "nice": ("n", 0), "ionice": ("cn", 0), "env": ("uCS", 0), "nohup": ("", 0),
    "time": ("", 0), "timeout": ("ks", 1), "flock": ("wE", 1), "chronic": ("", 0), "exec": ("", 0),
    "setsid": ("", 0), "command": ("", 0), "if": ("", 0), "!": ("", 0), "then": ("", 0),
}  # fmt: skip


def from_comment(text: str) -> str:
    """The words of a comment as a name; "" where it only decorates, or heads the columns."""
    text = text.lstrip("#").strip()
    if is_name(text) and any(c.isalnum() for c in text):
        return text  # a name that was written out is read back as it was
    return "" if _COLUMNS.match(text) or _DISABLED.match(text) else _slug(text)


def from_command(command: str) -> str:
    """The program that a command is about: ``pg_dump`` of ``cd /srv && nice /usr/bin/pg_dump -Fc shop``."""
    bare = _REDIRECTION.sub(" ", command[:_FAR_ENOUGH])
    found = [_program(part.split()) for part in _SEPARATORS.split(bare)]
    names = [name for name in map(_slug, (p for p in found if p not in _PREPARING)) if name]
    return (names or [name for name in map(_slug, found) if name] or [FALLBACK])[0]


def unique(name: str, taken: set[str]) -> str:
    """The name, or with -2, -3 and so on behind it; added to those taken."""
    last, free = 0, 1
    while _numbered(name, free) in taken:
        last, free = free, 2 * free
    # Between one that is taken and one that is free: counting from the first on took minutes for 20,000 lines that are alike.
    while free - last > 1:
        middle = (last + free) // 2
        last, free = (middle, free) if _numbered(name, middle) in taken else (last, middle)
    chosen = _numbered(name, free)
    taken.add(chosen)
    return chosen


def _numbered(name: str, number: int) -> str:
    suffix = "" if number == 1 else f"-{number}"
    return name[: MAX_NAME - len(suffix)] + suffix


def _slug(text: str) -> str:
    found = _NOT_IN_NAMES.sub("-", text.replace("'", "")).strip("-.:")[:MAX_NAME]
    return found if any(c.isalnum() for c in found) else ""


def _program(words: list[str]) -> str:
    """The basename of the first word that is no assignment, and starts no other program."""
    while words:
        word, words = words[0].strip("\"'"), words[1:]
        if _ASSIGNMENT.match(word):
            continue
        base = word if word in _PREPARING else word.rstrip("/").rpartition("/")[2]
        if base in _STARTING:
            words = _after_options(words, *_STARTING[base])
        elif _INTERPRETER.fullmatch(base):
            return _script(words) or base
        else:
            return base
    return ""


def _after_options(words: list[str], with_value: str, operands: int) -> list[str]:
    while words and words[0].startswith("-"):
        takes = len(words[0]) == 2 and words[0][1] in with_value
        words = words[2 if takes else 1 :]
    return words[operands:]


def _script(words: list[str]) -> str:
    """What an interpreter is told to run; "" for code on the command line."""
    for position, word in enumerate(words):
        if word in ("-c", "-e", "-r"):
            return ""
        if word == "-m":
            return words[position + 1] if position + 1 < len(words) else ""
        if not word.startswith("-"):
            return word.strip("\"'").rpartition("/")[2]
    return ""
