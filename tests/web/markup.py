"""Reading the page's HTML strictly: what a browser would mend in silence is an error here."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "hr", "col", "rect", "line", "path", "circle", "polygon", "polyline"}
# What cannot stand in a paragraph, in a heading, in a line of text.
BLOCKS = {"div", "section", "table", "p", "ul", "ol", "dl", "pre", "header", "nav", "form", "details", "h1", "h2", "main"}
PHRASES = {"p", "h1", "h2", "span", "b", "bdi", "a", "button", "time", "code", "summary", "small", "i", "kbd"}
PARENTS = {
    "tr": {"thead", "tbody"}, "th": {"tr"}, "td": {"tr"}, "thead": {"table"}, "tbody": {"table"}, "li": {"ul", "ol"}, "dt": {"dl", "div"}, "dd": {"dl", "div"},
    "option": {"datalist"}, "summary": {"details"}, "body": {"html"}, "head": {"html"},
}  # fmt: skip
ONCE = {"a": {"a", "button"}, "button": {"a", "button"}, "form": {"form"}, "main": {"main"}}
ADDRESSES = {"href", "src", "action", "formaction"}
_RELATIVE = re.compile(r"(?![a-z+.-]+:|/)[^\s<>\"]*|#\w+", re.IGNORECASE)


class Page(HTMLParser):
    """Elements, attributes and text; ``wrong`` names what is not as it should be."""

    def __init__(self, body: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.wrong: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._stack: list[str] = []
        self._ids: set[str] = set()
        self.source = body.decode()
        self.feed(self.source)
        self.close()
        if self._stack:
            self.wrong.append(f"never closed: {self._stack}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag not in VOID or self.get_starttag_text()[-2:] != "/>" and tag not in {"meta", "link", "input", "br", "hr", "col"}:
            self._stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if len(found) < len(attrs):
            self.wrong.append(f"<{tag}> has an attribute twice")
        if tag in PARENTS and (not self._stack or self._stack[-1] not in PARENTS[tag]):
            self.wrong.append(f"<{tag}> in {self._stack[-2:]}")
        if tag in BLOCKS and self._stack and self._stack[-1] in PHRASES:
            self.wrong.append(f"<{tag}> in {self._stack[-2:]}")
        if ONCE.get(tag, set()) & set(self._stack):
            self.wrong.append(f"<{tag}> in another: {self._stack}")
        for name, value in found.items():
            self._check(tag, name, value)

    def _check(self, tag: str, name: str, value: str) -> None:
        if name == "style" or name.startswith("on"):
            self.wrong.append(f"<{tag} {name}>")
        if name in ADDRESSES and not _RELATIVE.fullmatch(value):
            self.wrong.append(f"<{tag} {name}={value!r}>")
        if name == "id":
            if value in self._ids:
                self.wrong.append(f"two have the id {value}")
            self._ids.add(value)

    def handle_endtag(self, tag: str) -> None:
        if not self._stack or self._stack.pop() != tag:
            self.wrong.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        """The attributes of each such element."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [found for name, found in self.tags if name == tag and wanted.items() <= found.items()]
