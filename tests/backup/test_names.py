"""What copies in a folder are called, and which of them go."""

from __future__ import annotations

import random

import pytest

from litequeue.backup.names import is_name_of, name_of, surplus

pytestmark = pytest.mark.beside

NOW = 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/srv/db.sqlite", "db-20231114T221320Z.sqlite"),
        ("/srv/app.db", "app-20231114T221320Z.db"),
        ("/srv/queue", "queue-20231114T221320Z.sqlite"),
        ("/srv/.db", ".db-20231114T221320Z.sqlite"),
        ("/srv/a.b.sqlite3", "a.b-20231114T221320Z.sqlite3"),
    ],
)
def test_a_copys_name_has_the_files_and_the_time(path: str, name: str) -> None:
    assert name_of(path, NOW) == name
    assert is_name_of(path, name)
    again = name_of(path, NOW, [name])
    assert again != name and is_name_of(path, again)
    assert name_of(path, NOW, [name, again]) not in (name, again)


def test_names_are_in_the_order_of_their_times() -> None:
    taken: list[str] = []
    for second in (0, 0, 0, 1, 60, 86_400):
        taken.append(name_of("/srv/db.sqlite", NOW + second * 1_000_000, taken))
    assert taken == sorted(taken)


@pytest.mark.parametrize("name", ["db.sqlite", "db-20231114T221320Z.db", "db-2023.sqlite", "xdb-20231114T221320Z.sqlite", "db-20231114T221320Z.sqlite-wal"])
def test_other_names_are_no_copys(name: str) -> None:
    assert not is_name_of("/srv/db.sqlite", name)


def test_a_name_is_taken_as_it_is() -> None:
    assert is_name_of("/srv/a+b(.sqlite", name_of("/srv/a+b(.sqlite", NOW))
    assert not is_name_of("/srv/a.b.sqlite", "axb-20231114T221320Z.sqlite")


def test_what_is_too_many_is_the_oldest_and_no_more_than_that() -> None:
    drawn = random.Random(7)
    for _ in range(200):
        made = {f"copy {n}": drawn.randrange(20) for n in range(drawn.randrange(12))}
        keep = drawn.randrange(1, 8)
        gone = surplus(made, keep)
        assert len(made) - len(gone) == min(keep, len(made))
        left = [at for name, at in made.items() if name not in gone]
        assert not gone or max(made[name] for name in gone) <= min(left)
    assert surplus({}, 3) == []
