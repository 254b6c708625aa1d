"""What can be typed next, of each line."""

from __future__ import annotations

import random
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from litequeue.base.search import parse
from litequeue.base.states import STATES
from litequeue.cli.completion.answering import (
    Answer,
    answer,
    for_bash,
    lexed,
    without_program,
)
from litequeue.cli.completion.tree import tree

TREE = tree()
NAMES = {
    "queues": ["default", "mail", "my queue"], "tasks": ["shop.charge", "shop.send"], "schedules": ["nightly"], "limits": ["stripe"], "workers": ["web1-7"], "alerts": ["late"],
}  # fmt: skip


def names(path: str, kind: str) -> Sequence[str]:
    return NAMES[kind] if path == "db.sqlite" else []


def ask(line: str, **environment: str) -> Answer:
    typed = lexed(line)
    return answer(TREE, without_program(typed.words), typed.current, names, environment)


def words(line: str, **environment: str) -> list[str]:
    return [word for word, _ in ask(line, **environment).words]


@pytest.mark.parametrize(("line", "found"), [
    ("litequeue st", ["stats"]), ("litequeue schedule re", ["remove", "resume"]), ("python -m litequeue sched", ["schedule", "schedules"]), ("litequeue nonsense x", []), ("litequeue x", []),
    ("litequeue pause db.sqlite ", ["default", "mail", "my queue"]), ("litequeue pause db.sqlite m", ["mail", "my queue"]), ("litequeue pause other.sqlite ", []), ("litequeue pause db.sqlite mail ", ["--help"]),
    ("litequeue enqueue db.sqlite shop.c", ["shop.charge"]), ("litequeue enqueue db.sqlite --queue m", ["mail", "my queue"]), ("litequeue enqueue db.sqlite --queue=m", ["--queue=mail", "--queue=my queue"]),
    ("litequeue ticks db.sqlite ", ["nightly"]), ("litequeue schedule pause db.sqlite n", ["nightly"]), ("litequeue schedule add db.sqlite n", []), ("litequeue limit db.sqlite s", ["stripe"]), ("litequeue alert pause db.sqlite ", ["late"]), ("litequeue alert add db.sqlite l", []),
    ("litequeue jobs db.sqlite --state di", ["discarded"]), ("litequeue jobs db.sqlite --state discarded --st", []), ("litequeue jobs db.sqlite --st", ["--state"]), ("litequeue schedule add db.sqlite n --task shop.s", ["shop.send"]),
    ("litequeue help wor", ["workers", "workflows"]), ("litequeue completion ", ["bash", "zsh", "fish"]), ("litequeue worker db.sqlite --queues mail,", ["mail,default", "mail,my queue"]),
    ("litequeue worker db.sqlite --log-level w", ["warning"]), ("litequeue worker --queues mail db.sqlite --log-level w", ["warning"]), ("litequeue --ver", ["--version"]), ("litequeue top db.sqlite --view wo", ["workers"]),
    ("litequeue worker db.sqlite --import a --impo", ["--import"]),
])  # fmt: skip
def test_what_comes_next(line: str, found: list[str]) -> None:
    assert words(line) == found


@pytest.mark.parametrize(("line", "also"), [
    ("litequeue stats ", "database"), ("litequeue stats db", "database"), ("litequeue cron import db.sqlite ", "files"), ("litequeue bench --dir ", "folders"), ("litequeue worker db.sqlite -- ", "files"),
    ("litequeue worker db.sqlite -- guni", "files"), ("litequeue metrics db.sqlite --textfile=x", "files"), ("litequeue signing-key ", "files"), ("litequeue job db.sqlite ", ""), ("litequeue ", ""),
])  # fmt: skip
def test_where_files_stand(line: str, also: str) -> None:
    assert ask(line).also == also


def test_a_search_goes_on_term_by_term_and_value_by_value() -> None:
    assert words("litequeue jobs db.sqlite st") == ["state:"] and words("litequeue jobs db.sqlite -qu") == ["-queue:"]
    assert words("litequeue retry db.sqlite state:dis") == ["state:discarded"] and words("litequeue jobs db.sqlite state:discarded,ex") == ["state:discarded,expired"]
    assert words("litequeue jobs db.sqlite state:discarded queue:") == ["queue:default", "queue:mail"], "my queue stands between quotes, which the shell takes away"
    assert words("litequeue jobs db.sqlite -queue:m") == ["-queue:mail"] and words("litequeue jobs db.sqlite --limit 5 -task:shop.s") == ["-task:shop.send"]
    assert words("litequeue jobs db.sqlite schedule:") == ["schedule:nightly"] and words("litequeue jobs db.sqlite worker:w") == ["worker:web1-7"] and words("litequeue jobs db.sqlite error:") == []
    assert set(words("litequeue jobs db.sqlite ")) == {f"{key}:" for key in TREE["keys"]} and words("litequeue jobs db.sqlite --") == ["--help", "--state", "--queue", "--task", "--tag", "--limit", "--before", "--json"]
    for state in STATES:
        parse(words(f"litequeue jobs db.sqlite state:{state}")[0])


def test_where_the_environment_names_the_file_it_is_left_out() -> None:
    assert words("litequeue pause ", LITEQUEUE_DB="db.sqlite") == ["default", "mail", "my queue"]
    assert words("litequeue pause ./other.sqlite ", LITEQUEUE_DB="db.sqlite") == [] and words("litequeue ticks n", LITEQUEUE_DB="db.sqlite") == ["nightly"]
    assert words("litequeue enqueue shop.send --queue m", LITEQUEUE_DB="db.sqlite") == ["mail", "my queue"]


def test_every_command_and_option_of_the_grammar_is_in_the_tree() -> None:
    """And each word that stands for names of the file does so by a kind that can be read."""
    from litequeue.store.suggested import NAMES as READ

    kinds: set[str] = set()

    def walk(node: dict[str, Any]) -> None:
        kinds.update(option[1] for option in node["o"].values())
        kinds.update(place[0] for place in node.get("p", ()))
        for sub in node.get("s", {}).values():
            walk(sub)

    walk(TREE["top"])
    assert kinds <= {"", "database", "files", "folders", "search", *READ, *TREE["words"]}
    assert {"queues", "tasks", "schedules", "limits", "states", "chapters", "search", "database"} <= kinds | {"states"}
    assert all(sub["a"] for sub in TREE["top"]["s"].values()) and TREE["top"]["s"]["worker"]["o"]["--threads"][3]


# -- bash ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["a b", "a 'b c' d", 'a "b\\"c" d', "a b\\ c", "a ''", "  a   b ", "a b'c'd\"e\"", "a \\\n b", "é 漢"])
def test_a_line_is_split_as_a_shell_does(line: str) -> None:
    typed = lexed(line)
    assert [*typed.words, *([typed.current] if line[-1:] != " " else [])] == shlex.split(line)


def test_a_word_that_has_begun_may_have_an_open_quote() -> None:
    assert lexed("a 'b c")[:] == (["a"], "b c", "'b c", "'") and lexed('a "b \\"')[:] == (["a"], 'b "', '"b \\"', '"') and lexed("a b\\")[:] == (["a"], "b", "b\\", "")


def test_bash_is_given_what_stands_in_the_place_of_what_it_replaces() -> None:
    def given(line: str, breaks: str = " \t\n\"'><=;|&(:") -> list[str]:
        return for_bash(ask(line), lexed(line), breaks)

    assert given("litequeue jobs db.sqlite state:dis") == ["discarded"] and given("litequeue jobs db.sqlite state:dis", " \t\n") == ["state:discarded"]
    assert given("litequeue jobs db.sqlite -queue:m") == ["mail"] and given("litequeue jobs db.sqlite --state=ex") == ["expired"]
    assert given("litequeue pause db.sqlite m") == ["mail", "my\\ queue"] and given("litequeue pause db.sqlite 'm") == ["mail", "my queue"] and given('litequeue pause db.sqlite "my q') == ["my queue"]
    assert given("litequeue pause db.sqlite my\\ q") == ["my\\ queue"]


def test_no_name_is_more_than_a_name_to_a_shell() -> None:
    evil = ["$(touch x)", "`id`", "a;b", "a'b", 'a"b', "a\\b", "~", "*", "a\u00e9", "a b|c>d", "!x", "#y", "a:b"]
    lines = []
    for quote in ("", '"'):
        shown = for_bash(Answer([(name, "") for name in evil]), lexed(f"litequeue pause db.sqlite {quote}"), ":=")
        lines += [f"printf '%s\\n' {quote}{word}{quote}" for word in shown]
    done = subprocess.run(["bash", "--norc"], input="\n".join(lines), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == evil * 2 and done.stderr == ""
    assert for_bash(Answer([("a'b", ""), ("ab", "")]), lexed("x '"), "") == ["ab"]


def test_whatever_stands_on_a_line_there_is_an_answer() -> None:
    rng = random.Random(3)
    parts = [*"\"'\\-=:,* ", "litequeue", "jobs", "schedule", "add", "db.sqlite", "--state", "--", "-h", "state:", "worker", "--queues=", "python", "-m", "漢", "--task", "cron", "import"]
    for _ in range(3000):
        line = "litequeue " + "".join(rng.choice(parts) + rng.choice((" ", "")) for _ in range(rng.randrange(9)))
        found = ask(line, **({"LITEQUEUE_DB": "db.sqlite"} if rng.random() < 0.3 else {}))
        assert all(word for word, _ in found.words) and found.also in ("", "database", "files", "folders")
        for_bash(found, lexed(line), ":=")
