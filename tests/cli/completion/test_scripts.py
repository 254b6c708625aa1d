"""The functions for bash, zsh and fish, in those shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.cli.completion.scripts import SCRIPTS, script
from litequeue.cli.completion.tree import tree

from ...support import environment
from ..conftest import Cli

pytestmark = pytest.mark.beside


def need(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")


@pytest.fixture
def there(app: LiteQueue, db: Path) -> Path:
    """A folder with a queue in it."""
    app.task(name="shop.send", queue="mail")(lambda: None).delay()
    app.pause("a:b")
    with app._client.store.database.write(durable=False) as connection:  # what nobody of ours would write
        connection.executemany("INSERT INTO litequeue_queues (name, paused_at) VALUES (?, 1)", [("my queue",), ("$(touch evil)",), ("my!-1",), ("-my",)])
    app.schedules.add("nightly", "shop.send", every="1h")
    for shell in SCRIPTS:
        (db.parent / f"c.{shell}").write_text(script(shell, tree()))
    return db.parent


def run(folder: Path, *words: str, typed: str = "", timeout: float = 60, **env: str) -> str:
    done = subprocess.run(words, input=typed, cwd=folder, env={**os.environ, "HOME": str(folder), "TERM": "dumb", **env}, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.stderr == "", done.stderr
    return done.stdout


ASK = """source ./c.bash
ask() {
    COMP_LINE="$1" COMP_POINT=${#1} COMPREPLY=()
    read -ra COMP_WORDS <<<"$1"
    [[ $1 == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    "${2:-_litequeue}" "${COMP_WORDS[0]}"
    local IFS='|'
    echo "${COMPREPLY[*]}"
}
"""


def bash(folder: Path, *lines: str, function: str = "_litequeue", **env: str) -> list[str]:
    asked = "".join(f"ask {_quoted(line)} {function}\n" for line in lines)
    return run(folder, "bash", "--norc", "--noprofile", typed=ASK + asked, **env).splitlines()


def _quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def test_bash(there: Path) -> None:
    need("bash")
    found = bash(
        there, "litequeue st", "litequeue pause db.sqlite ", "litequeue jobs db.sqlite state:dis", "litequeue jobs db.sqlite qu", "litequeue stats d", "litequeue ticks db.sqlite n", "litequeue pause missing.sqlite ",
        "litequeue pause db.sqlite m",
    )  # fmt: skip
    assert found == ["stats", r"\$\(touch\ evil\)|a:b|mail|my\ queue", "discarded", "queue:", "db.sqlite", "nightly", "", r"mail|my\ queue"]
    assert not (there / "evil").exists()
    assert bash(there, "litequeue pause ", LITEQUEUE_DB="db.sqlite") == [r"\$\(touch\ evil\)|a:b|mail|my\ queue"]


def test_bash_and_python_m(there: Path) -> None:
    need("bash")
    assert bash(there, "python -m litequeue ticks db.sqlite n", "python3  -m  litequeue st", "python -m lite", "python x", function="_litequeue_of_python") == ["nightly", "stats", "", ""]
    typed = f"_mine() {{ COMPREPLY=(mine); }}\ncomplete -F _mine python3\n{ASK}ask 'python3 x' _litequeue_of_python\nask 'python3 -m litequeue st' _litequeue_of_python\ncomplete -p litequeue python3\n"
    assert run(there, "bash", "--norc", "--noprofile", typed=typed).splitlines()[:3] == ["mine", "stats", "complete -F _litequeue litequeue"], "whatever completed it before does so still"


def test_bash_says_nothing_where_the_package_is_gone(there: Path) -> None:
    need("bash")
    text = (there / "c.bash").read_text()
    (there / "c.bash").write_text(text.replace(sys.executable, "/nowhere/python"))
    assert bash(there, "litequeue st", "litequeue pause d")[0] == ""


@pytest.mark.slow
def test_bash_puts_it_on_the_line(there: Path) -> None:
    """In a terminal, where readline breaks words at colons."""
    need("bash")
    import pty
    import select

    side, end = pty.openpty()
    process = subprocess.Popen(["bash", "--norc", "--noprofile", "-i"], stdin=end, stdout=end, stderr=end, cwd=there, start_new_session=True,
                               env={**os.environ, "PS1": "$ ", "TERM": "dumb", "HOME": str(there), "HISTFILE": ""})  # fmt: skip
    try:
        os.write(side, b"litequeue() { printf 'got<%s>' \"$@\"; echo; }; source ./c.bash\n")
        os.write(side, b"litequeue jobs db.sqlite state:disc\t queue:mai\t\nlitequeue pause db.sqlite my\t\nlitequeue pause db.sqlite 'my q\t\nlitequeue jobs db.sqlite --state=exp\t\nlitequeue stats db\t\nlitequeue jobs db.sqlite qu\tmai\t\nlitequeue pause db.sqlite a:\t\necho e''nd\n")
        said, deadline = b"", time.monotonic() + 30
        while b"\nend" not in said and time.monotonic() < deadline:
            if select.select([side], [], [], 0.2)[0]:
                said += os.read(side, 65536)
        got = [line.partition("got<")[2] for line in said.decode().splitlines() if line.startswith("got<")]
    finally:
        process.kill()
        process.wait()
        os.close(side)
        os.close(end)
    assert got == [
        "jobs>got<db.sqlite>got<state:discarded>got<queue:mail>", "pause>got<db.sqlite>got<my queue>", "pause>got<db.sqlite>got<my queue>", "jobs>got<db.sqlite>got<--state=expired>", "stats>got<db.sqlite>",
        "jobs>got<db.sqlite>got<queue:mail>", "pause>got<db.sqlite>got<a:b>",
    ], said.decode()  # fmt: skip


ZSH = r"""
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z 'PS1="PRO""MPT "; autoload -Uz compinit; compinit -u -d ./zd; source ./c.zsh; litequeue() { print -r -- "got<${(j:><:)@}>"; }; python3() { litequeue "$@" }; setopt no_beep'
zpty -r z out '*PROMPT *'
tab=$'\t'
while read -r line; do
    zpty -w z "${line//@/$tab}"
    zpty -r z out '*got<*>*PROMPT *'
    print -r -- "got<${${out##*got<}%%$'\r'*}"
done
zpty -d z
"""


@pytest.mark.slow
def test_zsh(there: Path) -> None:
    need("zsh")
    (there / "z.zsh").write_text(ZSH)
    typed = "litequeue sta@\nlitequeue pause db.sqlite my@\nlitequeue jobs db.sqlite state:disc@\npython3 -m litequeue ticks db.sqlite n@\nlitequeue jobs db.sqlite qu@mai@\nlitequeue stats db@\n"
    assert run(there, "zsh", "-f", "z.zsh", typed=typed).splitlines() == [
        "got<stats>", "got<pause><db.sqlite><my queue>", "got<jobs><db.sqlite><state:discarded>", "got<-m><litequeue><ticks><db.sqlite><nightly>", "got<jobs><db.sqlite><queue:mail>", "got<stats><db.sqlite>",
    ]  # fmt: skip


def test_fish(there: Path) -> None:
    need("fish")

    def fish(line: str) -> list[str]:
        return run(there, "fish", "--no-config", "-c", f"source c.fish; complete -C {_quoted(line)}").splitlines()

    assert fish("litequeue stat") == ["stats\tCount jobs by state and queue"] and fish("litequeue pause db.sqlite m") == ["mail", "my queue"]
    assert fish("litequeue jobs db.sqlite state:disc") == ["state:discarded"] and fish("python3 -m litequeue ticks db.sqlite n") == ["nightly"]
    assert fish("litequeue stats d") == ["db.sqlite"] and fish("litequeue pause missing.sqlite ") == []


def test_the_command_prints_them_and_knows_no_other_shell(cli: Cli) -> None:
    for shell, word in (("bash", "complete -F _litequeue litequeue"), ("zsh", "compdef _litequeue litequeue"), ("fish", "complete -c litequeue")):
        said = cli("completion", shell)
        assert said.code == 0 and word in said.out and said.err == ""
    assert "invalid choice: 'tcsh'" in cli("completion", "tcsh").err and cli("completion").code == 2


def test_an_answer_imports_nothing_of_the_package_and_comes_at_once(there: Path) -> None:
    """27 ms measured, 60 are the budget; here it has neighbours."""
    code = (there / "c.bash").read_text().partition("answer=$(")[2].partition(" bash ")[0]
    import shlex

    words = shlex.split(code)
    looked = words[4].replace("answering.main(sys.argv[2:])", "answering.main(sys.argv[2:]); print(*sys.modules)")
    import json

    done = subprocess.run([*words[:4], looked, *words[5:], "fish", json.dumps(tree()), "litequeue", "pause", "db.sqlite", ""], cwd=there, capture_output=True, text=True, check=True)
    *names, modules = done.stdout.splitlines()
    assert names == ["-", "$(touch evil)", "a:b", "mail", "my queue"]
    assert not {"litequeue", "argparse", "asyncio", "dataclasses", "inspect", "typing_extensions", "logging"} & set(modules.split())
    took = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([*words, "fish", json.dumps(tree()), "litequeue", "pause", "db.sqlite", ""], cwd=there, env=environment(), stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - began)
    assert min(took) < 2.0
