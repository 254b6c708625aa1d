from __future__ import annotations

import ast

import pytest

from litequeue.web.html import el, esc, join, value

from ..support import ROOT


def test_text_is_escaped_and_what_cannot_be_seen_is_spelled_out() -> None:
    assert esc("<a href=\"x\" id='y'>&") == "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;"
    assert esc("a\u202eb\x00\x1b[31m\ud800\u2028") == "a\\u202eb\\x00\\x1b[31m\\ud800\\u2028"
    assert esc("two\nlines\tand ümläute 日本") == "two\nlines\tand ümläute 日本"


def test_an_element_escapes_all_but_what_is_markup_already() -> None:
    assert el("p", "<b>", el("b", "x"), 12, None, ["&", ("y", None)], class_="a\"b") == '<p class="a&quot;b">&lt;b&gt;<b>x</b>12&amp;y</p>'
    assert el("time", data_ago=True, hidden=False, title=None) == "<time data-ago></time>"
    assert el("input", aria_label="a", value="") == '<input aria-label="a" value="">'
    assert el("rect", width=1.0, x=2.25) == '<rect width="1" x="2.2"/>'


def test_markup_in_a_plain_string_is_plain_again() -> None:
    """It shows, instead of letting something through."""
    bold = el("b", "x")
    assert type(bold + "<i>") is str
    assert join(f"{bold}") == "&lt;b&gt;x&lt;/b&gt;"
    assert el("p", title=bold) == '<p title="&lt;b&gt;x&lt;/b&gt;"></p>'


@pytest.mark.parametrize("name", ["style", "onclick", "onerror"])
def test_what_the_policy_forbids_is_refused_at_once(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        el("p", **{name: "x"})


def test_a_value_stands_in_a_direction_of_its_own_and_may_be_cut() -> None:
    assert value("<>") == "<bdi>&lt;&gt;</bdi>"
    assert value("abcdef", 4) == "<bdi>abc…</bdi>"
    assert value("abcd", 4) == "<bdi>abcd</bdi>"


def test_only_the_elements_and_the_icons_make_markup() -> None:
    """Of constants, elsewhere: whatever is put into it there could be a stranger's."""
    for path in sorted((ROOT / "litequeue" / "web").rglob("*.py")):
        if path.name in ("html.py", "icons.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Markup"):
                assert all(isinstance(each, ast.Constant) for each in node.args), f"{path}:{node.lineno}"
