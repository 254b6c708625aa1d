"""One Redis for the tests of the bridge, and one worker for those that need none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from .servers import celery_worker, env_of, redis_server, shop


class Site(NamedTuple):
    """A shop with its worker."""

    folder: Path
    env: dict[str, str]

    @property
    def log(self) -> str:
        return (self.folder / "celery.log").read_text()


@pytest.fixture(scope="package")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("celery", reason="celery is not installed; .ci/run installs it", exc_type=ImportError)
    pytest.importorskip("redis", reason="redis is not installed; .ci/run installs it", exc_type=ImportError)
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="package")
def site(redis: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """With a worker of two processes that is Celery's clock, too."""
    folder, env = shop(tmp_path_factory.mktemp("site")), env_of(redis)
    with celery_worker(folder, env, "-c", "2", "-B", "-s", str(folder / "beat")):
        yield Site(folder, env)
