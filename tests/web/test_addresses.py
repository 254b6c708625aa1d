from __future__ import annotations

from litequeue.base.search import parse
from litequeue.web.addresses import here, named, to
from litequeue.web.messages import Request


def asked(path: str, **query: str) -> Request:
    return Request("GET", path, query)


def test_they_are_relative_to_where_one_is() -> None:
    assert to(asked("/")) == "./"
    assert to(asked("/"), "jobs", 12) == "./jobs/12"
    assert to(asked("/jobs/12"), "queues", "mail") == "../queues/mail"
    assert to(asked("/jobs/12")) == "../"


def test_a_name_is_one_part_of_a_path_whatever_stands_in_it() -> None:
    assert to(asked("/"), "queues", "a/b?c#d\"<é") == "./queues/a%2Fb%3Fc%23d%22%3C%C3%A9"
    assert to(asked("/"), "queues", "\ud800") == "./queues/%3F"
    assert to(asked("/"), "javascript:alert(1)") == "./javascript%3Aalert%281%29"


def test_queries() -> None:
    assert to(asked("/"), "jobs", q="state:discarded error:\"a b\"", before=None) == "./jobs?q=state%3Adiscarded+error%3A%22a+b%22"
    assert here(asked("/jobs", q="x", before="9", part="main"), before=None, seen=3) == "./jobs?q=x&seen=3"


def test_a_search_by_a_name_reads_back_as_that_name() -> None:
    for name in ("mail", "shop.charge", "a b", "x:y", "a,b", "a*", "-x"):
        (term,) = parse(named("queue", name)).terms
        (value,) = term.values
        assert (term.key, value.text, value.is_prefix) == ("queue", name, False)  # type: ignore[union-attr]
