"""Pages that need no queue: what went wrong, and the one that only leads on. ``login`` is the third.

Owns their HTML, which is the frame of the others without what stands around it. Words are constants; all else goes through ``esc``. Tells nobody who is not
in what file this is, nor repeats what was asked.
"""

from __future__ import annotations

from html import escape as esc
from http import HTTPStatus
from typing import Final

from . import icons

_TITLES: Final = {403: "Not allowed", 404: "Not found", 405: "Not possible here", 421: "Not served at this name", 500: "Something went wrong", 503: "Not now"}
_WORDS: Final = {
    400: "The request makes no sense.",
    404: "There is nothing at this address.",
    405: "This address takes a button's request alone, and only where the page was started with --allow-actions. Nothing was done.",
    408: "The request did not come in time.",
    411: "The request does not say how long it is.",
    413: "The request is too long.",
    414: "The address is too long.",
    431: "The request has too many headers.",
    500: "The error is in the log of who serves this page.",
    501: "The request is sent in a way that is not understood.",
}


def notice(status: int, why: str = "", root: str = "") -> bytes:
    """A page that says what went wrong; ``root``: where the overview is, if going there helps."""
    title = _TITLES.get(status) or HTTPStatus(status).phrase
    onward = f'<p><a class="link" href="{esc(root)}">Overview</a></p>' if root else ""
    return frame(title, f"<p>{esc(why or _WORDS.get(status, title))}</p>{onward}", root)


def leads_on(to: str, root: str) -> bytes:
    """A page that goes on by itself: from here, and not from where somebody clicked, a browser sends its cookie."""
    return frame("One moment", f'<p><a class="link" href="{esc(to)}">Go on</a></p>', root, head=f'<meta http-equiv="refresh" content="0;url={esc(to)}">')


def frame(title: str, body: str, root: str, head: str = "") -> bytes:
    """``body`` and ``head`` are HTML, the rest is text."""
    sheet = f'<link rel="icon" href="{esc(root)}static/icon.svg"><link rel="stylesheet" href="{esc(root)}static/app.css">' if root else ""
    brand = f'<div class="brand">{icons.LOGO}<span>litequeue</span></div>' if root else ""  # where it has its size from the sheet
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>litequeue: {esc(title.lower())}</title>{sheet}{head}</head>"
        f'<body><main class="main narrow">{brand}<section class="panel"><header><h1>{esc(title)}</h1></header><div class="body stack">{body}</div></section></main></body></html>\n'
    )
    return text.encode("utf-8", "replace")
