"""The workflows, and one of them: its jobs as a graph in layers, and the same as a table.

Owns both pages. Of a flow with more jobs than can be drawn one by one each layer shows how many of a task are in which state.
"""

from __future__ import annotations

from ...base.checks import counted
from ...store.pages.parts import FlowGroup, FlowNode, FlowRow
from ...store.pages.records import FlowPage, FlowsPage, Frame
from .. import words
from ..addresses import here, named, to
from ..charts import graph, small
from ..frame import crumbs, page
from ..html import Child, Markup, el, value
from ..messages import Request, Response
from ..values import (
    button,
    command,
    empty,
    form,
    head,
    hidden,
    job_link,
    moment,
    panel,
    search_link,
    state,
    strip,
    table,
)
from .rows import more


def flows(view: FlowsPage, frame: Frame, request: Request) -> Response:
    columns = (("Workflow", "grow"), ("Jobs", "num"), "Progress", ("Failed", "num"), ("Ended", "num opt"))
    body = table(head(*columns), (_row(row, frame, request) for row in view.rows)) if view.rows else empty("No workflow has been enqueued yet: chain(a.s(1), b.s()).delay() makes one.")
    older = None if view.next is None else more((el("span", f"the last {len(view.rows)}"), el("a", "Older", href=here(request, before=view.next), class_="btn", rel="next")))
    return page(request, frame, "Workflows", panel("All workflows", body, older, live="flows"), at="flows")


def _row(row: FlowRow, frame: Frame, request: Request) -> Markup:
    name = el("span", el("a", f"flow {row.id:,}", href=to(request, "flows", row.id), class_="name"), class_="clip")
    return el(
        "tr",
        el("th", name, el("span", value(row.task, 80), ", ", moment(row.created_at, frame.now), class_="sub"), scope="row", class_="grow"),
        el("td", words.number(row.total), class_="num"),
        el("td", progress(row)),
        el("td", el("span", words.number(row.failed), class_="up") if row.failed else "0", class_="num"),
        el("td", moment(row.ended_at, frame.now), class_="num muted opt"),
        class_="two",
    )  # fmt: skip


def progress(row: FlowRow) -> Markup:
    share = row.done / row.total if row.total else 0.0
    meter = small.meter(row.done, row.total, f"{row.done:,} of {row.total:,} jobs succeeded", "bad" if row.failed else "")
    return el("span", meter, " ", el("span", words.percent(share), class_="muted"))


def flow(view: FlowPage, frame: Frame, request: Request) -> Response:
    row = view.row
    way = crumbs(("Workflows", to(request, "flows")), (f"flow {row.id:,}", to(request, "flows", row.id)))
    said = el(
        "p", el("span", "enqueued ", el("b", moment(row.created_at, frame.now, form="clock"))), el("span", el("b", words.number(row.done)), f" of {words.jobs(row.total)} succeeded"),
        el("span", f"{words.number(row.failed)} failed", class_="up") if row.failed else None,
        None if row.ended_at is None else el("span", "ended ", el("b", moment(row.ended_at, frame.now, form="clock"))), class_="meta",
    )  # fmt: skip
    top = el("div", el("div", el("h1", value(row.task)), el("span", f"flow {row.id:,}", class_="muted"), progress(row), class_="title"), said, class_="jobhead", data_live="head")
    drawn = _graph(view, request) if view.nodes else _groups(view, request)
    cli = strip(command(frame, "flow", str(row.id)), "draw it in a terminal")
    listed = panel("Its jobs", _table(view, frame, request), live="jobs") if view.nodes else None
    every = search_link(request, "all its jobs", named("flow", str(row.id)), class_="link small")
    return page(request, frame, f"flow {row.id:,}", top, panel("Graph", drawn, cli, right=every, live="graph"), listed, top=way, at="flows", right=_actions(row, request))


def _actions(row: FlowRow, request: Request) -> Markup | None:
    """Of all its jobs at once; what is meant is said, and counted, before anything is done."""
    if not request.may_act:
        return None
    target, query = to(request, "jobs", "act"), named("flow", str(row.id))
    op, label, icon = ("retry", "Run again what failed", "retrying") if row.failed else ("cancel", "Cancel", "cancelled")
    if not row.failed and row.ended_at is not None:
        return None
    failed = " state:discarded,expired,cancelled" if row.failed else ""
    return form(request, target, hidden("all", op), hidden("q", query + failed), button(label, icon, key="r" if row.failed else "c", ask=f"{label}?"))


def _graph(view: FlowPage, request: Request) -> Markup:
    columns = graph.layers(view.nodes, view.edges)
    lists = (el("ol", (_node(node, request) for node in column), aria_label=f"Layer {number}") for number, column in enumerate(columns, 1))
    news = f"{counted(len(view.nodes), 'job')} in {counted(len(columns), 'layer')}"
    return el("div", graph.curves(columns, view.edges), lists, class_="flow", role="group", aria_label=news, tabindex=0)


def _node(node: FlowNode, request: Request) -> Markup:
    title = node.error or ""
    return el("li", el("a", value(node.task, 60), href=to(request, "jobs", node.id), class_="name", title=title or None), state(node.state), " ", el("span", f"#{node.id:,}", class_="faint small"))


def _groups(view: FlowPage, request: Request) -> Markup:
    """How many, by layer and task."""
    if not view.groups:
        return empty("It has no jobs any more: they were pruned.")
    lines = (_group(each, view.row.id, request) for each in view.groups)
    return table(head(("Task", "grow"), ("Layer", "num opt"), ("Jobs", "num"), "States"), lines)


def _group(each: FlowGroup, flow_id: int, request: Request) -> Markup:
    query = f"{named('flow', str(flow_id))} {named('task', each.task)}"
    states = [part for name, count in each.states.items() for part in (search_link(request, (state(name), f" {count:,}"), f"{query} state:{name}", class_=""), " ")]
    return el(
        "tr",
        el("th", search_link(request, value(each.task, 80), query, class_="name"), scope="row", class_="grow"),
        el("td", each.layer + 1, class_="num opt"),
        el("td", words.number(sum(each.states.values())), class_="num"),
        el("td", states, class_="states"),
    )


def _table(view: FlowPage, frame: Frame, request: Request) -> Markup:
    waits: dict[int, list[int]] = {}
    for parent, child in view.edges:
        waits.setdefault(child, []).append(parent)
    lines = (
        el(
            "tr",
            el("th", job_link(request, node.id), " ", value(node.task, 60), scope="row", class_="grow"),
            el("td", state(node.state)),
            el("td", _parents(waits.get(node.id, []), request), class_="far"),
            el("td", moment(node.started_at, frame.now, form="clock"), class_="num muted far"),
            el("td", moment(node.finished_at, frame.now, form="clock"), class_="num muted"),
        )
        for node in view.nodes
    )
    return table(head(("Job", "grow"), "State", ("Waits for", "far"), ("Started", "num far"), ("Ended", "num")), lines)


def _parents(found: list[int], request: Request) -> list[Child]:
    few: list[Child] = [part for number, parent in enumerate(found[:4]) for part in (", " if number else "", job_link(request, parent))]
    return [*few, f" and {len(found) - 4:,} others"] if len(found) > 4 else few
