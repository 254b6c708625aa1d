"""A world for each test, and the skip where nobody can be somebody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import world as worlds
from .world import World


def pytest_collection_finish(session: pytest.Session) -> None:
    """Once, before any test is forked off: the package where other users can read it, compiled, and what has imported it."""
    if any("world" in getattr(item, "fixturenames", ()) for item in session.items) and worlds.why_not() is None:
        worlds.server().address()


@pytest.fixture
def world() -> Iterator[World]:
    why = worlds.why_not()
    if why is not None:
        pytest.skip(why)
    world = World()
    yield world
    world.remove()
