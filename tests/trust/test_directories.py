"""Where the database lies. Who can write there can put a log beside it that SQLite takes for the database's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from litequeue import LiteQueue

from . import forged
from .world import OTHER, OWNER, World, as_user, burst, python, run

pytestmark = pytest.mark.beside


def sticky(world: World) -> Path:
    return world.folder("shared", uid=0, mode=0o1777)


def of_a_group(world: World) -> Path:
    return world.folder("shared", mode=0o775, gid=OTHER)


def somebody_elses(world: World) -> Path:
    return world.folder("shared", uid=OTHER)


FOLDERS = [sticky, of_a_group, somebody_elses]


def others_queue(world: World) -> bytes:
    """All pages of another user's own queue, with a command in it."""
    db = world.queue(world.folder("others", uid=OTHER), uid=OTHER)
    world.command_job(db, uid=OTHER)
    return db.read_bytes()


def plant(path: Path, content: bytes, mode: int = 0o666) -> None:
    """By the other user, writable for the owner, as SQLite wants it."""

    def write() -> None:
        path.write_bytes(content)
        path.chmod(mode)

    as_user(OTHER, write)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_journal_planted_by_another_user_is_not_played_into_the_owners_file(world: World, folder: Callable[[World], Path]) -> None:
    db = world.queue(folder(world))
    before = db.read_bytes()
    plant(Path(f"{db}-journal"), forged.journal(others_queue(world)))
    burst(OWNER, db)
    assert world.ran() == []
    assert db.read_bytes() == before


@pytest.mark.slow
def test_a_log_planted_by_another_user_is_not_played_into_the_owners_file(world: World) -> None:
    """Not in a sticky directory: there the kernel itself refuses, where fs.protected_regular is set."""
    db = world.queue(of_a_group(world))
    before = db.read_bytes()
    plant(Path(f"{db}-wal"), forged.wal(others_queue(world)))
    burst(OWNER, db)
    assert world.ran() == []
    assert db.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("words", [("jobs",), ("enqueue", "t"), ("doctor",)], ids=lambda words: words[0])
def test_no_command_plays_in_a_planted_journal(world: World, words: tuple[str, ...]) -> None:
    """Looking is enough: SQLite plays it in at the first read."""
    db = world.queue(of_a_group(world))
    before = db.read_bytes()
    plant(Path(f"{db}-journal"), forged.journal(others_queue(world)))
    run(OWNER, words[0], db, *words[1:])
    assert db.read_bytes() == before
    assert Path(f"{db}-journal").exists(), "it is left for a person to look at"


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "content"), [("-journal", forged.journal), ("-wal", forged.wal)], ids=["journal", "wal"])
def test_a_log_of_another_user_is_refused_and_left_in_a_folder_that_has_been_closed_since(
    world: World, suffix: str, content: Callable[[bytes], bytes]
) -> None:
    folder = world.folder("shared", mode=0o777)
    db = world.queue(folder)
    before, planted = db.read_bytes(), content(others_queue(world))
    plant(Path(f"{db}{suffix}"), planted)
    folder.chmod(0o700)
    burst(OWNER, db)
    assert world.ran() == []
    assert db.read_bytes() == before
    assert Path(f"{db}{suffix}").read_bytes() == planted


@pytest.mark.slow
def test_a_log_that_others_can_write_is_refused(world: World) -> None:
    db = world.queue(world.folder("home"))
    before = db.read_bytes()
    journal = forged.journal(others_queue(world))
    log = world.file(Path(f"{db}-journal"), b"", mode=0o666)
    as_user(OTHER, lambda: log.write_bytes(journal))
    burst(OWNER, db)
    assert world.ran() == []
    assert db.read_bytes() == before


@pytest.mark.slow
def test_nobody_who_can_write_a_directory_above_puts_another_queue_of_the_owners_in_the_place_of_the_one_that_is_meant(world: World) -> None:
    shared = world.folder("shared", uid=0, mode=0o777)
    db = world.queue(world.folder("shared/app", mode=0o700))
    world.command_job(world.queue(world.folder("shared/test", mode=0o700)))

    def swap() -> None:
        os.rename(shared / "app", shared / "gone")
        os.rename(shared / "test", shared / "app")

    as_user(OTHER, swap)
    burst(OWNER, db)
    assert world.ran() == []


def test_a_queue_in_a_directory_for_everybody_is_refused_with_the_directorys_name(world: World) -> None:
    folder = sticky(world)
    done = run(OWNER, "init", folder / "db.sqlite")
    assert done.returncode == 4
    assert str(folder) in done.stderr, done
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_a_command_that_is_not_run_is_not_said_to_lack_its_code(world: World) -> None:
    db = world.queue(world.folder("home"), mode=0o666)
    world.command_job(db)
    done = burst(OWNER, db)
    assert "litequeue.command stays queued, since it cannot run here" in done.stderr, done.stderr
    assert "code is not here" not in done.stderr and "no code for" not in done.stderr
    assert world.ran() == []


# -- what goes on working ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_a_queue_in_a_home_directory_runs(world: World, mode: int) -> None:
    db = world.queue(world.folder("home", mode=mode))
    world.command_job(db)
    done = burst(OWNER, db)
    assert world.ran() == [f"ran{OWNER}"], done.stderr


@pytest.mark.slow
def test_a_queue_of_roots_runs(world: World) -> None:
    db = world.queue(world.folder("var", uid=0), uid=0)
    world.command_job(db, uid=0)
    done = burst(0, db)
    assert world.ran() == ["ran0"], done.stderr


@pytest.mark.slow
def test_a_queue_in_a_directory_of_roots_that_only_its_user_can_write_into_runs(world: World) -> None:
    """As systemd's StateDirectory= makes one, below directories of root's."""
    db = world.queue(world.folder("var/lib/shop", mode=0o750))
    world.command_job(db)
    done = burst(OWNER, db)
    assert world.ran() == [f"ran{OWNER}"], done.stderr


@pytest.mark.slow
def test_a_sticky_directory_farther_up_is_good_enough(world: World) -> None:
    """As pytest's tmp_path, or a mkdtemp, has /tmp above it."""
    sticky(world)
    db = world.queue(world.folder("shared/mine", mode=0o700))
    world.command_job(db)
    done = burst(OWNER, db)
    assert world.ran() == [f"ran{OWNER}"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_a_log_that_the_owners_own_program_left_is_played_in(world: World, suffix: str) -> None:
    """After a kill: what it holds was committed, or has to be undone."""
    db = world.queue(world.folder("home"))
    world.command_job(db)
    with_a_job, content = db.read_bytes(), forged.wal if suffix == "-wal" else forged.journal
    world.file(db, world.queue(world.folder("empty")).read_bytes(), mode=0o600)
    world.file(Path(f"{db}{suffix}"), content(with_a_job), mode=0o600)
    done = burst(OWNER, db)
    assert world.ran() == [f"ran{OWNER}"], done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("said", ["in the environment", "in code"])
def test_who_trusts_anyone_with_his_queue_uses_it_where_he_likes_and_a_worker_has_to_be_told_so_too(world: World, said: str) -> None:
    folder = sticky(world)
    db = folder / "db.sqlite"
    if said == "in code":
        code = f"from litequeue import LiteQueue; LiteQueue({str(db)!r}, trust='anyone').enqueue('litequeue.command', command={world.command()!r})"
        done = python(OWNER, code)
    else:
        assert run(OWNER, "init", db, env={"LITEQUEUE_TRUST": "anyone"}).returncode == 0
        done = run(OWNER, "enqueue", db, "litequeue.command", f"command={world.command()}", env={"LITEQUEUE_TRUST": "anyone"})
    assert done.returncode == 0, done.stderr
    world.tasks(code_folder := world.folder("app"))
    world.job(db, code_folder)
    assert run(OWNER, "jobs", db, env={"LITEQUEUE_TRUST": "anyone"}).returncode == 0
    refused = burst(OWNER, db)
    assert f"{folder} can be written by others" in refused.stderr, refused.stderr
    assert world.ran() == []
    done = burst(OWNER, db, LITEQUEUE_TRUST="anyone")
    assert world.ran() == [f"ran{OWNER}", f"task{OWNER}"], done.stderr


def test_a_word_for_trust_that_nobody_knows_is_refused(world: World) -> None:
    db = world.queue(world.folder("home"))
    done = run(OWNER, "jobs", db, env={"LITEQUEUE_TRUST": "everybody"})
    assert done.returncode == 2 and "LITEQUEUE_TRUST must be one of owner, anyone, not 'everybody'" in done.stderr
    with pytest.raises(ValueError, match="trust must be one of owner, anyone"):
        LiteQueue(db, trust="all")


def test_a_journal_of_another_users_is_refused_whoever_is_trusted(world: World) -> None:
    folder = world.folder("shared", mode=0o777)
    db = world.queue(folder)
    plant(Path(f"{db}-journal"), b"any")
    done = run(OWNER, "enqueue", db, "t", env={"LITEQUEUE_TRUST": "anyone"})
    assert done.returncode == 4 and f"{db}-journal belongs to another user (uid {OTHER})" in done.stderr, done
    Path(f"{db}-journal").unlink()
    assert run(OWNER, "enqueue", db, "t", env={"LITEQUEUE_TRUST": "anyone"}).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("is_new", [False, True])
@pytest.mark.parametrize("kind", ["hard link", "link", "pipe"])
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_what_is_no_log_of_its_own_is_refused_whoever_is_trusted(world: World, suffix: str, kind: str, is_new: bool) -> None:
    """SQLite writes over what it takes for one, and waits for a pipe."""
    folder, notes = world.folder("shared", mode=0o777), world.file(world.folder("home") / "notes", "a long text", mode=0o666)
    db = folder / "db.sqlite" if is_new else world.queue(folder)
    beside = Path(f"{db}{suffix}")
    # The kernel lets him link to what he may write.
    make = {"hard link": beside.hardlink_to, "link": beside.symlink_to, "pipe": lambda _: os.mkfifo(beside, 0o444)}[kind]
    as_user(OTHER, lambda: make(notes))
    done = run(OWNER, "enqueue", db, "t", env={"LITEQUEUE_TRUST": "anyone"}, timeout=10)
    assert done.returncode == 4 and done.stderr.startswith(f"litequeue: {db} is not opened, since {beside} "), done
    assert notes.read_text() == "a long text" and db.exists() != is_new


@pytest.mark.slow
def test_a_log_of_another_users_is_taken_where_anyone_is_trusted(world: World) -> None:
    db = world.queue(world.folder("shared", mode=0o777), mode=0o666)
    other = f"from litequeue import LiteQueue; import os; LiteQueue({str(db)!r}, trust='anyone').enqueue('t'); os._exit(0)"
    assert python(OTHER, f"import os; os.umask(0); {other}").returncode == 0
    assert Path(f"{db}-wal").stat().st_uid == OTHER
    os.chmod(f"{db}-lock", 0o666)
    assert run(OWNER, "jobs", db, env={"LITEQUEUE_TRUST": "anyone"}).returncode == 0


def test_who_makes_a_queue_is_led_nowhere_by_a_link_of_another_users(world: World) -> None:
    """In a sticky directory he decides whither; and the file was made there, before it was refused."""
    private, shared = world.folder("private"), sticky(world)
    as_user(OTHER, lambda: (shared / "q").symlink_to(private))
    done = run(OWNER, "init", shared / "q" / "db")
    assert done.returncode == 4 and f"{shared}/q belongs to another user" in done.stderr, done
    assert list(private.iterdir()) == []


@pytest.mark.parametrize("uid", [0, OWNER])
def test_a_folder_that_is_away_for_a_moment_is_not_opened_unjudged(world: World, uid: int) -> None:
    """Away for the first look, and there for the next: then root opened it as root, and a user what he refuses."""
    db = world.queue(world.folder("others", uid=OTHER), uid=OTHER, mode=0o666)
    program = f"""
import itertools, os
from litequeue.base.errors import CannotOpen
from litequeue.store import Store
def lstat(path, *args, **options):
    if path == {str(db.parent)!r} and next(looks) == away:
        raise FileNotFoundError(2, "No such file or directory", path)
    return real(path, *args, **options)
real, os.lstat = os.lstat, lstat
for away in range(12):
    looks = itertools.count()
    store = Store({str(db)!r}, create=False)
    try:
        store.database.open()
    except CannotOpen as error:
        print("refused")
    else:
        print(store.database.user and store.database.user.uid)
"""
    answers = python(uid, program).stdout.split()
    assert len(answers) == 12 and set(answers) == ({"refused"} if uid else {"refused", f"{OTHER}"}), answers


def test_what_the_refusal_advises_is_what_works(world: World) -> None:
    """Root would have closed /tmp to all, to the letter; and who is not the owner can change no mode."""
    shared, loose = sticky(world), world.folder("loose home", mode=0o777)
    refused = run(0, "init", shared / "db").stderr
    assert f"mkdir -m 700 {shared}/NAME" in refused and "chmod" not in refused, refused
    refused = run(OWNER, "init", shared / "db").stderr
    assert f"mkdir -m 700 {shared}/NAME" in refused and "chmod" not in refused, refused
    as_user(OWNER, lambda: (shared / "NAME").mkdir(0o700))
    assert run(OWNER, "init", shared / "NAME/db").returncode == 0
    refused = run(OWNER, "init", loose / "db").stderr
    assert f"chmod go-w '{loose}';" in refused, refused
    refused = run(OTHER, "init", loose / "db").stderr
    assert "work as that one" in refused and "chmod" not in refused, refused
    as_user(OWNER, lambda: loose.chmod(0o755))
    assert run(OWNER, "init", loose / "db").returncode == 0
    of_root = world.folder("roots", uid=0, mode=0o777)
    refused = run(OWNER, "init", of_root / "db").stderr
    assert "keep it in a folder of your own" in refused and "chmod" not in refused, refused
