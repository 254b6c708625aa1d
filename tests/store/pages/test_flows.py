"""Flows as graphs: layers, counts where there are too many, and rings that somebody has planted."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from litequeue import LiteQueue
from litequeue.base.checks import aware
from litequeue.base.counts import AtLeast
from litequeue.store import Store
from litequeue.store.links.telling import JOIN
from litequeue.store.pages import flows
from litequeue.store.pages.layers import layers
from litequeue.store.pages.parts import MOST_NODES, Count

from .filled import NOW, execute
from .test_failures import SECRET

pytestmark = pytest.mark.beside

FLOW = "INSERT INTO litequeue_flows (end_id, created_at) VALUES (?, ?)"
RANGE = "INSERT INTO litequeue_flow_jobs VALUES (?, ?, ?)"
EDGE = "INSERT OR REPLACE INTO litequeue_edges VALUES (?, ?, 0)"
JOB = "INSERT INTO litequeue_jobs (task, state, finished_at, prune_at, last_error) VALUES (?, ?, ?, ?, ?)"


def jobs(store: Store, *states: str, task: str = "t") -> None:
    execute(store, JOB, [(task, state, NOW + n if state in ("succeeded", "discarded", "cancelled") else None, 9 if state in ("succeeded", "discarded", "cancelled") else None, f"E: {n}" if state == "discarded" else None) for n, state in enumerate(states)])


@pytest.mark.parametrize("seed", range(6))
def test_each_job_lies_one_behind_the_last_that_it_waits_for(seed: int) -> None:
    rng = random.Random(seed)
    nodes = rng.sample(range(100), 30)
    edges = [(nodes[one], nodes[other]) for one, other in (sorted(rng.sample(range(30), 2)) for _ in range(rng.randrange(60)))]
    found = layers(nodes, edges)

    def plain(node: int) -> int:
        return max((plain(parent) + 1 for parent, child in edges if child == node), default=0)

    assert found == {node: plain(node) for node in nodes}


def test_a_ring_comes_to_an_end_and_lies_behind_all_others() -> None:
    ring = [(2, 3), (3, 4), (4, 2), (4, 5), (9, 1), (1, 1), (0, 1)]
    assert layers([0, 1, 2, 3, 4, 5], ring) == {0: 0, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2}
    assert layers([], []) == {}


def test_a_flow_of_the_app_is_its_jobs_and_who_waits_for_whom(app: LiteQueue) -> None:
    from litequeue import chain, group

    @app.task
    def work(*_: object) -> None: ...

    flow = chain(work.s(), group(work.si(1), work.si(2)), work.s()).delay()
    store = app._client.store
    found = store.pages.flow(flow.id)
    assert found is not None and not found.groups
    members = {member.id: member for member in store.flows.members(flow.id)}
    assert {node.id: (node.task, node.state) for node in found.nodes} == {id_: (member.task, member.state) for id_, member in members.items()}
    assert set(found.edges) == {(parent, member.id) for member in members.values() for parent in member.parents}
    by_id = {node.id: node for node in found.nodes}
    assert all(by_id[parent].layer < by_id[child].layer for parent, child in found.edges)
    assert (found.row.total, found.row.done, found.row.failed, found.row.ended_at, found.row.task) == (4, 0, 0, None, work.name)
    assert [row.id for row in store.pages.flows().rows] == [flow.id]


def test_the_list_says_how_far_each_is_the_newest_first_and_page_by_page(store: Store) -> None:
    jobs(store, "succeeded", "discarded", "available")
    jobs(store, "succeeded", "cancelled", task="end")
    execute(store, FLOW, [(None, 1), (5, 2), (4, 3), (99, 4)] + [(None, 5)] * 30)
    execute(store, RANGE, [(1, 3, 1), (4, 5, 2)])
    last = store.pages.flows()
    assert [row.id for row in last.rows] == list(range(34, 9, -1)) and last.next == 10
    rest = store.pages.flows(before=last.next)
    assert [(row.id, row.done, row.failed, row.total, row.task, row.ended_at) for row in rest.rows[-4:]] == [
        (4, 0, 0, 0, "", None), (3, 0, 0, 0, "end", None), (2, 1, 0, 2, "end", aware(NOW + 1)), (1, 1, 1, 3, "t", None),
    ]  # fmt: skip
    assert rest.next is None and len(rest.rows) == 9


def test_a_flow_of_many_jobs_is_counted_by_layer_and_task(store: Store) -> None:
    many = MOST_NODES + 50
    jobs(store, *(["succeeded", "discarded"] * many)[:many], task="fan")
    jobs(store, "blocked", task="end")
    execute(store, FLOW, [(many + 1, 1)])
    execute(store, RANGE, [(1, many + 1, 1)])
    execute(store, EDGE, [(n, many + 1) for n in range(1, many + 1)])
    found = store.pages.flow(1)
    assert found is not None and found.nodes == () == found.edges
    assert [(group.task, group.layer, dict(group.states)) for group in found.groups] == [("fan", 0, {"succeeded": 125, "discarded": 125}), ("end", 1, {"blocked": 1})]
    assert (found.row.done, found.row.failed, found.row.total) == (125, 125, 251)


def test_of_more_than_are_read_there_are_at_least_so_many(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "COUNTED", 5)
    monkeypatch.setattr(flows, "MOST_READ", 6)
    jobs(store, *["succeeded"] * 6)
    execute(store, FLOW, [(6, 1), (None, 2)])
    execute(store, RANGE, [(1, 6, 1)])
    (_, listed), page = store.pages.flows().rows, store.pages.flow(1)
    assert isinstance(listed.total, AtLeast) and (listed.done, listed.total, listed.ended_at) == (5, 5, None)
    assert page is not None and not isinstance(page.row.total, AtLeast) and page.row.ended_at == aware(NOW + 5)


def test_a_batch_has_the_jobs_of_its_flows_too(store: Store) -> None:
    jobs(store, *["succeeded"] * 4)
    execute(store, FLOW, [(None, 1), (None, 2)])
    execute(store, "UPDATE litequeue_flows SET batch_id = 1 WHERE id = 2")
    execute(store, RANGE, [(1, 2, 1), (3, 4, 2)])
    page = store.pages.flow(1)
    assert page is not None and [node.id for node in page.nodes] == [1, 2, 3, 4]


def test_a_secret_in_an_error_stays_in_the_file(store: Store) -> None:
    execute(store, SECRET, [("pay", '{"secret": {"names": [], "positions": [0]}}')])
    execute(store, JOB.replace("last_error)", "last_error, args)").replace("?)", "?, '[\"abcdefgh\"]')"), [("pay", "discarded", NOW, 9, "E: abcdefgh")])
    execute(store, FLOW, [(None, 1)])
    execute(store, RANGE, [(1, 1, 1)])
    page = store.pages.flow(1)
    assert page is not None and page.nodes[0].error == "E: ***"


def test_ranges_and_edges_that_are_planted_come_to_an_end(db: Path) -> None:
    store = Store(str(db))
    jobs(store, "succeeded", "available", "discarded")
    jobs(store, "blocked", task=JOIN)
    execute(store, FLOW, [(4, 2**63 - 1), (-5, -(2**63))])
    execute(store, RANGE, [(-(2**63), 2**63 - 1, 1), (2, 2**62, 1), (3, 1, 1), (5, -1, 2)])
    execute(store, EDGE, [(1, 2), (2, 1), (2, 3), (3, 2), (4, 4), (-7, 3), (2**62, 1)])
    execute(store, "UPDATE litequeue_flows SET batch_id = id")
    page = store.pages.flow(1)
    assert page is not None and Counter(node.layer for node in page.nodes) == {0: 1, 1: 3} and {node.id for node in page.nodes} == {1, 2, 3, 4}
    assert len(store.pages.flows().rows) == 2 and store.pages.flow(3) is None
    assert store.pages.frame(NOW).flows == 2 and store.pages.overview("1h", NOW).failure_groups == Count(1)
    store.close()
