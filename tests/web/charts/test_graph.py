from __future__ import annotations

import re

from litequeue.store.pages.parts import FlowNode
from litequeue.web.charts import graph

from ...support import ROOT
from ..samples import flow_page


def test_jobs_stand_in_layers_near_what_they_wait_for() -> None:
    nodes = [FlowNode(id_, "t", "blocked", layer, None, None, None) for id_, layer in ((1, 0), (2, 0), (3, 1), (4, 1))]
    columns = graph.layers(nodes, [(1, 4), (2, 3)])
    assert [[node.id for node in column] for column in columns] == [[1, 2], [4, 3]], "no two curves cross"


def test_a_curve_leads_from_each_to_who_waits_for_it() -> None:
    page = flow_page()
    columns = graph.layers(page.nodes, page.edges)
    shown = graph.curves(columns, page.edges)
    assert shown.count("<path") == len(page.edges)
    assert 'd="M208 23C236 23 236 23 264 23"' in shown
    assert f'width="{4 * 208 + 3 * 56}"' in shown and 'height="162"' in shown


def test_an_edge_to_a_job_that_is_gone_is_left_out() -> None:
    page = flow_page()
    assert "<path" not in graph.curves(graph.layers(page.nodes, ()), [(1, 2)])
    assert graph.layers((), ()) == []


def test_the_sheet_knows_the_same_widths() -> None:
    css = (ROOT / "litequeue" / "web" / "static" / "app.css").read_text()
    rule = {name: found for name in ("flow", "flow ol", "flow li") if (found := re.search(rf"^\.{name} \{{(.*?)\}}", css, re.MULTILINE))}
    assert f"gap: {graph.GAP}px" in rule["flow"][1] and f"width: {graph.COLUMN}px" in rule["flow ol"][1]
    assert f"height: {graph.BOX}px" in rule["flow li"][1] and f"margin-bottom: {graph.ROW - graph.BOX}px" in rule["flow li"][1]
